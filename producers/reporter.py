"""From a failure in the host to an event in a sink: the one path that all hooks share.

Order: ignore list, sampling, storm limit (all before anything is serialised), capture,
`before_send`, sink. Nothing here raises into the host, and nothing is reported twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

from fixstream.producers import host_log
from fixstream.producers.advisor import Advisor
from fixstream.producers.capture import (
    CaptureConfig,
    Circumstances,
    event_from_exception,
    event_from_message,
)
from fixstream.producers.drops import DropReason
from fixstream.producers.exception_chain import raise_site
from fixstream.producers.ignoring import IgnoreList
from fixstream.producers.metrics import CAPTURED
from fixstream.producers.request_in_flight import current_request
from fixstream.producers.safe_text import type_name
from fixstream.producers.sinks import EventSink
from fixstream.producers.storm import StormConfig, StormLimiter
from fixstream.runtime.clock import Clock, SystemClock
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent

BeforeSend = Callable[[ErrorEvent], ErrorEvent | None]
"""The host's last word: the event, a changed one, or None to give it up."""

SUPPRESSED = "fixstream.suppressed"
"""Attribute: how many events of the same error the storm limit kept back before this one."""

_MARK = "__fixstream_seen__"
_SAME_OCCURRENCE_S = 5.0
"""An exception object that is seen again within this time passed through two of our hooks; later,
it is a cached object that the host raises anew."""


