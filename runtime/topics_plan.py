"""Topics as they should be, and how to tell what is otherwise. Pure: it asks no broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from fixstream.runtime.settings import KafkaSettings, ServiceSettings, load_settings
from fixstream.schemas.errors import Misconfigured
from fixstream.schemas.topics import ALL_TOPICS, Topic


class TopicsSettings(ServiceSettings):
    """How our topics are created."""

    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_TOPICS_")

    partitions: int = Field(default=4, ge=1)
    """Partitions of each topic that may have several: the most workers that can share the work."""
    replication_factor: int = Field(default=1, ge=1)
    """Brokers that hold each message; 1 for the embedded broker, 3 is usual elsewhere."""
    max_message_bytes: int = Field(default=1_114_112, ge=1024)
    """Largest message, in bytes, that a topic takes: Kafka's 1 MiB and room for our headers."""


@dataclass(frozen=True, slots=True)
class PlannedTopic:
    """A topic as it should be. For topics of ours, and for those that Faust wants."""

    name: str
    num_partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    """Kafka's topic options; those left out are the broker's defaults and are not verified."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing about an existing topic that is not as planned."""

    topic: str
    what: str
    """An option's name, or "partitions"."""
    planned: str
    actual: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.actual}, planned {self.planned}"


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """What was found and done; each name stands in one of the first three."""

    created: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    differing: tuple[Difference, ...] = ()

    def require(self) -> None:
        """Lets a service refuse to start on topics that it could lose data on.

        Raises:
            Misconfigured: A topic is missing, or has other partitions or compaction than planned.
        """
        problems = [f"{name} is missing" for name in self.missing]
        vital = ("partitions", "cleanup.policy")
        problems += [str(differs) for differs in self.differing if differs.what in vital]
        if problems:
            raise Misconfigured(
                f"topics are not as planned ({'; '.join(problems)}): run `fixstream topics apply`"
            )


def plan_topic(topic: Topic, settings: KafkaSettings, topics: TopicsSettings) -> PlannedTopic:
    """One of our topics as it should be."""
    retention = topic.retention
    config = {
        "max.message.bytes": str(topics.max_message_bytes),
        "cleanup.policy": "compact" if topic.is_compacted else "delete",
        # Matters for compacted topics too, where they also delete (see the topic's own options).
        "retention.ms": "-1" if retention is None else str(retention // timedelta(milliseconds=1)),
    }
    num_partitions = 1 if topic.is_single_partition else topics.partitions
    return PlannedTopic(settings.topic(topic), num_partitions, {**config, **topic.config})


def plan_all(
    settings: KafkaSettings, topics: TopicsSettings | None = None
) -> tuple[PlannedTopic, ...]:
    """All of our topics as they should be."""
    topics = topics or load_settings(TopicsSettings)
    return tuple(plan_topic(topic, settings, topics) for topic in ALL_TOPICS)
