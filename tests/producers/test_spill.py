"""Events that wait on disk: none is lost, repeated or read by others, and no disk hurts a host."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixstream.producers import host_log
from fixstream.producers.drops import DropReason
from fixstream.producers.kafka_sink import KafkaSink, KafkaSinkConfig, default_collaborators
from fixstream.producers.settings import ProducerSettings
from fixstream.producers.shipper import Parcel, ProducerClient
from fixstream.producers.spill import MIN_BYTES, Spill, SpillConfig, Spilled
from fixstream.producers.spill_file import SpillFile, adopt, create
from fixstream.runtime.broker import EmbeddedBroker
from fixstream.runtime.kafka import consume_batch, decode_message, make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import apply_topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.topics import ERRORS_RAW
from support.deadlines import eventually
from support.events import make_event
from support.producers import AcceptingProducer, FailingProducer, FakeKafkaError, StuckProducer

SETTINGS = KafkaSettings(bootstrap_servers="localhost:1")
TOPIC = "errors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spill"


@pytest.fixture(autouse=True)
def _each_test_may_warn_once() -> Iterator[None]:
    host_log._said.clear()
    yield
    host_log._said.clear()


def open_spill(folder: Path, max_bytes: int = MIN_BYTES) -> Spill:
    spill = Spill(SpillConfig(folder=folder, max_bytes=max_bytes), TOPIC)
    spill.tidy(0.0)
    return spill


def parcel(text: str) -> Parcel:
    return Parcel(b"shop", text.encode(), [("ce_id", text.encode()), ("odd", b"\xff\x00")])


def taken(spill: Spill) -> list[Spilled]:
    found = []
    while (spilled := spill.next()) is not None:
        found.append(spilled)
    return found


def texts(spilled: list[Spilled]) -> list[str]:
    return [one.parcel.value.decode() for one in spilled]


def stored_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spill"))


def test_what_is_stored_comes_out_whole_and_in_order(folder: Path) -> None:
    spill = open_spill(folder)
    for text in ("one", "two", "three"):
        assert spill.append(parcel(text)) is None

    out = taken(spill)
    assert [one.parcel for one in out] == [parcel(text) for text in ("one", "two", "three")]
    for one in out:
        spill.settle(one)
    spill.close()
    assert stored_files(folder) == []


def test_only_the_owner_may_read_it(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    spill = open_spill(folder)
    spill.append(parcel("one"))

    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in stored_files(folder)] == [0o600]
    spill.close()


def test_a_link_in_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "target").write_text("somebody's")
    (folder / "1-link.spill").symlink_to(tmp_path / "target")
    spill = open_spill(folder)

    assert spill.next() is None
    spill.close()
    assert (tmp_path / "target").read_text() == "somebody's"


def test_two_never_share_a_file(folder: Path) -> None:
    first = open_spill(folder)
    first.append(parcel("first"))
    second = open_spill(folder)
    second.append(parcel("second"))

    assert texts(taken(second)) == ["second"]
    assert len(stored_files(folder)) == 2
    assert adopt(stored_files(folder)[0], TOPIC) is None
    first.close()
    second.tidy(1000.0)
    assert texts(taken(second)) == ["first"]
    second.close()


def test_another_topics_files_are_left_alone(folder: Path) -> None:
    folder.mkdir()
    create(folder / "1-other.spill", "another.topic").close()
    (folder / "2-noise.spill").write_bytes(b"fx")
    spill = open_spill(folder)

    assert spill.next() is None
    spill.close()
    assert len(stored_files(folder)) == 2


def test_the_room_is_bounded_and_comes_back(folder: Path) -> None:
    spill = open_spill(folder)
    big = parcel("x" * 400_000)
    refused = None
    for _ in range(20):
        refused = refused or spill.append(big)
    assert refused is DropReason.SPILL_FULL
    assert sum(path.stat().st_size for path in stored_files(folder)) <= MIN_BYTES

    for one in taken(spill):
        spill.settle(one)
    assert spill.append(big) is None
    spill.close()


def test_a_write_that_broke_off_costs_that_message_alone(folder: Path) -> None:
    spill = open_spill(folder)
    spill.append(parcel("whole"))
    spill.append(parcel("cut in half"))
    (path,) = stored_files(folder)
    spill.abandon()
    os.truncate(path, path.stat().st_size - 5)

    again = open_spill(folder)
    assert texts(taken(again)) == ["whole"]
    again.close()


def test_many_restarts_without_a_broker_fill_one_file(folder: Path) -> None:
    for number in range(20):
        spill = open_spill(folder)
        assert spill.append(parcel(f"{number:02}")) is None
        spill.abandon()
    assert len(stored_files(folder)) == 1

    last = open_spill(folder)
    assert texts(taken(last)) == [f"{number:02}" for number in range(20)]
    last.close()


def test_damage_is_noticed_and_sends_no_garbage(folder: Path) -> None:
    spill = open_spill(folder)
    for number in range(3):
        spill.append(parcel(f"number {number}"))
    (path,) = stored_files(folder)
    spill.abandon()
    content = bytearray(path.read_bytes())
    content[content.index(b"number 1")] ^= 0xFF
    path.write_bytes(content)

    again = open_spill(folder)
    (one,) = taken(again)
    assert texts([one]) == ["number 0"]
    again.settle(one)
    again.close()
    assert stored_files(folder) == []


STEPS = st.lists(st.sampled_from(["append", "next", "settle", "settle last", "rewind", "crash"]))


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_no_order_of_things_loses_a_message(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("spill")
    spill, num_stored, settled = open_spill(folder), 0, set[str]()
    out: list[Spilled] = []
    for step in steps:
        if step == "append":
            assert spill.append(parcel(f"{num_stored:03}")) is None
            num_stored += 1
        elif step == "next" and (one := spill.next()) is not None:
            out.append(one)
        elif step.startswith("settle") and out:
            one = out.pop(0 if step == "settle" else -1)
            spill.settle(one)
            settled |= set(texts([one]))
        elif step in {"rewind", "crash"}:
            # Neither happens while messages are under way, or else their outcome is unknown.
            out = []
            if step == "crash":
                spill.abandon()
                spill = open_spill(folder)
            spill.rewind()
    spill.rewind()
    left = texts(taken(spill))

    assert left == sorted(left), "in order"
    assert len(left) == len(set(left))
    assert set(left) | settled == {f"{number:03}" for number in range(num_stored)}
    if "crash" not in steps:
        assert not set(left) & settled, "only a crash repeats what was settled out of order"
    spill.abandon()


def make_sink(connect: Callable[[], ProducerClient], folder: Path, **changes: object) -> KafkaSink:
    config = KafkaSinkConfig(
        max_events=10, close_timeout_s=0.5, spill=SpillConfig(folder=folder, max_bytes=MIN_BYTES)
    )
    parts = default_collaborators(SETTINGS, config)
    parts = replace(parts, connect=connect, scrub=lambda event: event)
    return KafkaSink(SETTINGS, config, collaborators=replace(parts, **changes))  # type: ignore[arg-type]


def messages(producer: AcceptingProducer) -> list[str]:
    return [message.event.message for message in producer.produced]


def test_what_kafka_takes_leaves_the_disk(folder: Path) -> None:
    producer = AcceptingProducer()
    sink = make_sink(lambda: producer, folder)
    for number in range(5):
        sink.emit(make_event(str(number)))

    assert sink.flush(5.0)
    assert messages(producer) == [str(number) for number in range(5)]
    assert sink.counts().delivered == 5
    sink.close()
    assert stored_files(folder) == []


def test_what_kafka_does_not_take_waits_and_goes_first_when_it_is_back(folder: Path) -> None:
    producer = FailingProducer()
    sink = make_sink(lambda: producer, folder)
    expected = [f"event {number}" for number in range(100)]
    for text in expected:
        # Far more than memory may hold: the disk takes them.
        eventually(partial(sink.emit, make_event(text)))
    assert not sink.flush(0.2)
    refused = dict(sink.counts().dropped)
    num_tried = len(producer.produced)
    producer.is_mended = True

    assert sink.flush(20.0)
    delivered = messages(producer)[-100:]
    assert delivered == expected
    assert num_tried < 100, "one at a time while Kafka is away"
    assert set(refused) <= {DropReason.QUEUE_FULL}
    assert sink.counts().delivered == 100
    sink.close()


def test_what_was_not_sent_in_time_is_sent_by_the_next_process(folder: Path) -> None:
    sink = make_sink(FailingProducer, folder)
    for number in range(8):
        sink.emit(make_event(str(number)))
    sink.close()
    assert sink.counts().dropped == {}

    producer = AcceptingProducer()
    successor = make_sink(lambda: producer, folder)
    successor.resume()
    eventually(lambda: len(producer.produced) == 8)
    assert successor.emit(make_event("own"))
    assert successor.flush(5.0)
    assert producer.produced.pop().event.message == "own"
    successor.close()
    assert messages(producer) == [str(number) for number in range(8)]
    assert stored_files(folder) == []


def test_a_message_that_kafka_refuses_for_good_does_not_stop_the_others(folder: Path) -> None:
    class Refuses(AcceptingProducer):
        def outcome(self) -> FakeKafkaError | None:
            return FakeKafkaError("MSG_SIZE_TOO_LARGE") if len(self.produced) == 1 else None

    producer = Refuses()
    sink = make_sink(lambda: producer, folder)
    sink.emit(make_event("refused"))
    eventually(lambda: sink.counts().dropped)
    sink.emit(make_event("fine"))

    assert sink.flush(5.0)
    assert sink.counts().dropped == {DropReason.TOO_LARGE: 1}
    assert messages(producer) == ["refused", "fine"]
    sink.close()


@pytest.mark.parametrize("kind", ["a file", "full", "short"])
def test_a_disk_that_does_not_work_costs_the_host_nothing(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "a file":
        folder.write_text("no folder")
    pwrite = os.pwrite

    def failing(descriptor: int, data: bytes, offset: int) -> int:
        if kind == "short":
            return pwrite(descriptor, data[: len(data) // 2], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    producer = AcceptingProducer()
    sink = make_sink(lambda: producer, folder)
    if kind != "a file":
        monkeypatch.setattr(os, "pwrite", failing)
    for number in range(3):
        assert sink.emit(make_event(str(number)))

    assert sink.flush(5.0)
    assert messages(producer) == ["0", "1", "2"], "without a disk they go as if there were no spill"
    assert sink.counts().dropped == {}
    sink.close()


def test_without_disk_and_broker_each_loss_is_counted(folder: Path) -> None:
    folder.write_text("no folder")
    sink = make_sink(FailingProducer, folder)
    sink.emit(make_event())

    assert sink.flush(5.0)
    assert sink.counts().dropped == {DropReason.SEND_FAILED: 1}
    sink.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_does_not_touch_its_parents_file(folder: Path) -> None:
    sink = make_sink(StuckProducer, folder)
    sink.emit(make_event("parent"))
    (path,) = eventually(lambda: stored_files(folder))

    pid = os.fork()
    if pid == 0:
        sink.emit(make_event("child"))
        sink.close()
        os._exit(0 if len(stored_files(folder)) == 2 else 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert adopt(path, TOPIC) is None, "the parent still holds it"
    sink.close()

    successor = AcceptingProducer()
    heir = make_sink(lambda: successor, folder)
    heir.resume()
    eventually(lambda: sorted(messages(successor)) == ["child", "parent"])
    heir.close()


def test_it_is_off_until_a_folder_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert ProducerSettings(service="shop").sink_config().spill is None
    monkeypatch.setenv("FIXSTREAM_PRODUCERS_SPILL_FOLDER", str(folder))
    assert ProducerSettings(service="shop").sink_config().spill == SpillConfig(folder=folder)


def test_a_file_that_lost_its_space_is_read_as_far_as_it_goes(folder: Path) -> None:
    folder.mkdir()
    file = create(folder / "1-x.spill", TOPIC)
    begins = file.append(b"body")
    assert isinstance(file, SpillFile)
    assert file.read(begins) == (b"body", file.end)
    assert file.read(file.end) is None
    file.remove()


_HOST = """
import sys
import fixstream.producers
fixstream.producers.init(service="shop")
for number in range(20):
    fixstream.producers.capture_exception(ValueError(f"failure {number}"))
