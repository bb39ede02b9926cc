"""Appends to the topic of model updates, one writer at a time, whoever else thinks it writes.

Every writer (a trainer, or an operator's command) takes the log over before it writes: it opens a
transactional producer under the model's own id, and Kafka refuses all that were open before it.
Then it reads the history, decides, and appends. So an update is always a decision about the whole
history before it: a rollback cannot be overtaken by a promotion that did not know of it, and a
trainer that was paused while another one started cannot publish any more. It judges no model.
"""

from __future__ import annotations

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from fixstream.runtime.clock import Clock
from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import BrokerUnavailable, RetryLater, Stop
from fixstream.schemas.records import ModelUpdate
from fixstream.schemas.topics import MODEL_UPDATES

log = structlog.get_logger(__name__)

_TAKE_OVER_TIMEOUT_S = 30.0
_COMMIT_TIMEOUT_S = 30.0
_TRANSACTION_TIMEOUT_MS = 60_000
_FENCED_CODES = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - librdkafka's own codes start with an underscore
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)


class Superseded(Stop):
    """Somebody else has taken over the log of updates; look at it again before going on."""


class UpdateLog:
    """The writing end of one model's updates."""

    def __init__(self, kafka: KafkaSettings, codec: Codec, model: str, clock: Clock) -> None:
        self._kafka = kafka
        self._codec = codec
        self._model = model
        self._clock = clock
        self._topic = kafka.topic(MODEL_UPDATES)
        self._producer: Producer | None = None
        self._publisher: RecordPublisher | None = None
        self._uncommitted: ModelUpdate | None = None

    def take_over(self) -> None:
        """Makes this the only one that may append; read the history after it, not before.

        Raises:
            BrokerUnavailable: Kafka did not answer in time.
            Stop: Kafka refuses us; a missing right to the transactional id, for one.
        """
        transactional_id = f"{self._kafka.topic_prefix}model-{self._model}"
        producer = make_producer(
            self._kafka,
            transactional_id=transactional_id,
            transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
            linger_ms=0,
        )
        try:
            producer.init_transactions(_TAKE_OVER_TIMEOUT_S)
        except KafkaException as error:
            reason = error.args[0]
            if reason.retriable():
                raise BrokerUnavailable(
                    f"the log of updates could not be opened: {reason.str()}"
                ) from None
            raise Stop(f"Kafka refuses {transactional_id!r}: {reason.str()}") from None
        self._producer = producer
        self._publisher = RecordPublisher(
            producer, self._codec, ce_source="fixstream/trainer", clock=self._clock
        )
        self._uncommitted = None

    def publish(self, update: ModelUpdate) -> None:
        """Appends an update and returns when it stands in the log.

        Raises:
            RetryLater: it may not stand there yet; call again with the same update.
            Superseded: another writer has taken over; the update does not stand there.
            Stop: the producer has failed for good.
        """
        assert self._producer is not None, "take the log over first"
        assert self._publisher is not None
        try:
            if self._uncommitted != update:
                self._producer.begin_transaction()
                self._publisher.publish(self._topic, update.model, update)
                self._uncommitted = update
            self._producer.commit_transaction(_COMMIT_TIMEOUT_S)
        except KafkaException as error:
            raise self._refusal(error.args[0]) from None
        except Stop:
            # What `publish` met was the producer's end: only a new look at the log tells why.
            raise Superseded("the producer of updates was refused") from None
        self._uncommitted = None
        log.info(
            "update published",
            model_version=update.version,
            kind=update.kind.value,
            reason=update.reason,
            examples_seen=update.examples_seen,
        )

    def _refusal(self, reason: KafkaError) -> Stop | RetryLater:
        if reason.code() in _FENCED_CODES:
            return Superseded("another writer has taken over the log of updates")
        if reason.txn_requires_abort():
            self._uncommitted = None
            return self._aborted(reason)
        if reason.fatal() or not reason.retriable():
            return Stop(f"the update cannot be published: {reason.str()}")
        return RetryLater(f"the update is not published yet: {reason.str()}")

    def _aborted(self, reason: KafkaError) -> Stop | RetryLater:
        assert self._producer is not None
        try:
            self._producer.abort_transaction(_COMMIT_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() in _FENCED_CODES:
                return Superseded("another writer has taken over the log of updates")
            # Opening it anew would shut out whoever has taken over meanwhile: a start has to.
            return Stop(f"the update cannot be taken back: {error.args[0].str()}")
        return RetryLater(f"the update was taken back: {reason.str()}")
