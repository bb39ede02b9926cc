"""The audit's books: what is covered, what is missing, what came twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.cli.audit.latency import percentile
from fixstream.cli.audit.ledger import Ledger, PartitionSpan
from fixstream.schemas.enums import ClosedBy, LabelSource
from fixstream.schemas.records import Label, Labels, OffsetRange, TrainingBatch, TrainingExample

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LABELS = Labels(*(Label(v, LabelSource.RULE, 1.0) for v in ("general", "medium", "unknown")))


def batch(first: int, after: int, *, offsets: list[int], dead: int = 0) -> TrainingBatch:
    examples = tuple(
        TrainingExample(
            event_id=str(o), fingerprint=str(o), message="m", labels=LABELS, origin_offset=o
        )
        for o in offsets
    )
    return TrainingBatch(
        batch_id=f"{first}-{after}",
        origin=OffsetRange("fixstream.errors.raw.v1", 0, first, after),
        closed_by=ClosedBy.AGE,
        created_at=NOW,
        examples=examples,
        num_collapsed=after - first - len(offsets) - dead,
        num_dead_lettered=dead,
    )


def ledger(after: int = 6) -> Ledger:
    return Ledger([PartitionSpan(partition=0, first=0, next=after)])


def test_full_cover_is_clean() -> None:
    books = ledger()
    for offset in (0, 1, 2, 3, 5):
        books.add_triaged(0, offset)
    books.add_dead_letter(0, 4)
    books.add_batch(batch(0, 3, offsets=[0, 2]))
    books.add_batch(batch(3, 6, offsets=[3, 5], dead=1))
    report = books.report()
    assert report.is_clean, report.unaccounted
    assert (report.num_raw, report.num_triaged, report.num_dead_lettered) == (6, 5, 1)
    assert (report.num_batched, report.num_collapsed, report.num_repeated) == (4, 1, 0)


def test_event_in_no_batch_is_named() -> None:
    books = ledger()
    for offset in range(6):
        books.add_triaged(0, offset)
    books.add_batch(batch(0, 2, offsets=[0, 1]))
    books.add_batch(batch(3, 5, offsets=[3, 4]))
    assert books.report().unaccounted == (
        "partition 0: 1 events in no batch (offsets 2 to 2)",
        "partition 0: 1 events in no batch (offsets 5 to 5)",
    )


def test_event_that_was_never_triaged_is_named() -> None:
    books = ledger(2)
    books.add_triaged(0, 0)
    books.add_batch(batch(0, 2, offsets=[0, 1]))
    (fault,) = books.report().unaccounted
    assert "1 neither triaged nor dead-lettered (offsets 1)" in fault


def test_overlap_after_a_crash_counts_once_and_is_no_fault() -> None:
    books = ledger(4)
    for offset in (0, 1, 2, 3, 1):
        books.add_triaged(0, offset)
    books.add_batch(batch(0, 2, offsets=[0, 1]))
    books.add_batch(batch(1, 4, offsets=[1, 2, 3]))
    report = books.report()
    assert report.is_clean
    assert report.num_batched == 4
    assert report.num_repeated == 1


def test_batch_whose_counts_do_not_add_up_is_a_fault() -> None:
    books = ledger(2)
    books.add_triaged(0, 0)
    books.add_triaged(0, 1)
    books.add_batch(batch(0, 2, offsets=[0], dead=0))
    assert books.report().is_clean
    short = batch(0, 2, offsets=[0], dead=1)
    books = ledger(2)
    books.add_triaged(0, 0)
    books.add_triaged(0, 1)
    books.add_batch(replace(short, num_dead_lettered=0))
    assert "accounts for 1 of 2 events" in books.report().unaccounted[0]


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([], 0.5) is None
    with pytest.raises(ValueError, match="share"):
        percentile(values, 0)


@given(cuts=st.sets(st.integers(1, 19)), drop=st.integers(0, 19))
def test_any_cut_is_clean_and_a_missing_range_is_told(cuts: set[int], drop: int) -> None:
    bounds = [0, *sorted(cuts), 20]
    ranges = list(pairwise(bounds))
    dropped = drop % len(ranges)
    for missing in (None, dropped):
        books = ledger(20)
        for offset in range(20):
            books.add_triaged(0, offset)
        for index, (first, after) in enumerate(ranges):
            if index != missing:
                books.add_batch(batch(first, after, offsets=list(range(first, after))))
        report = books.report()
        lost = 0 if missing is None else ranges[missing][1] - ranges[missing][0]
        assert report.is_clean == (missing is None)
        assert report.num_batched == 20 - lost