@dataclass(slots=True)
class _Seen:
    """Left on an exception, so that it is counted, sampled and reported once."""

    at_s: float
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReporterConfig:
    """What is reported, and in whose name."""

    capture: CaptureConfig
    sample_rate: float = 1.0
    """Share of errors that are reported, 0 to 1."""
    ignore: tuple[type[BaseException] | str, ...] = ()
    """Exception classes, type names as events carry them, or globs of names; subclasses too."""
    ignore_messages: tuple[str, ...] = ()
    """Globs of messages."""
    ignore_loggers: tuple[str, ...] = ()
    """Globs of loggers' names."""
    before_send: BeforeSend | None = None
    max_body_bytes: int = 0
    """How much of a request's body is kept for its errors; 0 keeps nothing."""
    storm: StormConfig = field(default_factory=StormConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Through which door an error was seen, and what that door knows."""

    source: EventSource
    attributes: Mapping[str, str] = field(default_factory=dict)
    severity_hint: str | None = None


DEVELOPMENT = "development"
"""The environment in which a known fix may stand in a response's header."""
_LOOKED_AT = Sighting(source=EventSource.MIDDLEWARE)


class ErrorReporter:
    """Reports errors to one sink in the name of one service."""

    def __init__(
        self,
        sink: EventSink,
        config: ReporterConfig,
        *,
        clock: Clock | None = None,
        uniform: Callable[[], float] = random.random,
        advisor: Advisor | None = None,
    ) -> None:
        self.sink = sink
        self.max_body_bytes = config.max_body_bytes
        self.advisor = advisor
        self.has_advice = advisor is not None and config.capture.environment == DEVELOPMENT
        """Whether answers may tell a known fix in a header."""
        self._config = config
        self._clock = clock or SystemClock()
        self._uniform = uniform
        self._storm = StormLimiter(config.storm)
        self._ignores = IgnoreList(config.ignore, config.ignore_messages, config.ignore_loggers)

    def report_exception(self, error: BaseException, sighting: Sighting) -> str | None:
        """Report one exception; the event's id, or None when it was not reported (now)."""
        try:
            return self._report_exception(error, sighting)
        except Exception as failure:  # noqa: BLE001 -- the host must not feel an error of ours
            self._give_up("capturing an exception", failure)
            return None

    def report_message(
        self, message: Callable[[], str], key: Hashable, sighting: Sighting
    ) -> str | None:
        """Report an error that has no exception.

        Args:
            message: Makes the text; called only when the event passes the limits.
            key: What counts as the same error for the storm limit.
            sighting: Where it was seen.
        """
        try:
            num_suppressed = self._admit(key)
            if num_suppressed is None:
                return None
            text = message()
            if self._ignores.takes_message(text):
                self.sink.note_drop(DropReason.IGNORED)
                return None
            event = event_from_message(text, self._config.capture, self._circumstances(sighting))
            return self._send(event, num_suppressed)
        except Exception as failure:  # noqa: BLE001 -- the host must not feel an error of ours
            self._give_up("capturing a message", failure)
            return None

    def ignores_logger(self, name: str) -> bool:
        """Whether the host does not want to hear of this logger's records."""
        return self._ignores.takes_logger(name)

    def advice_header(self, error: BaseException) -> str | None:
        """A known fix of the error as the value of a header, in development only; never raises."""
        if self.advisor is None or not self.has_advice:
            return None
        try:
            return self.advisor.advice(error, lambda: self._event(error, _LOOKED_AT))
        except Exception as failure:  # noqa: BLE001 -- the host's response is on its way
            host_log.swallowed("looking for a known fix", failure)
            return None

    def _report_exception(self, error: BaseException, sighting: Sighting) -> str | None:
        now_s = self._clock.monotonic()
        known = _mark_of(error)
        if isinstance(known, _Seen) and now_s - known.at_s < _SAME_OCCURRENCE_S:
            return known.event_id
        seen = _Seen(now_s)
        _mark(error, seen)
        seen.event_id = self._report_unseen(error, sighting)
        return seen.event_id

    def _report_unseen(self, error: BaseException, sighting: Sighting) -> str | None:
        if self._ignores.takes(error):
            self.sink.note_drop(DropReason.IGNORED)
            return None
        num_suppressed = self._admit((type(error), *raise_site(error)))
        if num_suppressed is None:
            return None
        event_id = self._send(event := self._event(error, sighting), num_suppressed)
        if event_id is not None and self.advisor is not None:
            self.advisor.observe(error, event)
        return event_id

    def _event(self, error: BaseException, sighting: Sighting) -> ErrorEvent:
        return event_from_exception(error, self._config.capture, self._circumstances(sighting))

    def _admit(self, key: Hashable) -> int | None:
        rate = self._config.sample_rate
        if rate < 1.0 and self._uniform() >= rate:
            self.sink.note_drop(DropReason.SAMPLED_OUT)
            return None
        num_suppressed = self._storm.admit(key, self._clock.monotonic())
        if num_suppressed is None:
            self.sink.note_drop(DropReason.RATE_LIMITED)
        return num_suppressed

    def _circumstances(self, sighting: Sighting) -> Circumstances:
        return Circumstances(
            occurred_at=self._clock.now(),
            source=sighting.source,
            attributes={**_request_attributes(), **sighting.attributes},
            severity_hint=sighting.severity_hint,
        )

    def _send(self, event: ErrorEvent, num_suppressed: int) -> str | None:
        if num_suppressed:
            attributes = {**event.attributes, SUPPRESSED: str(num_suppressed)}
            event = replace(event, attributes=attributes)
        if self._config.before_send is not None:
            changed = self._config.before_send(event)
            if changed is None:
                self.sink.note_drop(DropReason.BEFORE_SEND)
                return None
            if not isinstance(changed, ErrorEvent):
                # What it wanted to keep back is unknown, so nothing goes.
                raise TypeError(f"before_send returned {type(changed).__name__}")
            event = changed
        if not self.sink.emit(event):
            return None
        CAPTURED.labels(source=event.source.value).inc()
        return event.event_id

    def _give_up(self, where: str, failure: Exception) -> None:
        host_log.swallowed(where, failure)
        try:
            self.sink.note_drop(DropReason.FAILED)
        except Exception as another:  # noqa: BLE001 -- a sink of the host's own may break
            host_log.swallowed("counting a drop", another)


def _request_attributes() -> Mapping[str, str]:
    request = current_request.get()
    if request is None:
        return {}
    try:
        return request.attributes()
    except Exception as failure:  # noqa: BLE001 -- a framework may put anything into a scope
        host_log.swallowed("describing the request", failure)
        return {}


def own_reporter(sink: EventSink | None, service: str | None) -> ErrorReporter | None:
    """A reporter for one middleware alone; None without a sink.

    Raises:
        ValueError: There is a sink, but no service's name.
    """
    if sink is None:
        return None
    if not service:
        raise ValueError("a sink needs the name of the service beside it")
    return ErrorReporter(sink, ReporterConfig(capture=CaptureConfig(service=service)))


def _mark_of(error: BaseException) -> object:
    try:
        return getattr(error, _MARK, None)
    except Exception:  # noqa: BLE001 -- an exception class with a __getattr__ of its own
        return None


def _mark(error: BaseException, seen: _Seen) -> None:
    """So that the log handler does not report what the middleware already has, or the reverse."""
    try:
        setattr(error, _MARK, seen)
    except Exception:  # noqa: BLE001 -- an exception class with slots or a __setattr__ of its own
        host_log.warn_once("an exception cannot be marked as reported", type=type_name(error))
