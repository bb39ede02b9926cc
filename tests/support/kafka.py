"""The broker that tests share, and what one test needs to use it alone: a prefix of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fixstream.runtime.broker import BrokerSettings, EmbeddedBroker
from fixstream.runtime.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class Kafka:
    """A real broker, and names on it that no other test uses."""

    bootstrap_servers: str
    prefix: str
    """What every topic and group name of this test starts with."""

    @property
    def settings(self) -> KafkaSettings:
        """Client settings for this test."""
        return KafkaSettings(bootstrap_servers=self.bootstrap_servers, topic_prefix=self.prefix)

    @property
    def environment(self) -> dict[str, str]:
        """The same settings as environment variables, for services that run as processes."""
        return {
            "FIXSTREAM_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "FIXSTREAM_TOPIC_PREFIX": self.prefix,
        }

    def group(self, name: str) -> str:
        """A consumer group of this test."""
        return f"{self.prefix}{name}"


def unique_prefix() -> str:
    """A topic prefix that was never used before."""
    return f"t{uuid.uuid4().hex[:10]}."


@contextlib.contextmanager
def shared_broker(folder: Path) -> Iterator[str]:
    """Bootstrap servers of a broker for a whole session.

    The one that `FIXSTREAM_TEST_BOOTSTRAP` names, else a container where a Docker daemon answers,
    else the embedded broker with its data in `folder`.
    """
    given = os.environ.get("FIXSTREAM_TEST_BOOTSTRAP")
    if given:
        yield given
    elif has_docker():
        from testcontainers.kafka import KafkaContainer

        with KafkaContainer("apache/kafka:4.2.0").with_kraft() as container:
            yield container.get_bootstrap_server()
    else:
        with EmbeddedBroker(broker_settings(folder)) as broker:
            yield broker.bootstrap_servers


def broker_settings(folder: Path) -> BrokerSettings:
    """An embedded broker for tests: any port, small segments."""
    return BrokerSettings(data_folder=folder, port=0, segment_mb=16)


def has_docker() -> bool:
    """Whether a Docker daemon listens on this machine, or one is named by `DOCKER_HOST`."""
    if os.environ.get("DOCKER_HOST"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex("/var/run/docker.sock") == 0
