"""The worker without a broker: deliveries, gaps, hand-overs, retries, back-pressure."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import KafkaError

from fixstream.schemas.codec import encode
from fixstream.schemas.errors import BrokerUnavailable, OffsetGap, RetryLater
from fixstream.streams.dead_letters import RawMessage
from fixstream.streams.outbox import OutboxLimits
from fixstream.streams.processor import Outcome
from support.streams import error_event
from support.worker_house import (
    PROCESSOR,
    Record,
    house,
)


def records(first: int, after: int) -> list[Record]:
    return [
        Record(n, encode(error_event(f"e{n}", error_type=f"Kind{'abcdefghijkl'[n % 12]}Error")))
        for n in range(first, after)
    ]


async def test_only_what_was_delivered_is_settled() -> None:
    own = house()
    own.producer.delivers = False
    await own.worker.take(0, 1, records(0, 10))
    assert own.group.settled == []
    own.producer.delivers = True
    own.worker.close_aged()
    assert own.group.settled == [4, 8]
    assert [b.origin.next_offset for b in own.batches()] == [4, 8]


async def test_settled_in_order_whatever_order_reports_come_in() -> None:
    own = house()
    own.producer.delivers = False
    await own.worker.take(0, 1, records(0, 12))
    reports, own.producer.waiting = own.producer.waiting, []
    per_window = len(reports) // 3
    for report in reports[per_window:]:
        report(None, None)
    assert own.group.settled == []
    for report in reports[:per_window]:
        report(None, None)
    assert own.group.settled == [4, 8, 12]


async def test_a_delivery_that_failed_for_good_stops_everything_and_settles_nothing() -> None:
    own = house()
    own.producer.error = KafkaError(KafkaError._MSG_TIMED_OUT)
    with pytest.raises(BrokerUnavailable):
        await own.worker.take(0, 1, records(0, 8))
    assert own.group.settled == []


async def test_offsets_without_records_become_dead_letters_that_the_batch_counts() -> None:
    own = house()
    events = records(0, 8)
    await own.worker.take(0, 1, [*events[:2], *events[4:]])
    batch = own.batches()[0]
    assert (batch.origin.first_offset, batch.origin.next_offset) == (0, 6)
    assert (len(batch.examples), batch.num_dead_lettered) == (4, 2)
    assert len(own.producer.to("errors.dlq.v1")) == 2


async def test_records_that_were_skipped_on_the_way_stop_the_worker() -> None:
    own = house()
    own.partition.kept = {2: b"x"}
    events = records(0, 8)
    with pytest.raises(OffsetGap, match="2 to 2"):
        await own.worker.take(0, 1, [*events[:2], *events[3:]])


async def test_records_that_expired_leave_a_gap_that_shows() -> None:
    own = house()
    await own.worker.take(0, 1, records(0, 2))
    own.partition.first_kept = 7
    await own.worker.take(0, 1, records(7, 11))
    ranges = [(b.origin.first_offset, b.origin.next_offset) for b in own.batches()]
    assert ranges == [(0, 2), (7, 11)]


async def test_records_that_come_twice_count_once() -> None:
    own = house()
    await own.worker.take(0, 1, records(0, 6))
    await own.worker.take(0, 1, records(2, 8))
    assert [b.origin.next_offset for b in own.batches()] == [4, 8]


async def test_records_of_an_older_generation_are_dropped() -> None:
    own = house()
    own.group.generation = 2
    await own.worker.take(0, 1, records(0, 8))
    assert own.producer.sent == []
    assert own.partition.num_opened == 0


async def test_a_partition_that_was_released_is_delivered_and_read_no_more() -> None:
    own = house()
    await own.worker.take(0, 1, records(0, 6))
    await own.worker.release({0}, 1, timeout_s=5)
    assert own.group.settled == [4, 6]
    await own.worker.take(0, 1, records(6, 12))
    assert own.group.settled == [4, 6]
    own.group.generation = 2
    own.partition.committed = 6
    await own.worker.take(0, 2, records(6, 12))
    own.worker.close_aged()
    assert own.group.settled == [4, 6, 10]


async def test_what_is_delivered_after_the_release_settles_nothing_any_more() -> None:
    own = house()
    own.producer.delivers = False
    await own.worker.take(0, 1, records(0, 6))
    await own.worker.release({0}, 1, timeout_s=0)
    own.producer.delivers = True
    own.worker.close_aged()
    assert own.group.settled == []


async def test_a_partition_that_came_back_unheard_is_opened_again() -> None:
    own = house()
    await own.worker.take(0, 1, records(0, 2))
    own.group.generation = 2
    own.partition.committed = 40
    await own.worker.take(0, 2, records(40, 44))
    assert own.partition.num_opened == 2
    assert own.batches()[0].origin.first_offset == 40


async def test_a_registry_that_does_not_answer_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fixstream.streams.worker._RETRY_PAUSE_S", 0.001)
    failures = iter([RetryLater("registry"), RetryLater("registry")])

    def process(raw: RawMessage) -> Outcome:
        error = next(failures, None) if raw.offset == 2 else None
        if error is not None:
            raise error
        return PROCESSOR.process(raw)

    own = house(process)
    await own.worker.take(0, 1, records(0, 4))
    own.worker.close_aged()
    assert own.group.settled == [4]


async def test_a_slow_downstream_pauses_intake() -> None:
    own = house(limits=OutboxLimits(max_messages=20))
    own.producer.delivers = False
    taking = asyncio.create_task(own.worker.take(0, 1, records(0, 200)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not taking.done()
    assert len(own.producer) < 60
    own.producer.delivers = True
    await taking
    assert own.group.settled[-1] == 200


async def test_a_dead_letter_that_is_too_large_keeps_its_headers() -> None:
    own = house()
    own.producer.delivers = False
    await own.worker.take(0, 1, [Record(0, b"junk" * 100)])
    report = own.producer.waiting.pop()
    report(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), None)
    letters = own.producer.to("errors.dlq.v1")
    assert letters[-1]["value"] is None
    headers = dict(letters[-1]["headers"])
    assert headers["fixstream-dlq-omitted-bytes"] == b"400"
    assert headers["fixstream-dlq-class"] == b"undecodable"
    assert len(own.producer.waiting) == 1
