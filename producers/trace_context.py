"""Which request an error belongs to: W3C trace context, OpenTelemetry's span, a correlation id.

OpenTelemetry is used where the host has loaded it, and never imported for its own sake.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

from fixstream.producers.request_in_flight import Headers, current_request

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_CORRELATION_HEADERS = (b"x-correlation-id", b"x-request-id")
_MAX_CORRELATION_CHARS = 128


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Ids as lower-case hex, as in `traceparent`."""

    trace_id: str | None = None
    span_id: str | None = None
    correlation_id: str | None = None


def current_trace() -> TraceContext:
    """What is known here and now; the host's own span wins over what its caller sent."""
    request = current_request.get()
    from_headers = TraceContext() if request is None else trace_from_headers(request.headers)
    span = _current_span_ids()
    if span is None:
        return from_headers
    return TraceContext(*span, from_headers.correlation_id)


def trace_from_headers(headers: Headers) -> TraceContext:
    """Trace and correlation ids of a request; malformed ones count as absent."""
    found = {name: value for name, value in headers if name in _WANTED}
    trace_id, span_id = parse_traceparent(found.get(b"traceparent", b""))
    correlation = next((found[name] for name in _CORRELATION_HEADERS if name in found), b"")
    text = correlation.decode("latin-1").strip()[:_MAX_CORRELATION_CHARS]
    return TraceContext(trace_id, span_id, text if text.isprintable() and text else None)


def parse_traceparent(value: bytes) -> tuple[str, str] | tuple[None, None]:
    """Trace id and parent span id of a W3C `traceparent`, or a pair of None if it is not one."""
    match = _TRACEPARENT.fullmatch(value.strip())
    if match is None or match[1] == b"ff":
        return None, None
    trace_id, span_id = match[2].decode(), match[3].decode()
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None, None
    return trace_id, span_id


_WANTED = frozenset({b"traceparent", *_CORRELATION_HEADERS})


def _current_span_ids() -> tuple[str, str] | None:
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    span_context = trace.get_current_span().get_span_context()
    if not span_context.is_valid:
        return None
    return f"{span_context.trace_id:032x}", f"{span_context.span_id:016x}"
