"""Answers every triaged error with a suggestion on `fixes.suggested.v1`.

At-least-once: offsets are committed after the suggestions were delivered, and a suggestion's id is
a function of its event and model version, so a repeat is recognised. It waits for nothing: what
has come is answered together, and the repeats of a group are answered from the cache. The trace
and the correlation id that an error came with go on in the headers of its suggestion.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import structlog
from confluent_kafka import Consumer, KafkaException, Message

from fixstream.inference import metrics
from fixstream.inference.generation import FixGenerator
from fixstream.inference.observations import Observations
from fixstream.inference.predictor import Overloaded, Predictor
from fixstream.inference.served import ErrorText, Prediction, Vectors
from fixstream.inference.slot import ModelSlot
from fixstream.inference.suggest import (
    Advice,
    AdviceKey,
    Inquiry,
    Suggester,
    inquiry_from_record,
    visibility_key,
)
from fixstream.runtime.background import BackgroundThread
from fixstream.runtime.clock import Clock
from fixstream.runtime.kafka import consume_batch, decode_message, headers_of
from fixstream.runtime.tracing import context_from, span, trace_headers
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import DeadLetter, FixstreamError, Stop
from fixstream.schemas.ids import suggestion_id
from fixstream.schemas.records import Labels, Record, SuggestedFix, TriagedError

log = structlog.get_logger(__name__)

POLL_S = 0.2
DELIVERY_TIMEOUT_S = 30.0
COMMIT_INTERVAL_S = 1.0
RETRY_S = 1.0
OVERLOAD_PAUSE_S = 0.05
CORRELATION_HEADER = "correlation_id"
MAX_CORRELATION_CHARS = 256
TRACE_HEADERS = ("traceparent", "tracestate")


class Publisher(Protocol):
    """What sends records; `runtime.kafka.RecordPublisher` is the real one."""

    def publish(
        self,
        topic: str,
        key: str | bytes | None,
        record: Record,
        *,
        extra_headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Queues a record; `extra_headers` stand after its own ones."""

    def flush(self, timeout_s: float) -> None:
        """Waits until everything queued has arrived; raises RetryLater if something has not."""


@dataclass(frozen=True, slots=True)
class ResponderConfig:
    """How the responder reads and answers."""

    triaged_topic: str
    suggested_topic: str
    max_chunk: int = 64
    """Errors answered together; more would make the first of them wait."""
    top_k: int = 3
    """Fixes in a suggestion."""


class Answerer:
    """The pure part: triaged errors in, suggestions out, in order."""

    def __init__(
        self,
        suggester: Suggester,
        predictor: Predictor,
        slot: ModelSlot,
        clock: Clock,
        top_k: int = 3,
        generator: FixGenerator | None = None,
    ) -> None:
        """Stores its collaborators; without a generator fixes stand as they were retrieved."""
        self._generator = generator
        self._suggester = suggester
        self._predictor = predictor
        self._slot = slot
        self._clock = clock
        self._top_k = top_k

    def answer(self, records: Sequence[TriagedError]) -> list[SuggestedFix]:
        """One suggestion an error. Raises Overloaded when predictions are refused."""
        keys = [self._key(record) for record in records]
        advice: dict[AdviceKey, Advice | None] = {}
        pending: list[
            tuple[AdviceKey, Inquiry, Future[Prediction | None], Future[Vectors | None]]
        ] = []
        for key, record in zip(keys, records, strict=True):
            if key in advice:
                continue
            advice[key] = self._suggester.recall(key)
            if advice[key] is None:
                inquiry = inquiry_from_record(record)
                prediction = self._predictor.submit(inquiry.text)
                pending.append((key, inquiry, prediction, self._suggester.read(inquiry.text)))
        for key, inquiry, prediction, reading in pending:
            read = replace(inquiry, sentence=reading.result())
            advice[key] = self._suggester.advise(key, read, prediction.result())
        for record in records:  # Only now: no rule may profit from the label of its own error.
            self._suggester.note_reported(record)
            self._suggester.note_seen(record)
        answers = []
        for key, record in zip(keys, records, strict=True):
            found = advice[key]
            assert found is not None
            answers.append(self._suggestion(record, self._adapted(found, record)))
        return answers

    def _adapted(self, advice: Advice, record: TriagedError) -> Advice:
        """The group's answer in the names of this very error."""
        if self._generator is None:
            return advice
        return self._generator.adapted(advice, ErrorText.from_event(record.event))

    def _key(self, record: TriagedError) -> AdviceKey:
        service = record.event.service
        return self._slot.version, visibility_key(service), f"group:{record.fingerprint}"

    def _suggestion(self, record: TriagedError, advice: Advice) -> SuggestedFix:
        event = record.event
        labels: Labels = advice.labels
        return SuggestedFix(
            suggestion_id=suggestion_id(event.event_id, advice.model_version),
            event_id=event.event_id,
            fingerprint=record.fingerprint,
            service=event.service,
            environment=event.environment,
            trace_id=event.trace_id,
            model_version=advice.model_version,
            created_at=self._clock.now(),
            domain=labels.domain,
            severity=labels.severity,
            category=labels.category,
            fixes=advice.fixes[: self._top_k],
            arm=advice.draw.arm if advice.draw else None,
            propensity=advice.draw.propensity if advice.draw else None,
        )


@dataclass(frozen=True, slots=True)
class Arrived:
    """A triaged error with the headers that it came with."""

    record: TriagedError
    headers: Mapping[str, bytes]


