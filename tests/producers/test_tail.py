"""Following log files: rotation, truncation and restarts lose nothing and repeat nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixstream.producers.tail.positions import PositionFile
from fixstream.producers.tail.service import Tail, TailConfig, run
from fixstream.runtime.clock import SettableClock
from fixstream.runtime.kafka import consume_batch, decode_message, make_consumer
from fixstream.runtime.stopping import StopSignal
from fixstream.runtime.topics_admin import apply_topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import Misconfigured, RetryLater
from fixstream.schemas.records import ErrorEvent, Record
from fixstream.schemas.topics import ERRORS_RAW
from support.deadlines import eventually
from support.kafka import Kafka


class Collector:
    """Keeps what is published once it is flushed, as a broker keeps what it acknowledged."""

    def __init__(self) -> None:
        self.delivered: list[ErrorEvent] = []
        self.is_down = False
        self._waiting: list[ErrorEvent] = []

    def publish(self, topic: str, key: str, record: Record) -> None:
        assert isinstance(record, ErrorEvent)
        self._waiting.append(record)

    def flush(self, timeout_s: float) -> None:
        if self.is_down:
            self._waiting.clear()
            raise RetryLater("not delivered")
        self.delivered += self._waiting
        self._waiting = []

    @property
    def numbers(self) -> list[int]:
        first_lines = (event.message.partition("\n")[0] for event in self.delivered)
        return [int(line.rpartition(" ")[2]) for line in first_lines]


class Host:
    """A service that logs, and the tail beside it, which may be started again."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "shop.log"
        self.collector = Collector()
        self.clock = SettableClock()
        self.config = TailConfig(paths=(self.log,), positions=folder / "state" / "positions.json")
        self.num_written = 0
        self.num_rotations = 0
        self.log.touch()
        self.tail = self.start()

    def start(self) -> Tail:
        tail = Tail(self.config, self.collector, "raw", scrub=lambda event: event, clock=self.clock)
        tail.open()
        return tail

    def restart(self) -> None:
        self.tail.close()
        self.tail = self.start()

    def write(self, num_records: int = 1, path: Path | None = None) -> None:
        with (path or self.log).open("a") as file:
            for _ in range(num_records):
                file.write(f"2026-11-22 12:00:00 ERROR failure {self.num_written}\n  more\n")
                self.num_written += 1

    def poll(self) -> None:
        """Twice, with a quiet time between, so that the last record counts as complete."""
        self.tail.poll()
        self.clock.advance(self.config.quiet_s)
        self.tail.poll()

    def rotate(self) -> Path:
        self.num_rotations += 1
        rotated = self.log.with_name(f"shop.log.{self.num_rotations}")
        self.log.rename(rotated)
        self.log.touch()
        return rotated

    def check(self) -> None:
        assert self.collector.numbers == list(range(self.num_written))
        assert len({event.event_id for event in self.collector.delivered}) == self.num_written
        assert {event.service for event in self.collector.delivered} <= {"shop"}

    def end(self) -> None:
        self.clock.advance(10.0)
        for _ in range(3):
            self.poll()
        self.tail.close()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_records_arrive_as_they_are_written(host: Host) -> None:
    host.write(3)
    host.poll()
    host.write(2)
    host.poll()
    host.check()
    assert host.collector.delivered[0].stack_trace is None
    host.end()


def test_a_record_waits_until_it_is_complete(host: Host) -> None:
    host.write()
    host.tail.poll()
    assert host.collector.delivered == []

    with host.log.open("a") as file:
        file.write("  and still more\n")
    host.poll()
    host.end()
    assert [event.message.count("\n") for event in host.collector.delivered] == [2]


def test_a_line_without_its_end_waits(host: Host) -> None:
    with host.log.open("a") as file:
        file.write("2026-11-22 12:00:00 ERROR half")
    host.poll()
    assert host.collector.delivered == []

    with host.log.open("a") as file:
        file.write(" and whole\n")
    host.poll()
    host.end()
    assert host.collector.delivered[0].message.endswith("half and whole")


def test_rotation_loses_nothing_even_of_who_writes_on_to_the_old_file(host: Host) -> None:
    host.write(2)
    host.poll()
    host.write(1)
    rotated = host.rotate()
    host.tail.poll()
    host.write(1, rotated)
    host.poll()
    host.write(2)
    host.end()
    host.check()


def test_a_rotation_while_nobody_followed_loses_nothing(host: Host) -> None:
    host.write(2)
    host.poll()
    host.write(3)
    host.rotate()
    host.write(2)
    host.restart()
    host.end()
    host.check()


def test_a_file_that_is_gone_for_a_while_is_found_again(host: Host) -> None:
    host.write(1)
    host.poll()
    host.log.rename(host.log.with_name("old"))
    host.poll()
    host.write(2)
    host.end()
    host.check()


