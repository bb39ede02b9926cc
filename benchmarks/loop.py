"""From raise to suggestion: how long a subscriber waits, at a steady rate of errors.

A whole local deployment runs, with the model at full size, and errors are raised through the sink
that applications use, at first until a model serves; the trainer writes checkpoints often, so that
one comes soon, and a reload may fall into the measurement. Beside it, in the same minutes, the same
rate goes through Kafka alone (produce, consume, produce, consume, and no work at all): the floor
that no pipeline of two hops can go below. The figure that counts is ours, and how much of it is the
floor.

    python benchmarks/loop.py --rate 50 --for 60
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
from confluent_kafka import Consumer, Producer
from reporting import keep

from fixstream.cli.audit.latency import percentile
from fixstream.cli.demo.story import Story
from fixstream.cli.demo.watch import TopicWatcher
from fixstream.cli.deployment import Deployment, DeploymentConfig
from fixstream.producers.kafka_sink import KafkaSink
from fixstream.runtime.clock import SystemClock
from fixstream.runtime.kafka import make_producer
from fixstream.runtime.ports import free_port
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.enums import EventSource
from fixstream.schemas.ids import new_event_id
from fixstream.schemas.records import ErrorEvent

WARM_UP_S = 20.0
LONGEST_WARM_UP_S = 120.0
CHECKPOINT_INTERVAL_S = 40
FAULTS = (
    ("ConnectionRefusedError", "[Errno 111] connection to 10.0.{a}.{b}:5432 refused"),
    ("sqlite3.OperationalError", "database is locked while writing order {a}{b}"),
    ("KeyError", "'sku-{a}-{b}'"),
    ("jwt.exceptions.InvalidSignatureError", "Signature verification failed for user {a}{b}"),
    ("json.decoder.JSONDecodeError", "Expecting value: line {a} column {b}"),
    ("httpx.ReadTimeout", "no answer from stock-{a} within {b} ms"),
    ("OSError", "[Errno 28] No space left on device: '/var/spool/{a}/{b}'"),
    ("ssl.SSLCertVerificationError", "certificate verify failed: certificate has expired ({a})"),
)


def fault(number: int, *, is_new: bool) -> ErrorEvent:
    """One error; a new one carries words that no error before it had."""
    error_type, message = FAULTS[number % len(FAULTS)]
    text = message.format(a=number % 250, b=number * 7 % 9973)
    if is_new:
        text += f" in step {_word(number)} of job {_word(number * 31 + 7)}"
    return ErrorEvent(
        event_id=new_event_id(),
        occurred_at=SystemClock().now(),
        service=f"service-{number % 5}",
        environment="benchmark",
        source=EventSource.REST,
        error_type=error_type,
        message=text,
    )


def _word(number: int) -> str:
    letters = "bcdfglmnprstv"
    vowels = "aeiou"
    word = ""
    for _ in range(4):
        number, index = divmod(number, len(letters))
        word += letters[index] + vowels[(number + index) % len(vowels)]
    return word


def at_rate(rate: float, seconds: float, act: Callable[[int], None]) -> None:
    """Calls `act` with growing numbers, `rate` times a second."""
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        act(number)


def model_in_use(port: int) -> tuple[int, str | None]:
    """The version that serves, 0 for none, and what it calculates in."""
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/learning/stats", timeout=30)
    model = answer.raise_for_status().json()["model"]
    return model["version"], model["precision"]


class Echo:
    """Two hops through Kafka without work: the floor."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._topics = (f"{kafka.topic_prefix}floor.1", f"{kafka.topic_prefix}floor.2")
        self._kafka = kafka
        self._producer: Producer = make_producer(kafka)
        self._stopped = threading.Event()
        self.waits_ms: list[float] = []
        self._threads = [
            threading.Thread(target=self._forward),
            threading.Thread(target=self._receive),
        ]

    def start(self) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({**self._kafka.client_config()})
        for future in admin.create_topics([NewTopic(t, 1, 1) for t in self._topics]).values():
            future.result()
        for thread in self._threads:
            thread.start()

    def send(self, number: int) -> None:
        self._producer.produce(self._topics[0], f"{time.monotonic()}".encode())
        self._producer.poll(0)

    def stop(self) -> None:
        self._producer.flush(10)
        time.sleep(1.0)
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _consumer(self, topic: str) -> Consumer:
        consumer = Consumer(
            {
                **self._kafka.client_config(),
                "group.id": f"{topic}.group",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([topic])
        return consumer

    def _forward(self) -> None:
        consumer = self._consumer(self._topics[0])
        while not self._stopped.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                self._producer.produce(self._topics[1], message.value())
                self._producer.poll(0)
        consumer.close()

    def _receive(self) -> None:
        consumer = self._consumer(self._topics[1])
        while not self._stopped.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.waits_ms.append((time.monotonic() - float(message.value() or b"nan")) * 1000)
        consumer.close()


def measure(rate: float, seconds: float, new_share: float) -> dict[str, object]:
    """Runs the deployment and the floor side by side; milliseconds."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        config = DeploymentConfig(
            data_dir=Path(folder),
            rest_port=free_port(),
            environment={"FIXSTREAM_TRAINER_CHECKPOINT_INTERVAL_S": str(CHECKPOINT_INTERVAL_S)},
        )
        deployment = stack.enter_context(Deployment(config, print))
        kafka = deployment.kafka
        sink = KafkaSink(kafka)
        stack.callback(sink.close)
        echo = Echo(kafka)
        echo.start()
        stack.callback(echo.stop)

        def warm_up(number: int) -> None:
            sink.emit(fault(number, is_new=False))
            echo.send(number)

        warm_until = time.monotonic() + LONGEST_WARM_UP_S
        at_rate(rate, WARM_UP_S, warm_up)
        while model_in_use(config.rest_port)[0] == 0 and time.monotonic() < warm_until:
            at_rate(rate, 2.0, warm_up)
        story = Story()
        watcher = TopicWatcher(kafka, story, SystemClock())
        watcher.start()
        stack.callback(watcher.stop)
        time.sleep(3.0)
        before = len(story.latencies_ms())
        echo.waits_ms.clear()
        every = round(1 / new_share) if new_share else 0

        def act(number: int) -> None:
            sink.emit(fault(number, is_new=bool(every) and number % every == 0))
            echo.send(number)

        at_rate(rate, seconds, act)
        time.sleep(5.0)
        ours = story.latencies_ms()[before:]
        floor = list(echo.waits_ms)
        version, arithmetic = model_in_use(config.rest_port)
    return {
        "model_version": version,
        "arithmetic": arithmetic,
        "rate_per_s": rate,
        "new_group_share": new_share,
        "num_suggestions": len(ours),
        "raise_to_suggestion_ms": {"p50": percentile(ours, 0.5), "p99": percentile(ours, 0.99)},
        "kafka_floor_ms": {"p50": percentile(floor, 0.5), "p99": percentile(floor, 0.99)},
        "ratio_p50": (percentile(ours, 0.5) or 0) / (percentile(floor, 0.5) or 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--for", dest="seconds", type=float, default=60.0)
    parser.add_argument("--new-share", type=float, default=0.1)
    options = parser.parse_args()
    keep("loop", measure(options.rate, options.seconds, options.new_share))
