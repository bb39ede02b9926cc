"""Ids: random ones for new things, deterministic ones so that a repeat is recognised."""

from __future__ import annotations

import hashlib
import uuid

from fixstream.schemas.records import OffsetRange


def new_event_id() -> str:
    """A fresh event id: 32 hex digits, random."""
    return uuid.uuid4().hex


def suggestion_id(event_id: str, model_version: int) -> str:
    """The id of the suggestion that this model version makes for this event."""
    return _digest("suggestion", event_id, str(model_version))


def batch_id(origin: OffsetRange, triage_version: str) -> str:
    """The id of the batch over this range as this triage version sees it."""
    return _digest(
        "batch",
        origin.topic,
        str(origin.partition),
        str(origin.first_offset),
        str(origin.next_offset),
        triage_version,
    )


def cause_key(cause: str, effect: str, partition: int) -> str:
    """The key of an edge as this partition of the raw topic counts it."""
    return f"{cause}>{effect}@{partition}"


def _digest(*parts: str) -> str:
    # The unit separator cannot occur in topic names, ids or numbers, so parts never run together.
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
