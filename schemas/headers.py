"""Message headers: CloudEvents-style context and W3C trace context, readable without decoding.

Headers repeat what subscribers filter and trace by; the truth stays in the record.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fixstream.schemas.catalogue import NAMESPACE
from fixstream.schemas.records import (
    CauseEdge,
    ErrorEvent,
    FixFeedback,
    GroupLabels,
    ModelUpdate,
    Occurrences,
    Record,
    Solution,
    SuggestedFix,
    TrainingBatch,
    TriagedError,
)

Headers = list[tuple[str, bytes]]

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")

_ID_OF: dict[type, Callable[[Any], str]] = {
    ErrorEvent: lambda record: str(record.event_id),
    TriagedError: lambda record: str(record.event.event_id),
    TrainingBatch: lambda record: str(record.batch_id),
    ModelUpdate: lambda record: f"{record.model}/{record.version}",
    SuggestedFix: lambda record: str(record.suggestion_id),
    FixFeedback: lambda record: str(record.feedback_id),
    Solution: lambda record: str(record.solution_id),
    GroupLabels: lambda record: str(record.fingerprint),
    CauseEdge: lambda record: f"{record.cause}>{record.effect}",
    Occurrences: lambda record: str(record.worker),
}


_SPEC_VERSION = ("ce_specversion", b"1.0")
_TYPE_OF = {kind: ("ce_type", f"{NAMESPACE}.{kind.__name__}".encode()) for kind in _ID_OF}


def message_headers(record: Record, *, ce_source: str, now: datetime) -> Headers:
    """The headers that go with a record.

    Args:
        record: The message's value.
        ce_source: Who sends it, such as `fixstream/streams`.
        now: When it is sent; aware.

    Returns:
        `ce_specversion`, `ce_id`, `ce_type`, `ce_source`, `ce_time`; `traceparent` where the event
        has valid trace and span ids; for a suggested fix `service`, `severity` and `domain` too.
    """
    headers = [
        _SPEC_VERSION,
        ("ce_id", _ID_OF[type(record)](record).encode()),
        _TYPE_OF[type(record)],
        ("ce_source", ce_source.encode()),
        ("ce_time", _time(now)),
    ]
    event = record.event if isinstance(record, TriagedError) else record
    if isinstance(event, ErrorEvent):
        if event.trace_id and event.span_id:
            headers += _trace_context(event.trace_id, event.span_id)
    elif isinstance(record, SuggestedFix):
        headers += [
            ("service", record.service.encode()),
            ("severity", record.severity.value.encode()),
            ("domain", record.domain.value.encode()),
        ]
    return headers


def _time(now: datetime) -> bytes:
    if now.tzinfo is not UTC:
        now = now.astimezone(UTC)
    return now.isoformat()[: -len("+00:00")].encode() + b"Z"


def _trace_context(trace_id: str, span_id: str) -> Headers:
    # A malformed traceparent would make every tracer downstream start a new trace, so none is sent.
    if _TRACE_ID.fullmatch(trace_id) and _SPAN_ID.fullmatch(span_id):
        return [("traceparent", f"00-{trace_id}-{span_id}-01".encode())]
    return []
