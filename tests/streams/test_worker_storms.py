"""The processor on a real broker when the ground moves: workers come and go, the disk is full."""

from __future__ import annotations

import random
import resource
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixstream.runtime.broker import EmbeddedBroker
from fixstream.runtime.process import GuardedProcess
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.records import ErrorEvent
from support.deadlines import eventually
from support.kafka import Kafka, unique_prefix
from support.streams import create_topics, error_event, send_events
from support.workers import (
    audit,
    events,
    owns_partitions,
    triaged_at_least,
    wait_for_commit,
    worker,
)

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_workers_that_join_leave_and_die_lose_nothing(kafka: Kafka, tmp_path: Path) -> None:
    settings = kafka.settings
    create_topics(settings, num_partitions=4)
    with ExitStack() as stack:

        def joined(number: int) -> GuardedProcess:
            folder = tmp_path / str(number)
            folder.mkdir()
            return stack.enter_context(worker(settings, folder))

        running = [joined(0)]
        eventually(lambda: owns_partitions(running[0]), 60)
        for number in range(1, 4):
            for partition in range(4):
                send_events(settings, events(400, number * 10_000 + partition * 1000), partition)
            running.append(joined(number))
            eventually(lambda: owns_partitions(running[-1]), 60)
            leaving = running.pop(0)
            if number % 2:
                leaving.kill()
            else:
                assert leaving.terminate(30) == 0, leaving.tail()
        wait_for_commit(settings, dict.fromkeys(range(4), 1200), 120)
    report = audit(settings, dict.fromkeys(range(4), 1200))
    assert report.is_clean, report.unaccounted
    assert report.num_triaged == 4800


def disturbed(num_events: int) -> list[ErrorEvent]:
    """Events that come twice, late, and with clocks that are years off."""
    chance = random.Random(5)
    years = (1970, 2026, 2026, 2026, 2038)
    found = []
    for number, event in enumerate(events(num_events)):
        when = event.occurred_at.replace(year=chance.choice(years))
        found.append(
            error_event(
                event.event_id,
                message=event.message,
                error_type=event.error_type,
                occurred_at=when,
                trace_id=f"{number // 3 + 1:032x}",
                service=f"s{number % 5}",
            )
        )
    found += chance.sample(found, num_events // 4)
    chance.shuffle(found)
    return found


def test_repeats_late_events_and_clocks_that_are_off_change_no_account(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = kafka.settings
    create_topics(settings)
    sent = disturbed(800)
    send_events(settings, sent[:500])
    with worker(settings, tmp_path) as process:
        eventually(lambda: triaged_at_least(settings, 100), 60)
        process.kill()
    with worker(settings, tmp_path):
        send_events(settings, sent[500:])
        wait_for_commit(settings, {0: len(sent)}, 60)
    report = audit(settings, {0: len(sent)})
    assert report.is_clean, report.unaccounted
    assert report.num_dead_lettered == 0
    assert report.num_batched + report.num_collapsed == len(sent)


def test_a_broker_that_cannot_write_any_more_costs_nothing_once_it_can(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Each file of the broker may grow no further, so its writes fail, as on a full disk."""
    settings = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers, topic_prefix=unique_prefix()
    )
    create_topics(settings)
    send_events(settings, events(1500))
    with worker(settings, tmp_path) as process:
        eventually(lambda: triaged_at_least(settings, 100), 60)
        resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        eventually(lambda: not broker.is_running(), 60)  # Kafka stops when its log folder fails.
        broker.restart()
        send_events(settings, events(500, 1500))
        wait_for_commit(settings, {0: 2000}, 120)
        assert process.poll() is None, process.tail()
    report = audit(settings, {0: 2000})
    assert report.is_clean, report.unaccounted
