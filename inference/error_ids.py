"""Ids of predictions that carry their group, so that feedback finds it even after a restart."""

from __future__ import annotations

import re

_PREDICTION_ID = re.compile(r"(v\d{1,4}-[0-9a-f]{8,64})\.[0-9a-f]{16}\Z")


def prediction_id(fingerprint: str, random_hex: str) -> str:
    """The id of one prediction for an error of this group; `random_hex` has 16 digits or more."""
    return f"{fingerprint}.{random_hex[:16]}"


def fingerprint_in(error_id: str) -> str | None:
    """The group in a prediction's id; None for an event's id."""
    match = _PREDICTION_ID.match(error_id)
    return match.group(1) if match else None
