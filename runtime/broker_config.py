"""Settings of the embedded broker, and what it is told about itself: one node, loopback only.

Everything here is pure: settings in, the text of Kafka's configuration out.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from fixstream.runtime.broker_jars import default_cache_folder
from fixstream.runtime.ports import LOOPBACK
from fixstream.runtime.settings import ServiceSettings


class BrokerSettings(ServiceSettings):
    """The embedded broker."""

    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_BROKER_")

    data_folder: Path = Path(".fixstream/kafka")
    """Where the broker keeps its messages; used by one broker at a time."""
    port: int = Field(default=9092, ge=0, le=65535)
    """Port on 127.0.0.1; 0 takes the one that this folder had before, else a free one."""
    heap_mb: int = Field(default=512, ge=128)
    """The most memory that the JVM's heap may take, in MiB."""
    retention: timedelta = timedelta(days=7)
    """How long topics without a retention of their own keep their messages."""
    segment_mb: int = Field(default=64, ge=1)
    """Size of a log file, in MiB: the smaller, the sooner old messages can be deleted."""
    start_timeout_s: float = Field(default=60.0, gt=0)
    """Seconds from the start of the JVM to the first answered request."""
    stop_timeout_s: float = Field(default=15.0, gt=0)
    """Seconds that the broker has to close its files before it is killed."""
    cache_folder: Path = Field(default_factory=default_cache_folder)
    """Where Kafka's jars are kept; shared by all brokers of this user."""
    maven_repository_url: str | None = Field(default=None, pattern=r"^https?://")
    """Where the jars are downloaded from; Maven Central when it is not set."""


def server_properties(settings: BrokerSettings, port: int, controller_port: int) -> str:
    """Kafka's `server.properties` for one KRaft node that is broker and controller."""
    properties: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": settings.data_folder.resolve() / "log",
        "auto.create.topics.enable": "false",
        "num.partitions": 4,
        "log.retention.ms": int(settings.retention.total_seconds() * 1000),
        "log.segment.bytes": settings.segment_mb * 1024 * 1024,
        # One node: nothing can be replicated.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # A handful of groups and no transactions: 50 partitions of each would only cost files.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 2,
        "share.coordinator.state.topic.num.partitions": 1,
        # After a crash the node waits for the end of its own old session (9 s by default); much
        # less would fence a node that only waits for a busy machine.
        "broker.session.timeout.ms": 6000,
        "broker.heartbeat.interval.ms": 500,
        # A consumer alone in its group need not wait for others to come.
        "group.initial.rebalance.delay.ms": 0,
        # The default of 128 MiB would take a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())
