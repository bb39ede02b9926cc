"""The trainer: learns from batches as they come and publishes signed model updates."""
