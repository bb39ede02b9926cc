"""The audit: proves from the topics themselves that no event was lost."""