def test_truncation_begins_anew(host: Host) -> None:
    host.write(5)
    host.poll()
    os.truncate(host.log, 0)
    host.write(2)
    host.end()
    host.check()


def test_what_copytruncate_kept_is_read_after_a_restart(host: Host) -> None:
    host.write(9)
    host.poll()
    host.write(3)
    shutil.copy(host.log, host.log.with_name("shop.log.1"))
    os.truncate(host.log, 0)
    host.write(2)
    host.restart()
    host.end()
    host.check()


def test_truncation_is_noticed_even_when_as_much_was_written_since(host: Host) -> None:
    host.write(1)
    host.poll()
    os.truncate(host.log, 0)
    host.write(4)
    host.end()
    assert host.collector.numbers == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_file_that_powershell_wrote_is_read(host: Host, encoding: str) -> None:
    def write(text: str) -> None:
        with host.log.open("ab") as file:
            file.write(text.encode(encoding))

    write("\ufeff2026-11-22 12:00:00 ERROR größer 0\r\n  more\r\n2026-11-22 12:00:01 INFO x\r\n")
    host.poll()
    host.restart()
    write("2026-11-22 12:00:02 ERROR größer 1\r\n")
    host.end()

    messages = [event.message for event in host.collector.delivered]
    assert messages == [
        "2026-11-22 12:00:00 ERROR größer 0\n  more",
        "2026-11-22 12:00:02 ERROR größer 1",
    ]


def test_what_kafka_did_not_take_is_sent_again(host: Host) -> None:
    host.write(2)
    host.collector.is_down = True
    with pytest.raises(RetryLater):
        host.poll()
    host.collector.is_down = False
    host.restart()
    host.end()
    host.check()


def test_a_file_can_be_begun_at_its_end(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(3)
    positions = tmp_path / "fresh.json"
    host.config = replace(host.config, from_end=True, positions=positions)
    host.collector = Collector()
    host.restart()
    with host.log.open("a") as file:
        file.write("2026-11-22 12:00:00 ERROR failure 7\n")
    host.end()
    assert host.collector.numbers == [7]


def test_positions_survive_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    assert PositionFile(path).load() == {}
    path.write_text('{"a": {"inode": 1}}')
    with pytest.raises(Misconfigured, match="holds no positions"):
        PositionFile(path).load()


def test_a_file_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    config = TailConfig(paths=(tmp_path,), positions=tmp_path / "positions.json")
    tail = Tail(config, Collector(), "raw", scrub=lambda event: event)
    with pytest.raises(Misconfigured, match="directory"):
        tail.open()


def poll_without_kafka(host: Host) -> None:
    host.collector.is_down = True
    with contextlib.suppress(RetryLater):
        host.tail.poll()
    host.collector.is_down = False
    host.restart()


STEPS = {
    "write": lambda host: host.write(2),
    "poll": lambda host: host.tail.poll(),
    "rotate": Host.rotate,
    "restart": Host.restart,
    "quiet": lambda host: host.clock.advance(2.0),
    "without kafka": poll_without_kafka,
}


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=40))
def test_no_order_of_things_loses_or_repeats(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    host = Host(tmp_path_factory.mktemp("tail"))
    host.write()
    for step in steps:
        STEPS[step](host)
    for _ in steps:
        host.poll()
    host.end()
    # Files that were rotated within one tick of the clock may be read again: their ids tell.
    assert set(host.collector.numbers) == set(range(host.num_written))
    assert len({event.event_id for event in host.collector.delivered}) == host.num_written


@pytest.mark.kafka
def test_errors_of_a_file_reach_kafka_scrubbed(kafka: Kafka, tmp_path: Path) -> None:
    apply_topics(kafka.settings)
    secret = "AKIA" + "M" * 12 + "NOPQ"
    path = tmp_path / "shop.log"
    path.write_text(f"2026-11-22 12:00:00 ERROR denied for {secret}\nINFO: fine\n")
    config = TailConfig(paths=(path,), positions=tmp_path / "positions.json", once=True)

    assert run(config, kafka.settings, StopSignal()).num_sent == 1
    assert run(config, kafka.settings, StopSignal()).num_sent == 0

    consumer = make_consumer(kafka.settings, "tail-test")
    consumer.subscribe([kafka.settings.topic(ERRORS_RAW)])
    try:
        message = eventually(lambda: consume_batch(consumer, 1, 0.2), 20.0)[0]
    finally:
        consumer.close()
    event = decode_message(message, Codec(), ErrorEvent)
    assert event.service == "shop"
    assert "denied for" in event.message
    assert secret not in repr(event)