print("ready", flush=True)
sys.stdin.read()
"""


def start_host(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOST],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def arrived(kafka: KafkaSettings, group: str, at_least: int) -> list[str]:
    consumer = make_consumer(kafka, group)
    consumer.subscribe([kafka.topic(ERRORS_RAW)])
    found: list[str] = []

    def enough() -> bool:
        for message in consume_batch(consumer, 100, 0.3):
            found.append(decode_message(message, Codec(), ErrorEvent).message)
        return len(found) >= at_least

    try:
        eventually(enough, 40.0)
        found += [
            decode_message(message, Codec(), ErrorEvent).message
            for message in consume_batch(consumer, 100, 1.0)
        ]
    finally:
        consumer.close()
    return found


@pytest.mark.kafka
def test_the_host_is_killed_while_the_broker_is_away_and_everything_arrives_once(
    broker: EmbeddedBroker, folder: Path
) -> None:
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    apply_topics(kafka)
    broker.kill()
    environment = {
        "FIXSTREAM_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "FIXSTREAM_PRODUCERS_SPILL_FOLDER": str(folder),
    }
    with start_host(environment) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        eventually(lambda: b"failure 19" in b"".join(p.read_bytes() for p in stored_files(folder)))
        host.send_signal(signal.SIGKILL)
    assert host.returncode == -signal.SIGKILL

    sink = KafkaSink(kafka, KafkaSinkConfig(spill=SpillConfig(folder=folder)))
    sink.resume()
    sink.emit(make_event("after the restart"))
    broker.restart()
    found = arrived(kafka, "spill-test", 21)
    assert sink.flush(30.0)
    sink.close()

    assert found == [*(f"failure {number}" for number in range(20)), "after the restart"]
    assert stored_files(folder) == []
