"""Events a second of one processor worker through the real broker, beside its yardsticks.

Two mixes: texts never seen before, and one where four of five came before. Beside the worker, in
the same run: the same pure functions in a bare confluent-kafka loop, and in Quix Streams where
`FIXSTREAM_BENCH_QUIX_PYTHON` names a Python that has it. The rate is taken from the timestamps of
the triaged records, so start-up does not count; all of them must be there.

    python benchmarks/processor.py [--events 20000] [--history FILE] [--workers]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from processor_loops import corpus
from reporting import keep

from fixstream.runtime.broker import BrokerSettings, EmbeddedBroker
from fixstream.runtime.kafka import make_producer
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import TopicsSettings, apply_topics
from fixstream.schemas.codec import encode
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.topics import ERRORS_RAW, ERRORS_TRIAGED

ROOT = Path(__file__).resolve().parent.parent

HISTORY = ROOT.parent / "shared/data/history_dev.jsonl.gz"
RUN_TIMEOUT_S = 300.0
LOOPS = Path(__file__).parent / "processor_loops"


@dataclass(frozen=True)
class Contender:
    """One way to run the processor's functions."""

    name: str
    argv: Sequence[str]


def main() -> int:
    """Runs every contender on every mix, prints and keeps the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--history", type=Path, default=HISTORY)
    given = options.parse_args()
    if not given.history.exists():
        print(f"skipped: no history file at {given.history}; name one with --history")
        return 0
    mixes: dict[str, Callable[[Path], Iterator[ErrorEvent]]] = {
        "unseen": corpus.unseen,
        "four_of_five_repeat": corpus.repeating,
    }
    figures: dict[str, dict[str, float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedBroker(BrokerSettings(data_folder=Path(folder), port=0)) as broker,
    ):
        for name, mix in mixes.items():
            events = corpus.take(mix(given.history), given.events)
            figures[name] = measure(broker.bootstrap_servers, name, events, given.rounds)
    keep("processor", {"events": given.events, "events_per_second": figures})
    return 0


def contenders(num_events: int) -> list[Contender]:
    """The worker and the yardsticks that can run here."""
    found = [
        Contender("fixstream_worker", [sys.executable, "-m", "fixstream.streams"]),
        Contender("bare_loop", [sys.executable, str(LOOPS / "bare.py"), str(num_events)]),
    ]
    quix = os.environ.get("FIXSTREAM_BENCH_QUIX_PYTHON")
    if quix:
        found.append(Contender("quix_streams", [quix, str(LOOPS / "quix.py")]))
    else:
        print("quix_streams skipped: FIXSTREAM_BENCH_QUIX_PYTHON is not set")
    return found


def measure(servers: str, mix: str, events: list[ErrorEvent], num_rounds: int) -> dict[str, float]:
    """Events a second of each contender (the median of the rounds), and the worker's ratios."""
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    for round_number in range(num_rounds):
        for contender in contenders(len(events)):
            prefix = f"bench.{mix}.{contender.name}.{round_number}."
            kafka = KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix)
            rate, cpu_us = run_one(contender, kafka, events)
            print(
                f"{mix} round {round_number + 1} {contender.name}: {rate:,.0f} events/s,"
                f" {cpu_us:,.0f} us of processor time an event",
                flush=True,
            )
            rates.setdefault(contender.name, []).append(rate)
            costs.setdefault(contender.name, []).append(cpu_us)
    figures = {name: round(statistics.median(found)) for name, found in rates.items()}
    worker = figures["fixstream_worker"]
    ratios = {
        f"worker_to_{name}": round(worker / rate, 2)
        for name, rate in figures.items()
        if name != "fixstream_worker"
    }
    cpu = {f"cpu_us_{name}": round(statistics.median(found)) for name, found in costs.items()}
    return {**figures, **ratios, **cpu}


def run_one(
    contender: Contender, kafka: KafkaSettings, events: list[ErrorEvent]
) -> tuple[float, float]:
    """Fills fresh topics and lets the contender work through them.

    Returns:
        Events a second, and microseconds of processor time an event, both without the start-up.
    """
    topics = TopicsSettings(partitions=1)
    # The broker's own clock, for not every contender stamps its messages when it sends them.
    stamped = NewTopic(
        kafka.topic(ERRORS_TRIAGED), 1, 1, config={"message.timestamp.type": "LogAppendTime"}
    )
    admin = AdminClient({**kafka.client_config()})
    for created in admin.create_topics([stamped]).values():
        created.result(30)
    apply_topics(kafka, topics)
    publish(kafka, events)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / '.namespace'}",
        "FIXSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FIXSTREAM_TOPIC_PREFIX": kafka.topic_prefix,
        "FIXSTREAM_STREAMS_METRICS_PORT": "0",
        "FIXSTREAM_LOG_LEVEL": "WARNING",
        "FIXSTREAM_STREAMS_DATA_DIR": tempfile.gettempdir() + "/fixstream-bench",
    }
    process = subprocess.Popen(contender.argv, env=environment)
    try:
        return rate_of(kafka, len(events), process.pid)
    finally:
        process.terminate()
        process.wait(30)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used; unlike a rate it hardly depends on its neighbours."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def publish(kafka: KafkaSettings, events: list[ErrorEvent]) -> None:
    """Puts the events into the raw topic."""
    producer = make_producer(kafka, linger_ms=20)
    for event in events:
        while len(producer) > 20_000:
            producer.poll(0.05)
        producer.produce(kafka.topic(ERRORS_RAW), key=event.service.encode(), value=encode(event))
    assert producer.flush(60) == 0


def rate_of(kafka: KafkaSettings, num_events: int, pid: int) -> tuple[float, float]:
    """Waits for all triaged records; see `run_one` for what comes back."""
    config = {**kafka.client_config(), "group.id": "bench", "enable.auto.commit": False}
    partition = TopicPartition(kafka.topic(ERRORS_TRIAGED), 0, 0)
    deadline = time.monotonic() + RUN_TIMEOUT_S
    num_before, cpu_before_s = 0, 0.0
    with closing(Consumer(config)) as consumer:
        while True:
            num_done = consumer.get_watermark_offsets(partition, timeout=10)[1]
            if num_done and not num_before:
                num_before, cpu_before_s = num_done, cpu_seconds(pid)
            if num_done >= num_events:
                break
            assert time.monotonic() < deadline, "the contender did not finish"
            time.sleep(0.05)
        cpu_us = (cpu_seconds(pid) - cpu_before_s) / max(1, num_events - num_before) * 1e6
        first = timestamp_at(consumer, partition, 0)
        last = timestamp_at(consumer, partition, num_events - 1)
    return (num_events - 1) / ((last - first) / 1000), cpu_us


def timestamp_at(consumer: Consumer, partition: TopicPartition, offset: int) -> int:
    """When the record at this offset was sent, in milliseconds."""
    consumer.assign([TopicPartition(partition.topic, partition.partition, offset)])
    message = consumer.poll(10)
    assert message is not None
    assert message.error() is None
    return int(message.timestamp()[1])


if __name__ == "__main__":
    sys.exit(main())
