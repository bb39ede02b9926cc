"""Quarantined texts: they go along in their batch and do not train; nothing is held back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from fixstream.schemas.attributes import SOLUTION_ID, TRAIN_AFTER
from fixstream.schemas.enums import ClosedBy, EventSource
from fixstream.schemas.records import ErrorEvent, TrainingExample
from fixstream.schemas.validation import validate
from fixstream.streams.quarantine import quarantine_of, solution_of
from fixstream.streams.window import BatchWindow, WindowLimits
from fixstream.triage.triage import Triager
from support.streams import START, error_event

LATER = START + timedelta(hours=1)
TRIAGER = Triager()


def crawled(until: str | None = None, event_id: str = "c", **changes: object) -> ErrorEvent:
    attributes = {TRAIN_AFTER: until} if until is not None else {}
    return error_event(
        event_id, **{"source": EventSource.STACKOVERFLOW, "attributes": attributes, **changes}
    )


def examples(*events: ErrorEvent, now: datetime = START) -> tuple[TrainingExample, ...]:
    window = BatchWindow("t", 0, 0, WindowLimits())
    for offset, event in enumerate(events):
        window.add(offset, TRIAGER.triage(event), 0.0)
    batch = window.close(ClosedBy.AGE, now, "v")
    validate(batch)
    return batch.examples


@pytest.mark.parametrize(
    ("until", "is_held"),
    [
        (None, False),
        (LATER.isoformat(), True),
        (START.isoformat(), False),
        ((START - timedelta(days=1)).isoformat(), False),
        (LATER.astimezone(timezone(timedelta(hours=5))).isoformat(), True),
        ("2026-01-01T01:00:00Z", True),
        ("", True),
        ("tomorrow", True),
        ("2026-01-01T00:00:00", True),
        ("0001-01-01T00:00:00+23:00", True),
    ],
)
def test_a_text_is_held_until_its_time_and_for_ever_if_that_cannot_be_read(
    until: str | None, is_held: bool
) -> None:
    assert (quarantine_of(crawled(until), START) is not None) == is_held


def test_a_held_example_goes_along_without_weight_and_tells_when_it_may_train() -> None:
    held, own = examples(crawled(LATER.isoformat()), error_event("o", message="disk full"))
    assert (held.weight, held.train_after) == (0.0, LATER)
    assert (own.weight, own.train_after) == (1.0, None)
    (free,) = examples(crawled(LATER.isoformat()), now=LATER)
    assert (free.weight, free.train_after) == (1.0, None)


def test_a_held_example_takes_no_share_of_the_batch() -> None:
    found = examples(
        crawled(LATER.isoformat(), "c1", message="disk is full"),
        crawled(event_id="c2", message="host is gone"),
        error_event("o1", message="queue is long"),
    )
    without = examples(
        crawled(event_id="c2", message="host is gone"), error_event("o1", message="queue is long")
    )
    assert [e.weight for e in found[1:]] == [e.weight for e in without]


def test_an_event_of_ours_takes_the_place_of_a_held_text_of_its_group() -> None:
    (found,) = examples(crawled(LATER.isoformat()), error_event("o"), crawled(event_id="d"))
    assert (found.weight, found.event_id, found.occurrences) == (1.0, "o", 3)
    assert (found.origin_offset, found.source) == (0, "logging")


def test_an_event_of_ours_that_fits_no_more_waits_for_the_next_window() -> None:
    window = BatchWindow("t", 0, 0, WindowLimits(max_bytes=3000))
    window.add(0, TRIAGER.triage(crawled(LATER.isoformat())), 0.0)
    window.add(1, TRIAGER.triage(error_event("x", message="disk full" * 100)), 0.0)
    own = TRIAGER.triage(error_event("o"))
    assert window.has_room_for(own)
    large = replace(own, event=replace(own.event, stack_trace="x" * 3000))
    assert not window.has_room_for(large)
    assert window.has_room_for(replace(large, event=crawled(LATER.isoformat())))


def test_examples_know_service_source_and_solution() -> None:
    (found,) = examples(
        error_event("a", service="shop"), error_event("b", attributes={SOLUTION_ID: "so:7"})
    )
    assert (found.service, found.source, found.solution_id) == ("shop", "logging", "so:7")
    assert solution_of(error_event(attributes={SOLUTION_ID: ""})) is None
    assert solution_of(error_event(attributes={SOLUTION_ID: "x" * 300})) is None


def test_triage_leaves_the_attributes_that_we_understand_as_they_are() -> None:
    attributes = {TRAIN_AFTER: datetime.now(UTC).isoformat(), SOLUTION_ID: "stackoverflow:12345"}
    assert TRIAGER.triage(error_event(attributes=attributes)).event.attributes == attributes
