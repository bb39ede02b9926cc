"""Texts that may not train yet: what a crawler found is looked at for a while before it counts.

Nothing is held back, for a batch covers all of its range: such an example goes along with no
weight and the end of its quarantine. Whoever trains may keep it until then; the stream does not
send it again. A time that cannot be read never ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fixstream.schemas.attributes import SOLUTION_ID, TRAIN_AFTER
from fixstream.schemas.limits import MAX_ID_CHARS
from fixstream.schemas.records import ErrorEvent


@dataclass(frozen=True, slots=True)
class Quarantine:
    """That a text is in quarantine now; `until` is None if the end cannot be told."""

    until: datetime | None


def is_marked(event: ErrorEvent) -> bool:
    """Whether the event has a quarantine, over or not."""
    return bool(event.attributes) and TRAIN_AFTER in event.attributes


def quarantine_of(event: ErrorEvent, now: datetime) -> Quarantine | None:
    """The quarantine that the event's text is in at this time, if it is in one."""
    if not is_marked(event):
        return None
    until = _time(event.attributes[TRAIN_AFTER])
    if until is None or until > now:
        return Quarantine(until)
    return None


def solution_of(event: ErrorEvent) -> str | None:
    """The id of the solution that is known to have fixed this error, if the event names one."""
    if not event.attributes:
        return None
    solution_id = event.attributes.get(SOLUTION_ID, "")
    return solution_id if 0 < len(solution_id) <= MAX_ID_CHARS else None


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
