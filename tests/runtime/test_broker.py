"""The embedded broker, for real: start, stop, crash, restart, and what goes wrong at the start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from fixstream.runtime.broker import BrokerSettings, EmbeddedBroker, last_meaningful_line
from fixstream.runtime.broker_config import server_properties
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import apply_topics, end_offsets, wait_until_ready
from fixstream.schemas.errors import StartFailed
from fixstream.schemas.topics import ERRORS_RAW
from support.deadlines import eventually
from support.kafka import Kafka, broker_settings
from support.processes import is_alive


def publish(bootstrap_servers: str, topic: str, num_messages: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    for number in range(num_messages):
        producer.produce(topic, str(number).encode(), partition=0)
    assert producer.flush(30) == 0


def read_all(bootstrap_servers: str, topic: str, num_messages: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "r", "log_level": 0})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        values: list[bytes | None] = []

        def is_done() -> bool:
            messages = consumer.consume(num_messages, 0.1)
            values.extend(message.value() for message in messages if message.error() is None)
            return len(values) >= num_messages

        eventually(is_done, timeout_s=30)
        return values
    finally:
        consumer.close()


@pytest.mark.kafka
def test_shared_broker_answers(kafka: Kafka) -> None:
    client = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    assert client.list_topics(timeout=10).brokers


@pytest.mark.kafka
def test_acknowledged_messages_survive_a_crash_and_a_stop(broker: EmbeddedBroker) -> None:
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    apply_topics(settings)
    topic = settings.topic(ERRORS_RAW)
    publish(broker.bootstrap_servers, topic, 50)
    before, pid = broker.bootstrap_servers, broker.pid

    broker.kill()
    assert not broker.is_running()
    assert not is_alive(pid)
    broker.restart()
    assert broker.bootstrap_servers == before
    assert len(read_all(before, topic, 50)) == 50

    broker.stop()
    assert not broker.is_running()
    broker.start()
    assert broker.bootstrap_servers == before
    assert end_offsets(settings, [topic])[topic, 0] == 50


@pytest.mark.kafka
def test_a_topic_is_never_made_by_writing_to_it(kafka: Kafka) -> None:
    failures: list[KafkaError | None] = []
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "topic.metadata.propagation.max.ms": 0,
            "log_level": 0,
        }
    )
    producer.produce(
        f"{kafka.prefix}typo", b"x", on_delivery=lambda error, _: failures.append(error)
    )
    assert producer.flush(30) == 0
    codes = [error.code() for error in failures if error is not None]
    assert codes in ([KafkaError.UNKNOWN_TOPIC_OR_PART], [KafkaError._UNKNOWN_TOPIC])


@pytest.mark.kafka
def test_a_folder_in_use_is_told_with_its_user(broker: EmbeddedBroker, tmp_path: Path) -> None:
    second = EmbeddedBroker(broker_settings(tmp_path / "kafka"))
    with pytest.raises(StartFailed, match=rf"kafka is in use by process {os.getpid()}$"):
        second.start()
    assert broker.is_running()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path, taken_port: int) -> None:
    settings = BrokerSettings(data_folder=tmp_path, port=taken_port)
    with pytest.raises(StartFailed, match=rf"port {taken_port} on 127\.0\.0\.1 is taken"):
        EmbeddedBroker(settings).start()
    assert not (tmp_path / "kafka.log").exists()


@pytest.mark.kafka
def test_a_jvm_that_dies_at_its_start_says_why(tmp_path: Path) -> None:
    settings = broker_settings(tmp_path / "kafka")
    with EmbeddedBroker(settings):
        pass
    properties = tmp_path / "kafka" / "log" / "meta.properties"
    lines = properties.read_text().splitlines()
    changed = ["node.id=77" if "node.id" in line else line for line in lines]
    properties.write_text("\n".join(changed))
    with pytest.raises(StartFailed, match=r"ended at its start.*77"):
        EmbeddedBroker(settings).start()
    # The failure gave the folder back.
    properties.write_text("\n".join(lines))
    with EmbeddedBroker(settings) as broker:
        assert broker.is_running()


OWNER = """
import sys, time
from pathlib import Path
from fixstream.runtime.broker import BrokerSettings, EmbeddedBroker

broker = EmbeddedBroker(BrokerSettings(data_folder=Path(sys.argv[1]), port=0, stop_timeout_s=5))
broker.start()
print("started", broker.pid, broker.bootstrap_servers, flush=True)
time.sleep(600)
"""


@pytest.mark.kafka
def test_a_killed_owner_leaves_no_jvm_and_a_usable_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as owner:
        try:
            assert owner.stdout is not None
            words = next(line for line in owner.stdout if line.startswith("started")).split()
            jvm, bootstrap_servers = int(words[1]), words[2]
            wait_until_ready(KafkaSettings(bootstrap_servers=bootstrap_servers), 10)
            assert is_alive(jvm)
        finally:
            owner.send_signal(signal.SIGKILL)
    # At once, while the guard may still be busy: the new owner waits for the old JVM's end.
    with EmbeddedBroker(broker_settings(folder)) as broker:
        assert not is_alive(jvm)
        assert broker.bootstrap_servers == bootstrap_servers


def test_only_loopback_is_listened_on() -> None:
    text = server_properties(BrokerSettings(), 9092, 9093)
    listeners = [line for line in text.splitlines() if "listeners=" in line]
    assert len(listeners) == 2
    assert all(line.count("://") == line.count("://127.0.0.1:") for line in listeners)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "it wrote nothing"),
        (["starting", "", "  "], "starting"),
        (
            ["ERROR a", "java.io.IOException: disk", "\tat x.Y", "stopping"],
            "java.io.IOException: disk",
        ),
        (["x Exception: outer", "Caused by: inner", "\tat x"], "Caused by: inner"),
    ],
)
def test_the_line_that_says_what_went_wrong(lines: list[str], expected: str) -> None:
    assert last_meaningful_line(lines) == expected


@pytest.mark.kafka
def test_a_stopped_broker_refuses_clients(broker: EmbeddedBroker) -> None:
    address = broker.bootstrap_servers
    broker.stop()
    client = AdminClient({"bootstrap.servers": address, "log_level": 0})
    with pytest.raises(KafkaException):
        client.list_topics(timeout=0.5)
