"""The processor as a process on a real broker: crashes, rebalances, poison, broker restarts.

The books are kept by the topics themselves: the audit's ledger reads them back.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixstream.runtime.broker import EmbeddedBroker
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import decode
from fixstream.schemas.records import TriagedError
from fixstream.schemas.topics import ERRORS_DLQ, ERRORS_RAW, ERRORS_TRIAGED
from fixstream.streams.replay import (
    DeadLetterFilter,
    list_dead_letters,
    replay_dead_letters,
    show_dead_letter,
)
from support.deadlines import eventually
from support.kafka import Kafka, unique_prefix
from support.streams import (
    committed_offset,
    create_topics,
    read_topic,
    send_events,
    send_raw,
)
from support.workers import (
    GROUP,
    audit,
    data_folder,
    events,
    owns_partitions,
    triaged_at_least,
    wait_for_commit,
    worker,
)

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_everything_ends_somewhere_and_a_stop_is_clean(kafka: Kafka, tmp_path: Path) -> None:
    settings = kafka.settings
    create_topics(settings)
    with worker(settings, tmp_path) as process:
        send_events(settings, events(500))
        send_raw(settings, [(b"k", b"junk"), (b"k", None), (None, b"\xc3\x01" + b"\xff" * 30)])
        wait_for_commit(settings, {0: 503}, 60)
        send_events(settings, events(7, 500))
        eventually(lambda: triaged_at_least(settings, 507), 20)
        assert process.terminate(20) == 0, process.tail()
    report = audit(settings, {0: 510})
    assert report.is_clean, report.unaccounted
    assert report.num_dead_lettered == 3
    assert report.num_repeated == 0
    assert committed_offset(settings, settings.topic_prefix + GROUP) == 510
    letters = {m.value() for m in read_topic(settings, settings.topic(ERRORS_DLQ))}
    assert letters == {b"junk", None, b"\xc3\x01" + b"\xff" * 30}


def test_kill_and_restart_lose_nothing_and_groups_are_remembered(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = kafka.settings
    create_topics(settings)
    send_events(settings, events(4000))
    for at_least in (50, 1500):
        with worker(settings, tmp_path) as process:
            eventually(lambda n=at_least: triaged_at_least(settings, n), 60)  # type: ignore[misc]
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
    send_events(settings, events(100, 4000))
    with worker(settings, tmp_path):
        wait_for_commit(settings, {0: 4100}, 90)
    report = audit(settings, {0: 4100})
    assert report.is_clean, report.unaccounted
    last: dict[str, int] = {}
    new_at: dict[str, set[int]] = {}
    for message in read_topic(settings, settings.topic(ERRORS_TRIAGED)):
        triaged = decode(message.value() or b"", TriagedError)
        last[triaged.fingerprint] = max(last.get(triaged.fingerprint, 0), triaged.occurrences)
        if triaged.is_new_group:
            new_at.setdefault(triaged.fingerprint, set()).add(triaged.origin.offset)
    assert sum(last.values()) == 4100, "an event was counted twice or not at all"
    assert all(len(offsets) == 1 for offsets in new_at.values())


def test_two_workers_share_and_the_survivor_takes_over(kafka: Kafka, tmp_path: Path) -> None:
    settings = kafka.settings
    create_topics(settings, num_partitions=4)
    for partition in range(4):
        send_events(settings, events(600), partition)
    with ExitStack() as stack:
        first = stack.enter_context(worker(settings, tmp_path / "first"))
        eventually(lambda: triaged_at_least(settings, 200), 60)
        second = stack.enter_context(worker(settings, tmp_path / "second"))
        eventually(lambda: owns_partitions(second), 60)
        for partition in range(4):
            send_events(settings, events(600, 600), partition)
        os.kill(first.pid, signal.SIGKILL)
        assert first.wait(10) == -signal.SIGKILL
        wait_for_commit(settings, dict.fromkeys(range(4), 1200), 90)
    report = audit(settings, dict.fromkeys(range(4), 1200))
    assert report.is_clean, report.unaccounted


def test_local_workers_share_the_partitions_and_stop_together(kafka: Kafka, tmp_path: Path) -> None:
    settings = kafka.settings
    create_topics(settings, num_partitions=2)
    with worker(settings, tmp_path, FIXSTREAM_STREAMS_WORKERS="2") as parent:
        logs = [data_folder(tmp_path) / f"worker-{index}.log" for index in range(2)]
        eventually(lambda: all(log.exists() and "ready" in log.read_text() for log in logs), 60)
        for partition in range(2):
            send_events(settings, events(300), partition)
        wait_for_commit(settings, {0: 300, 1: 300}, 60)
        assert parent.terminate(30) == 0, parent.tail()
    assert all("processor stopped" in log.read_text() for log in logs)
    assert audit(settings, {0: 300, 1: 300}).is_clean


def test_a_poison_storm_stops_nothing(kafka: Kafka, tmp_path: Path) -> None:
    settings = kafka.settings
    create_topics(settings)
    poison = [(b"k", os.urandom(50 + n % 500)) for n in range(2000)]
    large = b"x" * 1_000_400
    with worker(settings, tmp_path) as process:
        send_raw(settings, poison)
        send_raw(settings, [(b"k", large)])
        send_events(settings, events(50))
        wait_for_commit(settings, {0: 2051}, 90)
        assert process.poll() is None
    report = audit(settings, {0: 2051})
    assert report.is_clean, report.unaccounted
    assert (report.num_dead_lettered, report.num_triaged) == (2001, 50)
    letters = read_topic(settings, settings.topic(ERRORS_DLQ))
    assert [m.value() for m in letters][:2000] == [value for _, value in poison]
    assert dict(letters[-1].headers() or [])["fixstream-dlq-class"] == b"too_large"


def test_dead_letters_are_listed_shown_and_sent_back(kafka: Kafka, tmp_path: Path) -> None:
    settings = kafka.settings
    create_topics(settings)
    send_raw(settings, [(b"k1", b"junk"), (b"k2", None)], headers=[("traceparent", b"00-1")])
    with worker(settings, tmp_path):
        wait_for_commit(settings, {0: 2}, 60)
        letters = list(list_dead_letters(settings, DeadLetterFilter(error_class="undecodable")))
        assert [letter.key for letter in letters] == [b"k1", b"k2"]
        assert list(list_dead_letters(settings, DeadLetterFilter(error_class="failed"))) == []
        shown = show_dead_letter(settings, letters[0].partition, letters[0].offset)
        assert shown == letters[0]
        assert (shown.value, shown.origin_offset, shown.headers) == (
            b"junk",
            0,
            (("traceparent", b"00-1"),),
        )
        report = replay_dead_letters(settings, DeadLetterFilter())
        assert (report.num_sent, report.num_impossible) == (1, 1)
        wait_for_commit(settings, {0: 3}, 30)
    again = list(list_dead_letters(settings))[-1]
    assert (again.value, again.key, again.attempts, again.origin_offset) == (b"junk", b"k1", 2, 2)
    stays = replay_dead_letters(settings, DeadLetterFilter(key=b"k1"), max_attempts=2)
    assert (stays.num_sent, stays.num_exhausted) == (1, 1)


def test_a_broker_restart_is_sat_out(broker: EmbeddedBroker, tmp_path: Path) -> None:
    settings = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers, topic_prefix=unique_prefix()
    )
    create_topics(settings)
    send_events(settings, events(2000))
    with worker(settings, tmp_path) as process:
        eventually(lambda: triaged_at_least(settings, 100), 60)
        broker.kill()
        broker.restart()
        send_events(settings, events(500, 2000))
        wait_for_commit(settings, {0: 2500}, 120)
        assert process.poll() is None, process.tail()
    report = audit(settings, {0: 2500})
    assert report.is_clean, report.unaccounted


def test_a_start_that_cannot_get_ready_says_why(kafka: Kafka, tmp_path: Path) -> None:
    with worker(kafka.settings, tmp_path, FIXSTREAM_STREAMS_START_TIMEOUT_S="1") as process:
        assert process.wait(30) == 1
        assert "topics are missing" in process.tail()[-1]
        assert kafka.settings.topic(ERRORS_RAW) in process.tail()[-1]
