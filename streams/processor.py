"""One raw message to its outcome: a judged event, or a dead letter.

Decodes, validates, triages. No message makes it raise; only a Schema Registry that does not answer
does (RetryLater), because that is not the message's fault. Holds no connection and knows nothing of
windows or groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import DeadLetter, ProcessingFailed, RetryLater, TooLarge, Undecodable
from fixstream.schemas.limits import MAX_TEXT_CHARS, MAX_TRACE_CHARS
from fixstream.schemas.making import maker
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.validation import validate
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage, dead_letter
from fixstream.triage.triage import TRIAGE_VERSION, Triage, cut

log = structlog.get_logger(__name__)


class Judge(Protocol):
    """What judges an event; `triage.Triager` is the real one."""

    def triage(self, event: ErrorEvent) -> Triage:
        """The judgement of this event."""


@dataclass(frozen=True, slots=True)
class Triaged:
    """An event that was judged."""

    raw: RawMessage
    triage: Triage


Outcome = Triaged | DeadLetterRecord
_triaged = maker(Triaged)


class EventProcessor:
    """Turns messages into outcomes, one after the other, in one thread."""

    def __init__(
        self, judge: Judge, codec: Codec, *, max_event_bytes: int, max_attempts: int
    ) -> None:
        """Stores the collaborators; sizes in bytes of the message's value."""
        self._judge = judge
        self._codec = codec
        self._max_event_bytes = max_event_bytes
        self._max_attempts = max_attempts

    def process(self, raw: RawMessage) -> Outcome:
        """The outcome of this message.

        Raises:
            RetryLater: The Schema Registry does not answer; call again with the same message.
        """
        attempts = 0
        while True:
            attempts += 1
            try:
                return _triaged(raw, _within_limits(self._judge.triage(self._decode(raw))))
            except DeadLetter as error:
                return self._set_aside(raw, error, attempts)
            except RetryLater:
                raise
            # An edge: whatever our code meets in a foreign text ends this record only.
            except Exception as error:  # noqa: BLE001
                log.warning(
                    "processing failed",
                    topic=raw.topic,
                    partition=raw.partition,
                    offset=raw.offset,
                    attempt=attempts,
                    error=type(error).__name__,
                )
                if attempts >= self._max_attempts:
                    # The type only: the exception's own words may quote the event.
                    failed = ProcessingFailed(f"processing raised {type(error).__name__}")
                    return self._set_aside(raw, failed, attempts)

    def _decode(self, raw: RawMessage) -> ErrorEvent:
        if raw.value is None:
            raise Undecodable("the message has no value")
        if len(raw.value) > self._max_event_bytes:
            raise TooLarge(f"{len(raw.value)} bytes, over the limit of {self._max_event_bytes}")
        event = self._codec.decode(raw.value, ErrorEvent)
        validate(event)
        return event

    def _set_aside(self, raw: RawMessage, error: DeadLetter, attempts: int) -> DeadLetterRecord:
        return dead_letter(raw, error, attempts=attempts, version=TRIAGE_VERSION)


def _within_limits(triage: Triage) -> Triage:
    # Scrubbing may lengthen a text; what goes on must still be a valid record.
    event = triage.event
    stack = event.stack_trace or ""
    if len(event.message) <= MAX_TEXT_CHARS and len(stack) <= MAX_TRACE_CHARS:
        return triage
    message = cut(event.message, MAX_TEXT_CHARS)
    stack_trace = cut(stack, MAX_TRACE_CHARS) if event.stack_trace is not None else None
    return replace(triage, event=replace(event, message=message, stack_trace=stack_trace))


Process = Callable[[RawMessage], Outcome]
