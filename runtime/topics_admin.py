"""Topics: creates what lacks, verifies what exists, and tells how far groups have come.

It never deletes a topic, changes one or adds partitions: a difference is reported, because keys
would move between partitions, or messages would be lost, without anybody having asked for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import structlog
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from fixstream.runtime.settings import KafkaSettings, load_settings
from fixstream.runtime.topics_plan import (
    Difference,
    PlannedTopic,
    TopicsReport,
    TopicsSettings,
    plan_all,
    plan_topic,
)
from fixstream.schemas.errors import BrokerUnavailable, Misconfigured

__all__ = [
    "Difference",
    "PartitionId",
    "PlannedTopic",
    "TopicsReport",
    "TopicsSettings",
    "apply_topics",
    "begin_offsets",
    "committed_lag",
    "committed_offsets",
    "end_offsets",
    "plan_all",
    "plan_topic",
    "verify_topics",
    "wait_until_ready",
]

log = structlog.get_logger(__name__)

T = TypeVar("T")

_POLL_S = 0.05
_REQUEST_TIMEOUT_S = 10.0
_FUTURE_TIMEOUT_S = _REQUEST_TIMEOUT_S + 5.0
_FIRST_OFFSET = 0
"""Kafka gives negative numbers where a group has not committed."""

PartitionId = tuple[str, int]
"""Topic name and partition number."""


def apply_topics(
    settings: KafkaSettings,
    topics: TopicsSettings | None = None,
    *,
    extra: Sequence[PlannedTopic] = (),
    timeout_s: float = 30.0,
) -> TopicsReport:
    """Creates the topics that lack, and returns when every one can be written to.

    Args:
        settings: The Kafka and the prefix.
        topics: Partitions, replication and limits; from the environment when left out.
        extra: Topics beside ours, such as Faust's leader and changelog topics.
        timeout_s: Seconds for all of it.

    Raises:
        BrokerUnavailable: No broker answered in time.
        Misconfigured: Kafka refuses a topic; the message gives its reason.
    """
    topics = topics or load_settings(TopicsSettings)
    planned = (*plan_all(settings, topics), *extra)
    client = _admin(settings)
    deadline = time.monotonic() + timeout_s
    wait_until_ready(settings, timeout_s)
    found = _verify(client, planned)
    lacking = [topic for topic in planned if topic.name in found.missing]
    created = _create(client, lacking, topics.replication_factor) if lacking else ()
    _await_leaders(client, [topic.name for topic in planned], deadline)
    raced = set(found.missing) - set(created)
    if raced:  # Somebody else created them meanwhile, perhaps differently.
        found = _verify(client, planned)
    report = TopicsReport(
        created=created,
        unchanged=tuple(name for name in found.unchanged if name not in created),
        differing=found.differing,
    )
    log.info(
        "topics applied",
        num_created=len(report.created),
        num_unchanged=len(report.unchanged),
        num_differing=len(report.differing),
    )
    return report


def verify_topics(
    settings: KafkaSettings,
    topics: TopicsSettings | None = None,
    *,
    extra: Sequence[PlannedTopic] = (),
) -> TopicsReport:
    """Compares what exists with the plan and creates nothing; see `TopicsReport.require`.

    Raises:
        BrokerUnavailable: No broker answered.
    """
    return _verify(_admin(settings), (*plan_all(settings, topics), *extra))


def wait_until_ready(settings: KafkaSettings, timeout_s: float = 30.0) -> None:
    """Returns when a broker answers a metadata request.

    Raises:
        BrokerUnavailable: None did within the time.
    """
    client = _admin(settings)
    deadline = time.monotonic() + timeout_s
    while True:
        left_s = deadline - time.monotonic()
        try:
            if client.list_topics(timeout=max(0.1, min(2.0, left_s))).brokers:
                return
        except KafkaException as error:
            if error.args[0].code() == KafkaError.SASL_AUTHENTICATION_FAILED:
                raise Misconfigured(
                    f"Kafka refuses our credentials: {error.args[0].str()}"
                ) from error
        if time.monotonic() >= deadline:
            raise BrokerUnavailable(
                f"no Kafka answered at {settings.bootstrap_servers} within {timeout_s:g} s"
            )
        time.sleep(_POLL_S)


def end_offsets(settings: KafkaSettings, topic_names: Iterable[str]) -> dict[PartitionId, int]:
    """The offset after the last message of each partition of these topics.

    Raises:
        BrokerUnavailable: No broker answered, or a topic is not there.
    """
    return _offsets(_admin(settings), topic_names, OffsetSpec.latest())


def begin_offsets(settings: KafkaSettings, topic_names: Iterable[str]) -> dict[PartitionId, int]:
    """The offset of the first message that is still kept, of each partition of these topics.

    Raises:
        BrokerUnavailable: No broker answered, or a topic is not there.
    """
    return _offsets(_admin(settings), topic_names, OffsetSpec.earliest())


def committed_offsets(
    settings: KafkaSettings, group: str, topic_names: Iterable[str]
) -> dict[PartitionId, int]:
    """What a consumer group has committed; partitions without a commit are left out.

    Raises:
        BrokerUnavailable: No broker answered.
    """
    counts = _partition_counts(_admin(settings))
    wanted = [
        TopicPartition(name, partition)
        for name in topic_names
        for partition in range(counts.get(name, 0))
    ]
    # Not AdminClient.list_consumer_group_offsets: confluent-kafka 2.16.1 ends the whole process
    # with a segmentation fault where the group's coordinator is not there yet.
    consumer = Consumer(
        {**settings.client_config(), "group.id": group, "log_level": 0, "enable.auto.commit": False}
    )
    try:
        answer = _retried(lambda: consumer.committed(wanted, timeout=_REQUEST_TIMEOUT_S))
    finally:
        consumer.close()
    return {
        (partition.topic, partition.partition): partition.offset
        for partition in answer
        if partition.offset >= _FIRST_OFFSET
    }


def committed_lag(
    settings: KafkaSettings, group: str, topic_names: Iterable[str]
) -> dict[PartitionId, int]:
    """Messages that a group has not committed yet, of each partition of these topics.

    A partition without a commit lags by everything that is kept.

    Raises:
        BrokerUnavailable: No broker answered, or a topic is not there.
    """
    names = list(topic_names)
    done = {**begin_offsets(settings, names), **committed_offsets(settings, group, names)}
    return {
        partition: max(0, end - done[partition])
        for partition, end in end_offsets(settings, names).items()
    }


def _admin(settings: KafkaSettings) -> AdminClient:
    # Failures reach the caller as exceptions; librdkafka need not write them to stderr too.
    return AdminClient({**settings.client_config(), "client.id": "fixstream-admin", "log_level": 0})


def _partition_counts(client: AdminClient) -> dict[str, int]:
    metadata = _retried(lambda: client.list_topics(timeout=_REQUEST_TIMEOUT_S))
    return {
        name: len(topic.partitions)
        for name, topic in metadata.topics.items()
        if topic.error is None
    }


def _verify(client: AdminClient, planned: Sequence[PlannedTopic]) -> TopicsReport:
    counts = _partition_counts(client)
    present = [topic for topic in planned if topic.name in counts]
    configs = _configs(client, [topic.name for topic in present])
    differing: list[Difference] = []
    for topic in present:
        actual = {"partitions": str(counts[topic.name]), **configs[topic.name]}
        wanted = {"partitions": str(topic.num_partitions), **topic.config}
        differing += [
            Difference(topic.name, what, value, actual.get(what, "not set"))
            for what, value in wanted.items()
            if actual.get(what) != value
        ]
    differs = {difference.topic for difference in differing}
    return TopicsReport(
        unchanged=tuple(topic.name for topic in present if topic.name not in differs),
        missing=tuple(topic.name for topic in planned if topic.name not in counts),
        differing=tuple(differing),
    )


def _configs(client: AdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]

    def ask() -> dict[str, dict[str, str]]:
        futures = client.describe_configs(resources, request_timeout=_REQUEST_TIMEOUT_S)
        return {
            resource.name: {
                name: str(entry.value) for name, entry in future.result(_FUTURE_TIMEOUT_S).items()
            }
            for resource, future in futures.items()
        }

    return _retried(ask)


def _create(
    client: AdminClient, lacking: Sequence[PlannedTopic], replication_factor: int
) -> tuple[str, ...]:
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=topic.num_partitions,
            replication_factor=replication_factor,
            config=dict(topic.config),
        )
        for topic in lacking
    ]
    created = []
    futures = client.create_topics(wanted, request_timeout=_REQUEST_TIMEOUT_S)
    for name, future in futures.items():
        try:
            future.result(_FUTURE_TIMEOUT_S)
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                continue
            if reason.retriable():
                raise BrokerUnavailable(f"cannot create {name}: {reason.str()}") from error
            raise Misconfigured(f"cannot create {name}: {reason.str()}") from error
        created.append(name)
    return tuple(created)


def _await_leaders(client: AdminClient, names: Sequence[str], deadline: float) -> None:
    """A created topic takes messages only when each partition has a leader that knows it."""
    while set(names) - _partition_counts(client).keys():
        if time.monotonic() >= deadline:
            raise BrokerUnavailable("created topics did not appear in time")
        time.sleep(_POLL_S)
    _offsets(client, names, OffsetSpec.latest())


def _offsets(
    client: AdminClient, topic_names: Iterable[str], spec: OffsetSpec
) -> dict[PartitionId, int]:
    names = list(topic_names)
    counts = _partition_counts(client)
    if unknown := [name for name in names if name not in counts]:
        raise BrokerUnavailable(f"no such topic: {', '.join(unknown)}")
    wanted = {
        TopicPartition(name, partition): spec for name in names for partition in range(counts[name])
    }
    if not wanted:
        return {}

    def ask() -> dict[PartitionId, int]:
        futures = client.list_offsets(
            wanted,
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=_REQUEST_TIMEOUT_S,
        )
        return {
            (partition.topic, partition.partition): future.result(_FUTURE_TIMEOUT_S).offset
            for partition, future in futures.items()
        }

    return _retried(ask)


def _retried(ask: Callable[[], T]) -> T:
    """Asks again while a broker does not know yet that it leads a partition or a group."""
    deadline = time.monotonic() + _REQUEST_TIMEOUT_S
    while True:
        try:
            return ask()
        except KafkaException as error:
            if time.monotonic() >= deadline:
                raise BrokerUnavailable(error.args[0].str()) from error
        except TimeoutError as error:
            raise BrokerUnavailable("Kafka did not answer in time") from error
        time.sleep(_POLL_S)
