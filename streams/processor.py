"""One raw message to its outcome: a judged event, or a dead letter.

Decodes, validates, triages. No message makes it raise; only a Schema Registry that does not answer
does (RetryLater), because that is not the message's fault. Holds no connection and knows nothing of
windows or groups.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Protocol

import structlog

from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import DeadLetter, ProcessingFailed, RetryLater, TooLarge, Undecodable
from fixstream.schemas.event_run import Occurrence, find_run, read_around, run_of
from fixstream.schemas.limits import MAX_TEXT_CHARS, MAX_TRACE_CHARS
from fixstream.schemas.making import maker
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.validation import validate
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage, dead_letter
from fixstream.triage.recent import Recent
from fixstream.triage.scrub import FAILED
from fixstream.triage.triage import TRIAGE_VERSION, Triage, cut

log = structlog.get_logger(__name__)


class Judge(Protocol):
    """What judges an event; `triage.Triager` is the real one."""

    def triage(self, event: ErrorEvent) -> Triage:
        """The judgement of this event."""

    def judge(self, event: ErrorEvent) -> Triage:
        """The same, of an event whose judgement the caller remembers."""


@dataclass(frozen=True, slots=True)
class Triaged:
    """An event that was judged."""

    raw: RawMessage
    triage: Triage


Outcome = Triaged | DeadLetterRecord
_triaged = maker(Triaged)
_triage = maker(Triage)
_event = maker(ErrorEvent)


class EventProcessor:
    """Turns messages into outcomes, one after the other, in one thread."""

    def __init__(
        self,
        judge: Judge,
        codec: Codec,
        *,
        max_event_bytes: int,
        max_attempts: int,
        num_kept: int = 2048,
    ) -> None:
        """Stores the collaborators; sizes in bytes of the message's value.

        Of up to `num_kept` errors it remembers the clean judgement under a digest of their encoded
        texts, so that those of a repeat are neither read nor judged again.
        """
        self._judge = judge
        self._codec = codec
        self._max_event_bytes = max_event_bytes
        self._max_attempts = max_attempts
        self._known: Recent[bytes, Triage] = Recent(num_kept)
        self._key = secrets.token_bytes(16)

    def process(self, raw: RawMessage) -> Outcome:
        """The outcome of this message.

        Raises:
            RetryLater: The Schema Registry does not answer; call again with the same message.
        """
        attempts = 0
        while True:
            attempts += 1
            try:
                return _triaged(raw, _within_limits(self._judged(raw)))
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

    def _judged(self, raw: RawMessage) -> Triage:
        data = self._value(raw)
        start = self._codec.body_start(data, ErrorEvent)
        run = None if start is None else find_run(data, start)
        if start is None or run is None:
            return self._judge.triage(self._read(data))
        # A digest, for the texts may hold secrets; with a key, so that nobody can make two alike.
        digest = blake2b(run.data, key=self._key, digest_size=16).digest()
        known = self._known.get(digest)
        if known is not None and (occurrence := read_around(data, start, run)) is not None:
            return _again(known, occurrence)
        event = self._read(data)
        if known is not None or not _is_plain(event):
            return self._judge.triage(event)
        triage = self._judge.judge(event)
        if FAILED not in (triage.event.message, triage.event.environment):
            self._known.put(digest, triage, len(run.data))
        return triage

    def _read(self, data: bytes) -> ErrorEvent:
        event = self._codec.decode(data, ErrorEvent)
        validate(event)
        return event

    def _value(self, raw: RawMessage) -> bytes:
        if raw.value is None:
            raise Undecodable("the message has no value")
        if len(raw.value) > self._max_event_bytes:
            raise TooLarge(f"{len(raw.value)} bytes, over the limit of {self._max_event_bytes}")
        return raw.value

    def _set_aside(self, raw: RawMessage, error: DeadLetter, attempts: int) -> DeadLetterRecord:
        return dead_letter(raw, error, attempts=attempts, version=TRIAGE_VERSION)


def _is_plain(event: ErrorEvent) -> bool:
    """Whether the next event with these texts comes out alike: nothing else is looked at."""
    return not (event.attributes or event.correlation_id or event.provenance)


def _again(known: Triage, occurrence: Occurrence) -> Triage:
    """The judgement of another occurrence of a known error."""
    texts = known.event
    event = _event(
        occurrence.event_id,
        occurrence.occurred_at,
        *run_of(texts),
        occurrence.trace_id,
        occurrence.span_id,
        None,
        texts.attributes,
        None,
        texts.scrubber,
        occurrence.sdk,
    )
    return _triage(
        event,
        known.fingerprint,
        known.title,
        known.labels,
        known.trace,
        known.own_fingerprint,
    )


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
