"""Windows: contiguous, complete and bounded, whatever comes in and wherever a crash strikes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.runtime.clock import SettableClock
from fixstream.schemas.codec import Codec, encode
from fixstream.schemas.enums import ClosedBy
from fixstream.schemas.errors import TooLarge
from fixstream.schemas.records import TrainingBatch, TriagedError
from fixstream.schemas.topics import GROUP_STATE_RETENTION
from fixstream.schemas.validation import validate
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage
from fixstream.streams.groups import Groups, GroupState
from fixstream.streams.lane import ClosedWindow, Lane
from fixstream.streams.processor import EventProcessor
from fixstream.streams.window import Added, BatchWindow, WindowLimits
from fixstream.triage.triage import Triage, Triager
from support.streams import error_event

TOPIC = "errors.raw.v1"
TRIAGER = Triager()
KINDS = ("refused", "timed out", "denied", "not found", "too many", "out of memory")


def judged(event_id: str, kind: str = "refused", **changes: object) -> Triage:
    return TRIAGER.triage(error_event(event_id, message=f"connection {kind}", **changes))


def window(first_offset: int = 0, **limits: Any) -> BatchWindow:
    return BatchWindow(TOPIC, 0, first_offset, WindowLimits(**limits))


def test_the_same_group_collapses_and_counts() -> None:
    open_window = window(7)
    assert open_window.add(7, judged("a"), 0.0) is Added.EXAMPLE
    assert open_window.add(8, judged("b"), 0.0) is Added.COLLAPSED
    assert open_window.add(9, judged("b"), 0.0) is Added.REPEATED
    open_window.dead_letter(10, 0.0)
    batch = open_window.close(ClosedBy.AGE, SettableClock().now(), "v")
    assert (batch.origin.first_offset, batch.origin.next_offset) == (7, 11)
    assert [example.occurrences for example in batch.examples] == [3]
    assert (batch.num_collapsed, batch.num_dead_lettered) == (2, 1)
    assert batch.examples[0].origin_offset == 7
    validate(batch)


def test_offsets_must_follow_each_other() -> None:
    with pytest.raises(AssertionError):
        window(3).add(5, judged("a"), 0.0)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_examples": 2}, ClosedBy.SIZE),
        ({"max_offsets": 2}, ClosedBy.SIZE),
        ({"max_bytes": 600}, ClosedBy.BYTES),
        ({"max_age_s": 5.0}, ClosedBy.AGE),
    ],
)
def test_closes_by_each_limit(limits: dict[str, Any], expected: ClosedBy) -> None:
    open_window = window(**({"max_age_s": 60.0} | limits))
    open_window.add(0, judged("a"), 100.0)
    assert open_window.full(104.9) is None
    open_window.add(1, judged("b", "timed out"), 104.0)
    assert open_window.full(105.0) is expected


def test_age_counts_from_the_first_event_and_an_empty_window_never_ages() -> None:
    assert window(max_age_s=1.0).full(1e9) is None


def test_a_wall_clock_that_jumps_neither_closes_nor_holds_a_window() -> None:
    clock = SettableClock()
    lane, sink = make_lane(WindowLimits(max_age_s=2.0), clock=clock)
    lane.take(raw(0, "a", "connection refused"), sink)
    clock.set(clock.now() + timedelta(days=900))
    lane.close_if_full(sink)
    assert sink.batches == []
    clock.set(clock.now() - timedelta(days=9000))
    clock.advance(2.0)
    lane.close_if_full(sink)
    assert [batch.closed_by for batch in sink.batches] == [ClosedBy.AGE]


def test_an_event_that_would_overflow_the_bytes_waits_for_the_next_window() -> None:
    lane, sink = make_lane(WindowLimits(max_bytes=3000))
    for offset, kind in enumerate(KINDS):
        lane.take(raw(offset, f"e{offset}", f"connection {kind} " + kind[0] * 1500), sink)
    assert [batch.closed_by for batch in sink.batches] == [ClosedBy.BYTES] * 5
    assert all(len(batch.examples) == 1 for batch in sink.batches)


def test_a_noisy_service_and_crawled_texts_weigh_no_more_than_their_share() -> None:
    open_window = window()
    for offset, kind in enumerate(KINDS[:4]):
        open_window.add(offset, judged(f"n{offset}", kind, service="noisy"), 0.0)
    open_window.add(4, judged("q", "odd", service="quiet"), 0.0)
    open_window.add(5, judged("c", "weird", source="stackoverflow"), 0.0)
    weights = [
        e.weight for e in open_window.close(ClosedBy.AGE, SettableClock().now(), "v").examples
    ]
    assert weights[:4] == [0.5] * 4
    assert weights[4] == 1.0
    assert weights[5] <= 0.25 / 0.75 * sum(weights[:5]) + 1e-9


def test_a_window_writes_the_groups_that_it_touched_and_no_others() -> None:
    lane, sink = make_lane(WindowLimits(max_examples=1))
    lane.take(raw(0, "a", "connection refused"), sink)
    assert len(sink.groups) == 1
    first = sink.groups.popitem()[0]
    lane.take(raw(1, "b", "disk is full"), sink)
    assert len(sink.groups) == 1
    assert first not in sink.groups


@dataclass
class Published:
    """A sink that keeps what it is given, and what was safe to commit when."""

    triaged_errors: list[TriagedError] = field(default_factory=list)
    dead: list[DeadLetterRecord] = field(default_factory=list)
    batches: list[TrainingBatch] = field(default_factory=list)
    groups: dict[str, GroupState] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)

    def triaged(self, record: TriagedError) -> None:
        if record.event.event_id in self.refuses:
            raise TooLarge("refused by the test")
        self.triaged_errors.append(record)

    def dead_letter(self, record: DeadLetterRecord) -> None:
        self.dead.append(record)

    def closed(self, window: ClosedWindow) -> None:
        self.batches.append(window.batch)
        self.groups |= {state.fingerprint: state for state in window.groups}

    @property
    def committed(self) -> int:
        return self.batches[-1].origin.next_offset if self.batches else 0


CLOCK = SettableClock()


def make_lane(
    limits: WindowLimits,
    first_offset: int = 0,
    states: dict[str, GroupState] | None = None,
    clock: SettableClock = CLOCK,
) -> tuple[Lane, Published]:
    processor = EventProcessor(TRIAGER, Codec(), max_event_bytes=100_000, max_attempts=2)
    groups = Groups(1000, GROUP_STATE_RETENTION)
    groups.restore((states or {}).values())
    lane = Lane((TOPIC, 0, first_offset), processor.process, groups, limits, clock)
    return lane, Published(groups=dict(states or {}))


def raw(offset: int, event_id: str, message: str) -> RawMessage:
    return RawMessage(TOPIC, 0, offset, b"k", encode(error_event(event_id, message=message)))


def poison(offset: int) -> RawMessage:
    return RawMessage(TOPIC, 0, offset, b"k", b"\x00poison")


RECORDS = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.integers(0, 20), st.sampled_from(KINDS)),
        st.tuples(st.just("refused"), st.integers(100, 105), st.sampled_from(KINDS)),
        st.tuples(st.just("poison"), st.just(0), st.just("")),
        st.tuples(st.just("age"), st.just(0), st.just("")),
    ),
    min_size=1,
    max_size=80,
)
LIMITS = st.builds(
    WindowLimits,
    max_examples=st.integers(1, 5),
    max_bytes=st.sampled_from([600, 2000, 100_000]),
    max_offsets=st.integers(1, 20),
)


@given(RECORDS, LIMITS, st.lists(st.integers(0, 80), max_size=4))
def test_any_interleaving_and_any_crash_loses_nothing(
    steps: list[tuple[str, int, str]], limits: WindowLimits, crashes: list[int]
) -> None:
    log = [step for step in steps if step[0] != "age"]
    ages = [i for i, step in enumerate(steps) if step[0] == "age"]
    lane, sink = make_lane(limits)
    sink.refuses = {f"e{number}" for number in range(100, 106)}
    everything = [sink]
    budget = sorted(crashes, reverse=True)
    taken = 0
    offset = 0
    while offset < len(log):
        if budget and taken >= budget[-1]:
            budget.pop()
            # The process dies: what it published stays, its open window and memory are gone.
            committed = everything[-1].committed or lane_start(everything)
            lane, sink = make_lane(limits, committed, dict(everything[-1].groups))
            sink.refuses = everything[0].refuses
            everything.append(sink)
            offset = committed
            continue
        kind, number, text = log[offset]
        record = poison(offset) if kind == "poison" else raw(offset, f"e{number}", text)
        lane.take(record, sink)
        taken += 1
        offset += 1
        if taken in ages:
            CLOCK.advance(10)
            lane.close_if_full(sink)
    lane.close(ClosedBy.AGE, sink)
    check_books(everything, len(log), limits)


def lane_start(everything: list[Published]) -> int:
    return max((published.committed for published in everything), default=0)


def check_books(everything: list[Published], num_events: int, limits: WindowLimits) -> None:
    reached = 0
    for published in everything:
        for batch in published.batches:
            validate(batch)
            assert batch.origin.first_offset <= reached, "a gap between batches"
            reached = max(reached, batch.origin.next_offset)
            assert len(batch.examples) <= limits.max_examples
            length = batch.origin.next_offset - batch.origin.first_offset
            assert 0 < length <= limits.max_offsets
            fingerprints = [example.fingerprint for example in batch.examples]
            assert len(set(fingerprints)) == len(fingerprints)
    assert reached == num_events
    ended = {r.origin.offset for p in everything for r in p.triaged_errors}
    ended |= {letter.raw.offset for p in everything for letter in p.dead}
    assert ended == set(range(num_events)), "an event without triage or dead letter"


@given(RECORDS, st.integers(1, 79))
def test_a_replay_after_a_crash_says_the_same_of_groups(
    steps: list[tuple[str, int, str]], crash_at: int
) -> None:
    log = [(n, text) for kind, n, text in steps if kind == "event"]
    limits = WindowLimits(max_examples=3, max_offsets=7)
    lane, sink = make_lane(limits)
    for offset, (number, text) in enumerate(log):
        lane.take(raw(offset, f"{number}", text), sink)
    lane.close(ClosedBy.AGE, sink)
    again, resumed = make_lane(limits)
    for offset, (number, text) in enumerate(log[:crash_at]):
        again.take(raw(offset, f"{number}", text), resumed)
    committed = resumed.committed
    again, rest = make_lane(limits, committed, dict(resumed.groups))
    for offset, (number, text) in enumerate(log[committed:], committed):
        again.take(raw(offset, f"{number}", text), rest)
    again.close(ClosedBy.AGE, rest)
    expected = {r.origin.offset: r.is_new_group for r in sink.triaged_errors}
    replayed = {r.origin.offset: r.is_new_group for r in rest.triaged_errors}
    assert {offset: expected[offset] for offset in replayed} == replayed
    assert {f: s.occurrences for f, s in rest.groups.items()} == {
        f: s.occurrences for f, s in sink.groups.items()
    }
