"""Events a second of one processor worker through the real broker, beside its yardsticks.

Two mixes: texts never seen before, and one where four of five came before. Beside the worker, in
the same run: the same pure functions in a bare confluent-kafka loop, and in Quix Streams where
`FIXSTREAM_BENCH_QUIX_PYTHON` names a Python that has it. The rate is taken from the timestamps of
the triaged records, so start-up does not count; all of them must be there.

Two workers on two partitions get twice the events. They and the one worker are compared by the
middle half of their records, for two workers do not start at the same moment. All events stand in
the topic before anything is measured. The broker and both workers need processors: what the machine
allows at most is its cores by what an event costs worker and broker together, and on two cores that
is little more than one worker reaches alone. So the processor time of an event is compared too:
what two workers do not spend on each other, more cores turn into events.

At last it says what each step costs, without a broker.

    python benchmarks/processor.py [--events 10000] [--rounds 2] [--history FILE]
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
from processor_loops import corpus, parts
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
    num_workers: int = 1
    """Each has a partition of its own, with all the events."""


@dataclass(frozen=True)
class Run:
    """What one contender did."""

    rate: float
    """Events a second, without the start-up."""
    middle_rate: float
    """The same of the middle half of the records alone."""
    cpu_us: float
    """Processor time an event in microseconds, all processes and threads, without the start-up."""
    broker_cpu_us: float
    """The same of the broker."""


def main() -> int:
    """Runs every contender on every mix, prints and keeps the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=10_000)
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
            figures[name] = measure(broker, name, events, given.rounds)
    cost = parts.costs(corpus.take(corpus.unseen(given.history), given.events // 2))
    for step, cpu_us in cost.items():
        print(f"{step:>28}: {cpu_us:6.1f} us")
    keep(
        "processor",
        {"events": given.events, "events_per_second": figures, "cpu_us_of_steps": cost},
    )
    return 0


def contenders(num_events: int) -> list[Contender]:
    """The worker and the yardsticks that can run here."""
    worker = [sys.executable, "-m", "fixstream.streams"]
    found = [
        Contender("fixstream_worker", worker),
        Contender("two_workers", worker, num_workers=2),
        Contender("bare_loop", [sys.executable, str(LOOPS / "bare.py"), str(num_events)]),
    ]
    quix = os.environ.get("FIXSTREAM_BENCH_QUIX_PYTHON")
    if quix:
        found.append(Contender("quix_streams", [quix, str(LOOPS / "quix.py")]))
    else:
        print("quix_streams skipped: FIXSTREAM_BENCH_QUIX_PYTHON is not set")
    return found


def measure(
    broker: EmbeddedBroker, mix: str, events: list[ErrorEvent], num_rounds: int
) -> dict[str, float]:
    """Events a second of each contender (the median of the rounds), and the worker's ratios."""
    runs: dict[str, list[Run]] = {}
    for round_number in range(num_rounds):
        for contender in contenders(len(events)):
            prefix = f"bench.{mix}.{contender.name}.{round_number}."
            kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=prefix)
            run = run_one(contender, kafka, events, broker.pid)
            print(
                f"{mix} round {round_number + 1} {contender.name}: {run.rate:,.0f} events/s,"
                f" {run.cpu_us:,.0f} us of processor time an event",
                flush=True,
            )
            runs.setdefault(contender.name, []).append(run)
    figures = {name: round(_median(found, "rate")) for name, found in runs.items()}
    worker = figures["fixstream_worker"]
    ratios = {
        f"worker_to_{name}": round(worker / rate, 2)
        for name, rate in figures.items()
        if name not in ("fixstream_worker", "two_workers")
    }
    one, two = runs["fixstream_worker"], runs["two_workers"]
    rates = _median(two, "middle_rate"), _median(one, "middle_rate")
    ratios["two_workers_to_one"] = round(rates[0] / rates[1], 2)
    cpu = {f"cpu_us_{name}": round(_median(found, "cpu_us")) for name, found in runs.items()}
    ratios["cpu_of_two_workers_to_one"] = round(_median(two, "cpu_us") / _median(one, "cpu_us"), 2)
    broker_cpu_us = _median(two, "broker_cpu_us")
    cpu["cpu_us_broker"] = round(broker_cpu_us)
    at_most = (os.cpu_count() or 1) * 1e6 / (_median(two, "cpu_us") + broker_cpu_us)
    return {**figures, **ratios, **cpu, "two_workers_at_most_here": round(at_most)}


def _median(runs: Sequence[Run], field: str) -> float:
    return float(statistics.median(getattr(run, field) for run in runs))


def run_one(
    contender: Contender, kafka: KafkaSettings, events: list[ErrorEvent], broker_pid: int
) -> Run:
    """Fills fresh topics and lets the contender work through them."""
    topics = TopicsSettings(partitions=contender.num_workers)
    # The broker's own clock, for not every contender stamps its messages when it sends them.
    stamped = NewTopic(
        kafka.topic(ERRORS_TRIAGED), 1, 1, config={"message.timestamp.type": "LogAppendTime"}
    )
    admin = AdminClient({**kafka.client_config()})
    for created in admin.create_topics([stamped]).values():
        created.result(30)
    apply_topics(kafka, topics)
    for partition in range(contender.num_workers):
        publish(kafka, events, partition)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / '.namespace'}",
        "FIXSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FIXSTREAM_TOPIC_PREFIX": kafka.topic_prefix,
        "FIXSTREAM_STREAMS_METRICS_PORT": "0",
        "FIXSTREAM_STREAMS_WORKERS": str(contender.num_workers),
        "FIXSTREAM_LOG_LEVEL": "WARNING",
        "FIXSTREAM_STREAMS_DATA_DIR": tempfile.gettempdir() + "/fixstream-bench",
    }
    process = subprocess.Popen(contender.argv, env=environment)
    try:
        return measured(kafka, len(events) * contender.num_workers, (process.pid, broker_pid))
    finally:
        process.terminate()
        process.wait(30)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and its children have used, hardly moved by neighbours."""
    process = psutil.Process(pid)
    spent = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(times.user + times.system for times in spent))


def publish(kafka: KafkaSettings, events: list[ErrorEvent], partition: int) -> None:
    """Puts the events into one partition of the raw topic."""
    producer = make_producer(kafka, linger_ms=20)
    for event in events:
        while len(producer) > 20_000:
            producer.poll(0.05)
        key = event.service.encode()
        producer.produce(kafka.topic(ERRORS_RAW), key=key, value=encode(event), partition=partition)
    assert producer.flush(60) == 0


def measured(kafka: KafkaSettings, num_events: int, pids: tuple[int, int]) -> Run:
    """Waits for all triaged records of a process and its children; the broker's pid is second."""
    config = {**kafka.client_config(), "group.id": "bench", "enable.auto.commit": False}
    partition = TopicPartition(kafka.topic(ERRORS_TRIAGED), 0, 0)
    deadline = time.monotonic() + RUN_TIMEOUT_S
    num_before, before_s = 0, [0.0, 0.0]
    with closing(Consumer(config)) as consumer:
        while True:
            num_done = consumer.get_watermark_offsets(partition, timeout=10)[1]
            if num_done and not num_before:
                num_before, before_s = num_done, [cpu_seconds(pid) for pid in pids]
            if num_done >= num_events:
                break
            assert time.monotonic() < deadline, "the contender did not finish"
            time.sleep(0.05)
        spent_us = [
            (cpu_seconds(pid) - before) / max(1, num_events - num_before) * 1e6
            for pid, before in zip(pids, before_s, strict=True)
        ]
        places = [0, num_events // 4, num_events * 3 // 4, num_events - 1]
        times_s = [timestamp_at(consumer, partition, place) / 1000 for place in places]
    return Run(
        rate=(places[3] - places[0]) / (times_s[3] - times_s[0]),
        middle_rate=(places[2] - places[1]) / (times_s[2] - times_s[1]),
        cpu_us=spent_us[0],
        broker_cpu_us=spent_us[1],
    )


def timestamp_at(consumer: Consumer, partition: TopicPartition, offset: int) -> int:
    """When the record at this offset was sent, in milliseconds."""
    consumer.assign([TopicPartition(partition.topic, partition.partition, offset)])
    message = consumer.poll(10)
    assert message is not None
    assert message.error() is None
    return int(message.timestamp()[1])


if __name__ == "__main__":
    sys.exit(main())
