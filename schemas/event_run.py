"""Reads an encoded event around the run of fields that a repeated error repeats.

From `service` to `domain_hint` an event says which error it is; before and behind that stands what
belongs to this one occurrence. Whoever knows the run's bytes from before need not read its texts
again. Finding the run looks at lengths only and checks nothing: bytes that equal those of a run
that was read once are such a run, for a run ends where its fields do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, get_type_hints

from fixstream.schemas.catalogue import shipped
from fixstream.schemas.reading import UNUSUAL, Read, field_reader, read_size
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.validation import quick_check

_NAMES = tuple(field.name for field in dataclasses.fields(ErrorEvent))
_START, _END = _NAMES.index("service"), _NAMES.index("domain_hint") + 1
run_of: Callable[[ErrorEvent], tuple[Any, ...]] = attrgetter(*_NAMES[_START:_END])
"""The values of the run of an event."""


class Run(NamedTuple):
    """Where the run of a message is."""

    data: bytes
    start: int
    end: int


class Occurrence(NamedTuple):
    """What an event says of the one occurrence, in the order of its fields."""

    event_id: str
    occurred_at: datetime
    trace_id: str | None
    span_id: str | None
    scrubber: str
    sdk: str


_NUM_MORE = 3
_NOTHING_MORE = bytes(_NUM_MORE)
"""No correlation id, no attributes, no provenance."""


class _Layout(NamedTuple):
    """How the newest version of an event is laid out."""

    steps: tuple[tuple[bool, bool], ...]
    """Of each field of the run: whether null may stand there, and whether it is a text."""
    head: tuple[Read, ...]
    ids: Read
    """Reads a trace id or a span id."""
    text: Read
    """Reads the scrubber or the SDK."""


@cache
def _layout() -> _Layout:
    fields = shipped().newest(ErrorEvent.__name__).parsed["fields"]
    hints = get_type_hints(ErrorEvent)
    named: dict[str, Any] = {}
    readers = [field_reader(field["type"], hints[field["name"]], named) for field in fields]
    kinds = [field["type"] for field in fields[_START:_END]]
    steps = tuple(
        (isinstance(kind, list), kind == "string" or isinstance(kind, list)) for kind in kinds
    )
    return _Layout(steps, tuple(readers[:_START]), readers[_END], readers[-1])


def find_run(data: bytes, at: int) -> Run | None:
    """Finds the run in a message whose body starts at `at`; None where it is unusual."""
    try:
        size, at = read_size(data, at)
        at += size
        while data[at] & 0x80:
            at += 1
        start = at + 1
        end = _run_end(data, start, _layout().steps)
    except UNUSUAL:
        return None
    return Run(data[start:end], start, end)


def _run_end(data: bytes, at: int, steps: tuple[tuple[bool, bool], ...]) -> int:
    for is_nullable, is_text in steps:
        if is_nullable:
            at += 1
            if not data[at - 1]:
                continue
        size = data[at]
        if is_text and size & 0x80:
            size, at = read_size(data, at)
            at += size
        else:
            at += 1 + (size >> 1 if is_text else 0)
    return at


_fits = quick_check(ErrorEvent, Occurrence._fields)


def read_around(data: bytes, at: int, run: Run) -> Occurrence | None:
    """What stands around the run of a message whose body starts at `at`.

    None where that is not plainly well-formed and valid, or where it holds more: a correlation id,
    attributes, a provenance. Then the message has to be read as a whole.
    """
    layout = _layout()
    try:
        event_id, at = layout.head[0](data, at)
        occurred_at, at = layout.head[1](data, at)
        trace_id, at = layout.ids(data, run.end if at == run.start else len(data))
        span_id, at = layout.ids(data, at)
        if data[at : at + _NUM_MORE] != _NOTHING_MORE:
            return None
        scrubber, at = layout.text(data, at + _NUM_MORE)
        sdk, at = layout.text(data, at)
    except UNUSUAL:
        return None
    found = Occurrence(event_id, occurred_at, trace_id, span_id, scrubber, sdk)
    return found if at == len(data) and _fits(found) else None
