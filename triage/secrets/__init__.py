"""Detectors of secrets and personal data, as data: what to look for and how to be sure."""
