"""From a record of a log to an error event, if it tells of an error. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from fixstream.producers.capture import clean_attributes, sdk_name
from fixstream.producers.safe_text import clean_text
from fixstream.producers.tail.line_formats import ERROR_LEVELS, YEARLESS
from fixstream.producers.tail.record_assembly import LogRecord
from fixstream.schemas import limits
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.trace import ParsedTrace, parse_trace

_MAX_MESSAGE_CHARS = 8_192
_MAX_TRACE_CHARS = 65_536
_MAX_LINE_CHARS = 1_000
_AHEAD = timedelta(days=1)
"""How far a clock may be ahead before a time without a year is believed to be last year's."""
_LEAP_YEARS_APART = 8
"""Around 1900 and 2100; in between it is 4."""


@dataclass(frozen=True, slots=True)
class LogOrigin:
    """Which file a record stands in, and in whose name it is reported."""

    service: str
    environment: str
    path: str
    file_key: str
    """What stays the same when the file is renamed."""
    zone: tzinfo | None = None
    """Of times that name none; None takes this machine's."""


def event_from_record(record: LogRecord, origin: LogOrigin, seen_at: datetime) -> ErrorEvent | None:
    """The event of a record that is an error or holds a trace; None for all others.

    Its id is a function of the file, the place in it and the text: what is read a second time
    after a crash is recognised.
    """
    told, stack, trace = _parted(record)
    if trace is None and record.line.level not in ERROR_LEVELS:
        return None
    if trace is not None and record.line.is_level_own and record.line.level in {"debug", "info"}:
        # A trace that the application itself thinks little of.
        return None
    level = record.line.level
    return ErrorEvent(
        event_id=_event_id(record, origin),
        occurred_at=full_time(record.line.time, seen_at, origin.zone) or seen_at,
        service=origin.service,
        environment=origin.environment,
        source=EventSource.LOGGING,
        error_type=clean_text(_error_type(record, trace) or "", limits.MAX_TITLE_CHARS) or None,
        message=clean_text(_message(record, trace), _MAX_MESSAGE_CHARS),
        stack_trace=clean_text(stack, _MAX_TRACE_CHARS) if _is_stack(record, trace) else None,
        language=trace.language if trace else None,
        severity_hint=level if level in {"critical", "emergency"} else None,
        attributes=clean_attributes(
            {
                **record.line.attributes,
                "log.message": told,
                "log.file.path": origin.path,
                "log.level": level or "",
            }
        ),
        sdk=sdk_name(),
    )


def full_time(time: datetime | None, seen_at: datetime, zone: tzinfo | None) -> datetime | None:
    """A line's time in UTC; the zone and the year that it leaves open are filled in.

    The year is the last one in which the time is not more than a day ahead of `seen_at`, so it is
    the nearest past one. None when there is no such time.
    """
    if time is None or time.tzinfo is not None:
        return time
    if time.year != YEARLESS:
        return _in_zone(time, time.year, zone)
    for year in range(seen_at.year + 1, seen_at.year - _LEAP_YEARS_APART, -1):
        found = _in_zone(time, year, zone)
        if found is not None and found <= seen_at + _AHEAD:
            return found
    return None


def _in_zone(time: datetime, year: int, zone: tzinfo | None) -> datetime | None:
    try:
        # A time without a zone is converted as this machine's own.
        return time.replace(year=year, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None  # A 29 February, or the edge of the calendar.


def _error_type(record: LogRecord, trace: ParsedTrace | None) -> str | None:
    if record.line.error_type:
        return record.line.error_type
    return trace.exceptions[-1].type if trace and trace.exceptions else None


def _message(record: LogRecord, trace: ParsedTrace | None) -> str:
    if trace and trace.exceptions and trace.exceptions[-1].message:
        return trace.exceptions[-1].message
    if record.line.stack_trace:
        return record.line.text
    return record.text if trace is None else record.text.split("\n", 1)[0]


def _parted(record: LogRecord) -> tuple[str, str, ParsedTrace | None]:
    """The logger's own line, the trace below it and what that says.

    The line stands apart where the trace names its exception itself: a logger is named as a class
    is, and would be taken for the class of the exception.
    """
    if record.line.stack_trace:
        return "", record.line.stack_trace, parse_trace(record.line.stack_trace)
    first, _, rest = record.text.partition("\n")
    rest = rest.lstrip("\n")
    trace = parse_trace(rest) if record.line.begins else None
    if trace is not None and trace.exceptions and trace.exceptions[-1].type:
        return first[:_MAX_LINE_CHARS], rest, trace
    return "", record.text, parse_trace(record.text)


def _is_stack(record: LogRecord, trace: ParsedTrace | None) -> bool:
    return trace is not None or bool(record.line.stack_trace)


def _event_id(record: LogRecord, origin: LogOrigin) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (origin.service, origin.file_key, str(record.first_byte), record.text):
        digest.update(part.encode("utf-8", "backslashreplace") + b"\x1f")
    return digest.hexdigest()
