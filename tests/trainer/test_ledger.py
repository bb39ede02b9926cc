"""No example twice and none left out, for any interleaving, overlap and crash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas.errors import OffsetGap
from fixstream.schemas.records import OffsetRange, TrainingBatch
from fixstream.trainer.ledger import Ledger, Position
from support.training import RAW_TOPIC, training_batch

SOURCE = ("training.batches.v1", 0)


def taken_ids(ledger: Ledger, count: int) -> list[str]:
    return [waiting.example.event_id for waiting in ledger.take(count)]


def test_examples_come_in_order_and_the_position_follows_what_was_taken() -> None:
    ledger = Ledger()
    ledger.accept(training_batch(0, 4), SOURCE, 10)
    ledger.accept(training_batch(4, 8), SOURCE, 11)
    assert taken_ids(ledger, 3) == ["event-0", "event-1", "event-2"]
    position = ledger.position()
    assert [offset.next_offset for offset in position.batch_offsets] == [10]
    assert [offset.next_offset for offset in position.origin_offsets] == [3]
    ledger.take(5)
    assert [offset.next_offset for offset in ledger.position().batch_offsets] == [12]
    assert [offset.next_offset for offset in ledger.position().origin_offsets] == [8]
    assert ledger.lineage() == (OffsetRange(RAW_TOPIC, 0, 0, 8),)


def test_a_gap_is_refused_and_can_be_accepted_on_purpose() -> None:
    ledger = Ledger()
    ledger.accept(training_batch(0, 4), SOURCE, 0)
    with pytest.raises(OffsetGap, match="expected a batch from offset 4, got one from 6"):
        ledger.accept(training_batch(6, 8), SOURCE, 1)
    generous = Ledger(ledger.position(), accept_gaps=True)
    generous.accept(training_batch(6, 8), SOURCE, 1)
    assert generous.num_waiting == 2


def test_a_single_event_that_never_came_is_a_gap() -> None:
    ledger = Ledger()
    ledger.accept(training_batch(0, 4), SOURCE, 0)
    with pytest.raises(OffsetGap, match="1 events never came"):
        ledger.accept(training_batch(5, 8), SOURCE, 1)


def test_a_blocked_batch_teaches_nothing_and_is_no_gap() -> None:
    ledger = Ledger(blocked=[OffsetRange(*SOURCE, 1, 2)])
    for number in range(3):
        ledger.accept(training_batch(number * 2, number * 2 + 2), SOURCE, number)
    assert taken_ids(ledger, 9) == ["event-0", "event-1", "event-4", "event-5"]
    assert ledger.num_blocked == 2


def test_dead_lettered_offsets_are_no_gap() -> None:
    ledger = Ledger()
    ledger.accept(training_batch(0, 4, missing=(0, 3)), SOURCE, 0)
    ledger.accept(training_batch(4, 6, missing=(4, 5)), SOURCE, 1)
    ledger.accept(training_batch(6, 7), SOURCE, 2)
    assert taken_ids(ledger, 9) == ["event-1", "event-2", "event-6"]


def test_partitions_are_counted_apart() -> None:
    ledger = Ledger()
    ledger.accept(training_batch(0, 4, partition=0), SOURCE, 0)
    ledger.accept(training_batch(100, 104, partition=1), ("training.batches.v1", 1), 7)
    ledger.take(6)
    origins = {offset.partition: offset.next_offset for offset in ledger.position().origin_offsets}
    assert origins == {0: 4, 1: 102}


@st.composite
def streams(draw: st.DrawFn) -> list[TrainingBatch]:
    """Batches of one partition; now and then the processor goes back and cuts anew."""
    batches: list[TrainingBatch] = []
    end = 0
    for _ in range(draw(st.integers(1, 12))):
        start = draw(st.integers(max(0, end - 10), end))
        stop = start + draw(st.integers(1, 8))
        batches.append(training_batch(start, stop))
        end = max(end, stop)
    return batches


@given(streams(), st.data())
def test_every_example_is_settled_once_through_any_crash(
    batches: list[TrainingBatch], data: st.DataObject
) -> None:
    """Checkpoints fall anywhere; a crash throws away what was settled since the last one."""
    ledger, saved, settled, kept = Ledger(), Position((), ()), list[str](), list[str]()
    log_offset = 0
    crashes_left = 4
    while True:
        action = data.draw(st.sampled_from(["read", "take", "save", "crash"]))
        if action == "read" and log_offset < len(batches):
            ledger.accept(batches[log_offset], SOURCE, log_offset)
            log_offset += 1
        elif action == "take":
            settled += taken_ids(ledger, data.draw(st.integers(1, 7)))
        elif action == "save":
            saved, kept = ledger.position(), list(settled)
        elif action == "crash" and crashes_left:
            crashes_left -= 1
            ledger, settled = Ledger(saved), list(kept)
            log_offset = saved.batch_offsets[0].next_offset if saved.batch_offsets else 0
        if log_offset == len(batches):
            break
    settled += taken_ids(ledger, 1000)
    end = max(batch.origin.next_offset for batch in batches)
    assert settled == [f"event-{offset}" for offset in range(end)]


def test_given_back_examples_come_again_in_their_order() -> None:
    ledger = Ledger()
    ledger.accept(training_batch(0, 5), SOURCE, 0)
    taken = ledger.take(3)
    ledger.give_back(taken)
    assert taken_ids(ledger, 5) == [f"event-{number}" for number in range(5)]