class Responder(BackgroundThread):
    """The loop around the answerer, in a thread of its own. A context manager."""

    def __init__(
        self,
        open_consumer: Callable[[], Consumer],
        publisher: Publisher,
        codec: Codec,
        answerer: Answerer,
        observations: Observations,
        config: ResponderConfig,
    ) -> None:
        """Stores its collaborators; `open_consumer` is called in the thread."""
        super().__init__("responder")
        self._open_consumer = open_consumer
        self._publisher = publisher
        self._codec = codec
        self._answerer = answerer
        self._observations = observations
        self._config = config
        self._commit_at = 0.0

    def run(self) -> None:
        """Answers until the end is asked for, from the last commit again after a failure."""
        while not self.stopping.is_set():
            consumer = self._open_consumer()
            try:
                consumer.subscribe([self._config.triaged_topic])
                self._loop(consumer)
            except Stop:
                log.exception("responder stopped for good")
                return
            except (FixstreamError, KafkaException) as error:
                # A fresh consumer starts at the last commit: what was not delivered comes again.
                log.warning("responder starts over", error=str(error))
            except Exception:  # The loop edge: suggestions must not end for one bad record.
                log.exception("responder failed and starts over")
            finally:
                consumer.close()
            self.stopping.wait(RETRY_S)

    def _loop(self, consumer: Consumer) -> None:
        is_uncommitted = False
        while not self.stopping.is_set():
            messages = consume_batch(consumer, self._config.max_chunk, POLL_S)
            if messages:
                self._respond(messages)
                _store(consumer, messages)
                is_uncommitted = True
            if is_uncommitted and time.monotonic() >= self._commit_at:
                consumer.commit(asynchronous=True)
                self._commit_at = time.monotonic() + COMMIT_INTERVAL_S
                is_uncommitted = False
        if is_uncommitted:
            consumer.commit(asynchronous=False)

    def _respond(self, messages: Sequence[Message]) -> None:
        """Answers messages, and returns once the answers were delivered."""
        arrived = [one for message in messages if (one := self._arrived(message))]
        self._observations.triaged([one.record for one in arrived])
        pairs = self._answered(arrived)
        for one, suggestion in pairs:
            self._publish(one, suggestion)
        self._publisher.flush(DELIVERY_TIMEOUT_S)
        now = datetime.now(UTC)
        for one, suggestion in pairs:
            self._observations.suggested(one.record.title, suggestion)
            metrics.SUGGESTIONS.labels("yes" if suggestion.fixes else "no").inc()
            age_s = (now - one.record.event.occurred_at).total_seconds()
            metrics.SUGGESTION_SECONDS.observe(max(0.0, age_s))

    def _publish(self, arrived: Arrived, suggestion: SuggestedFix) -> None:
        """Sends a suggestion, as a step of the trace that its error came with."""
        with span(
            "suggest",
            parent=context_from(arrived.headers),
            event_id=suggestion.event_id,
            model_version=suggestion.model_version,
            num_fixes=len(suggestion.fixes),
        ):
            self._publisher.publish(
                self._config.suggested_topic,
                arrived.record.fingerprint,
                suggestion,
                extra_headers=handed_on(arrived),
            )

    def _answered(self, arrived: list[Arrived]) -> list[tuple[Arrived, SuggestedFix]]:
        records = [one.record for one in arrived]
        try:
            return list(zip(arrived, self._patiently(records), strict=True))
        except FixstreamError:
            raise
        except Exception:  # One error that we cannot answer must not silence its neighbours.
            log.exception("answering one by one", num_records=len(records))
        pairs: list[tuple[Arrived, SuggestedFix]] = []
        for one in arrived:
            try:
                pairs += zip([one], self._patiently([one.record]), strict=True)
            except FixstreamError:
                raise
            except Exception:  # Counted and passed over: it would fail for ever.
                metrics.RECORDS_SKIPPED.labels(self._config.triaged_topic, "failed").inc()
                log.exception("error not answered", event_id=one.record.event.event_id)
        return pairs

    def _patiently(self, records: list[TriagedError]) -> list[SuggestedFix]:
        while True:
            try:
                return self._answerer.answer(records)
            except Overloaded:  # REST has filled the queue; Kafka keeps ours meanwhile.
                if self.stopping.wait(OVERLOAD_PAUSE_S):
                    raise

    def _arrived(self, message: Message) -> Arrived | None:
        try:
            record = decode_message(message, self._codec, TriagedError)
        except DeadLetter as error:
            topic = message.topic() or ""
            metrics.RECORDS_SKIPPED.labels(topic, error.error_class).inc()
            log.warning(
                "record skipped",
                topic=topic,
                partition=message.partition(),
                offset=message.offset(),
                error_class=error.error_class,
            )
            return None
        return Arrived(record, headers_of(message))


def handed_on(arrived: Arrived) -> tuple[tuple[str, bytes], ...]:
    """The headers by which a suggestion belongs to the request that its error came from.

    The span under way, if spans are collected, stands for the trace; else the error's own does.
    """
    correlation_id = (arrived.record.event.correlation_id or "")[:MAX_CORRELATION_CHARS]
    ours = trace_headers()
    theirs = tuple(
        (name, arrived.headers[name]) for name in TRACE_HEADERS if name in arrived.headers
    )
    named = ((CORRELATION_HEADER, correlation_id.encode("utf-8", "replace")),)
    return (*(named if correlation_id else ()), *(ours or theirs))


def _store(consumer: Consumer, messages: Sequence[Message]) -> None:
    last = {(message.topic(), message.partition()): message for message in messages}
    for message in last.values():
        try:
            consumer.store_offsets(message=message)
        except KafkaException as error:  # The partition went to another member meanwhile.
            log.info("offset not stored", partition=message.partition(), reason=str(error))
