"""Ready-made error events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fixstream.schemas.enums import EventSource
from fixstream.schemas.ids import new_event_id
from fixstream.schemas.records import ErrorEvent

OCCURRED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def make_event(message: str = "it broke", **changes: Any) -> ErrorEvent:
    """A small valid event; `changes` are fields of it."""
    fields: dict[str, Any] = {
        "event_id": new_event_id(),
        "occurred_at": OCCURRED_AT,
        "service": "shop",
        "environment": "test",
        "source": EventSource.MIDDLEWARE,
        "error_type": "ValueError",
        "message": message,
        **changes,
    }
    return ErrorEvent(**fields)
