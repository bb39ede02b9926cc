"""Attributes of an event that fixstream itself understands; it passes on all others."""

from __future__ import annotations

TRAIN_AFTER = "fixstream.train_after"
"""ISO 8601 time, with its zone, before which the text is in quarantine and does not train."""
SOLUTION_ID = "fixstream.solution_id"
"""The solution that is known to have fixed this error."""
