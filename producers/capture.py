"""From an exception to an `ErrorEvent`. Reads no frame locals, no bodies and no environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import metadata

from fixstream.producers.exception_chain import (
    CapturedFrame,
    chain_of,
    in_app_frames,
    root_cause,
)
from fixstream.producers.request_body import BODY
from fixstream.producers.safe_text import clean_text, message_of, type_name
from fixstream.producers.stack_text import stack_text
from fixstream.producers.trace_context import TraceContext, current_trace
from fixstream.schemas import limits
from fixstream.schemas.enums import EventSource
from fixstream.schemas.ids import new_event_id
from fixstream.schemas.records import ErrorEvent

_MAX_ATTRIBUTES = limits.MAX_ATTRIBUTES - 4
"""Some are added later: `fixstream.suppressed`, and what the host's `before_send` wants."""
_MAX_ATTRIBUTE_CHARS = 1024
_MAX_IN_APP_FRAMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureConfig:
    """Who reports, and how much text an event may hold."""

    service: str
    environment: str = "production"
    release: str | None = None
    in_app_modules: tuple[str, ...] = ()
    """Module prefixes that count as the application's own, wherever they are installed."""
    max_message_chars: int = 8_192
    max_trace_chars: int = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of an error besides the exception itself."""

    occurred_at: datetime
    source: EventSource = EventSource.MIDDLEWARE
    attributes: Mapping[str, str] | None = None
    severity_hint: str | None = None
    trace: TraceContext | None = None
    """None picks up the current one."""


def event_from_exception(
    error: BaseException, config: CaptureConfig, circumstances: Circumstances
) -> ErrorEvent:
    """The event of one exception with its chained causes, root cause first in the trace.

    `error_type` and `message` are those of the exception that was raised last; the attributes
    `exception.root.type` and `exception.root.message` mark the root cause where it is another,
    `exception.chain` names all types in the trace's order, `code.*` is the innermost frame of
    the application, and `exception.in_app` lists the application's frames.
    """
    attributes = {**_chain_attributes(error), **_code_attributes(error, config.in_app_modules)}
    attributes.update(circumstances.attributes or {})
    trace = circumstances.trace or current_trace()
    return ErrorEvent(
        event_id=new_event_id(),
        occurred_at=circumstances.occurred_at,
        service=config.service,
        environment=config.environment,
        release=config.release,
        source=circumstances.source,
        error_type=clean_text(type_name(error), limits.MAX_TITLE_CHARS),
        message=message_of(error, config.max_message_chars),
        stack_trace=stack_text(error, config.max_trace_chars),
        language="python",
        severity_hint=circumstances.severity_hint,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        correlation_id=trace.correlation_id,
        attributes=clean_attributes(attributes),
        sdk=sdk_name(),
    )


def event_from_message(
    message: str, config: CaptureConfig, circumstances: Circumstances, error_type: str | None = None
) -> ErrorEvent:
    """The event of an error that somebody told in words, without an exception."""
    trace = circumstances.trace or current_trace()
    return ErrorEvent(
        event_id=new_event_id(),
        occurred_at=circumstances.occurred_at,
        service=config.service,
        environment=config.environment,
        release=config.release,
        source=circumstances.source,
        error_type=error_type,
        message=clean_text(message, config.max_message_chars),
        language="python",
        severity_hint=circumstances.severity_hint,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        correlation_id=trace.correlation_id,
        attributes=clean_attributes(circumstances.attributes or {}),
        sdk=sdk_name(),
    )


def clean_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Bounded in number and size, and encodable."""
    kept = list(attributes.items())[:_MAX_ATTRIBUTES]
    return {
        clean_text(str(key), limits.MAX_ID_CHARS): clean_text(
            # A body was cut where no secret is torn; it shall not be cut again.
            str(value),
            limits.MAX_ATTRIBUTE_CHARS if key == BODY else _MAX_ATTRIBUTE_CHARS,
        )
        for key, value in kept
        if key
    }


@lru_cache(maxsize=1)
def sdk_name() -> str:
    """Name and version of this library, as events carry it in `sdk`."""
    return f"fixstream-python/{metadata.version('fixstream')}"


def _chain_attributes(error: BaseException) -> dict[str, str]:
    root = root_cause(error)
    if root is error:
        return {}
    return {
        "exception.root.type": type_name(root),
        "exception.root.message": message_of(root, _MAX_ATTRIBUTE_CHARS),
        "exception.chain": " > ".join(type_name(link.error) for link in chain_of(error)),
    }


def _code_attributes(error: BaseException, in_app_modules: tuple[str, ...]) -> dict[str, str]:
    frames = in_app_frames(error.__traceback__, in_app_modules, _MAX_IN_APP_FRAMES)
    if not frames:
        return {}
    culprit = frames[-1]
    return {
        "code.file.path": culprit.file,
        "code.function.name": culprit.function,
        "code.line.number": str(culprit.line),
        "exception.in_app": "; ".join(map(_brief, frames)),
    }


def _brief(frame: CapturedFrame) -> str:
    return f"{frame.module or frame.file}:{frame.function}:{frame.line}"
