"""One trainer for one model, on whichever machine: a lease that the broker keeps.

The lease is the one partition of the updates' topic in a consumer group of its own. Kafka gives it
to one member at a time, takes it from one that stays silent for ten seconds, and leaves it with
its holder when others come. It tells who may train; that a holder who lost it without noticing
cannot publish is `update_log`'s part. The holder reads the topic on the way, so that it hears of a
rollback while it trains.
"""

from __future__ import annotations

import time
from typing import Self

import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from fixstream.runtime.kafka import consume_batch, make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.errors import Stop
from fixstream.schemas.topics import MODEL_UPDATES

log = structlog.get_logger(__name__)

_POLL_S = 0.1
_MAX_MESSAGES = 100


class LeaseRefused(Stop):
    """Another trainer holds the lease."""


class LeaseLost(Stop):
    """The broker has taken the lease away: this process was silent for too long."""


class TrainerLease:
    """A context manager that holds the lease of one model.

    Args:
        kafka: how to reach Kafka.
        model: whose lease.
        wait_s: how long to wait for it; a killed holder's is free after ten seconds.
        holder_id: a name that no other living process has; a restart under the same name needs
            not wait. None where nothing rules a second one out.
    """

    def __init__(
        self, kafka: KafkaSettings, model: str, wait_s: float, holder_id: str | None = None
    ) -> None:
        self._kafka = kafka
        self._model = model
        self._wait_s = wait_s
        self._holder_id = holder_id
        self._topic = kafka.topic(MODEL_UPDATES)
        self._consumer: Consumer | None = None
        self._is_held = False
        self._was_held = False

    def __enter__(self) -> Self:
        """Waits for the lease.

        Raises:
            LeaseRefused: another trainer holds it.
        """
        options: dict[str, str] = {"partition_assignment_strategy": "cooperative-sticky"}
        if self._holder_id is not None:
            options["group_instance_id"] = self._holder_id
        self._consumer = make_consumer(self._kafka, f"trainer-lease-{self._model}", **options)
        self._consumer.subscribe(
            [self._topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )
        deadline = time.monotonic() + self._wait_s
        while not self._is_held:
            if time.monotonic() > deadline:
                self._close()
                raise LeaseRefused(
                    f"another trainer trains {self._model!r} on this Kafka: its lease was not "
                    f"free within {self._wait_s:g} s. Stop that one first, or give this one "
                    "another FIXSTREAM_TRAINER_MODEL"
                )
            consume_batch(self._consumer, 1, _POLL_S)
        log.info("lease taken", model=self._model)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def news(self) -> list[Message]:
        """What stands in the updates' topic, from its begin, as it comes.

        It has to be asked again and again, or the lease is lost.

        Raises:
            LeaseLost: another trainer may hold it by now.
        """
        assert self._consumer is not None, "the lease is not held"
        messages = consume_batch(self._consumer, _MAX_MESSAGES, 0.0)
        self.check()
        return messages

    def check(self) -> None:
        """Raises LeaseLost if the broker took the lease away, as far as this process knows."""
        if not self._is_held:
            raise LeaseLost(
                "the broker took the trainer's lease away, for it was silent for too long; "
                "nothing was published since"
            )

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        # Once lost it stays lost: what was learnt meanwhile belongs to nobody.
        if partitions and not self._was_held:
            self._is_held = self._was_held = True

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(partitions)
        self._is_held = False

    def _close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
