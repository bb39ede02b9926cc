"""The broker that tests share, and what one test needs to use it alone: a prefix of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from fixstream.runtime.broker import BrokerSettings, EmbeddedBroker
from fixstream.runtime.broker_jars import KAFKA_VERSION
from fixstream.runtime.ports import free_port
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import wait_until_ready

log = structlog.get_logger(__name__)


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
        return
    with contextlib.ExitStack() as stack:
        address = _from_container(stack) if has_docker() else None
        if address is None:
            broker = stack.enter_context(EmbeddedBroker(broker_settings(folder)))
            address = broker.bootstrap_servers
        yield address


def _from_container(stack: contextlib.ExitStack) -> str | None:
    try:
        return stack.enter_context(container_broker())
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the embedded broker will do
        log.warning("no Kafka container, embedded broker instead", reason=str(error))
        return None


@contextlib.contextmanager
def container_broker() -> Iterator[str]:
    """Bootstrap servers of one Kafka node in a container, on a port of loopback."""
    from testcontainers.core.container import DockerContainer

    port = free_port()
    container = DockerContainer(f"apache/kafka:{KAFKA_VERSION}").with_bind_ports(9092, port)
    for name, value in {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
    }.items():
        container = container.with_env(f"KAFKA_{name}", value)
    with container:
        address = f"127.0.0.1:{port}"
        wait_until_ready(KafkaSettings(bootstrap_servers=address), 60)
        yield address


def broker_settings(folder: Path) -> BrokerSettings:
    """An embedded broker for tests: any port, small segments."""
    return BrokerSettings(data_folder=folder, port=0, segment_mb=16)


def has_docker() -> bool:
    """Whether a Docker daemon listens on this machine, or one is named by `DOCKER_HOST`."""
    if os.environ.get("DOCKER_HOST"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex("/var/run/docker.sock") == 0
