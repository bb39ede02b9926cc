"""Errors from log files: followed, read in their formats, put together from their lines."""
