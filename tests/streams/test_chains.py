"""Chains of causes: order, lateness, repeats, other workers, and no claims on coincidence."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixstream.schemas.enums import CauseBasis, EventSource
from fixstream.schemas.records import CauseEdge, ErrorEvent, RootCause
from fixstream.streams.cause_evidence import CauseEvidence, Place, exceeds_chance
from fixstream.streams.chains import ChainLimits, Chains
from support.streams import START, error_event

TRACE = "0af7651916cd43dd8448eb211c80319c"
LIMITS = ChainLimits()
HOURS = 10


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def error(event_id: str, service: str, seconds: float, trace_id: str | None = None) -> ErrorEvent:
    return error_event(event_id, service=service, occurred_at=at(seconds), trace_id=trace_id)


@dataclass
class Stand:
    """One worker's chains; its services stand each in a partition of its own."""

    partitions: Sequence[int] = tuple(range(30))
    limits: ChainLimits = LIMITS
    next_offset: int = 0
    evidence: CauseEvidence = field(init=False)
    chains: Chains = field(init=False)

    def __post_init__(self) -> None:
        self.evidence = CauseEvidence(10_000)
        for partition in self.partitions:
            self.evidence.adopt(partition, ())
        self.chains = Chains(self.evidence, self.limits)

    def see(self, event: ErrorEvent, group: str, partition: int = 0) -> RootCause | None:
        self.next_offset += 1
        return self.chains.see(event, group, Place(partition, self.next_offset))

    def edges(self) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for partition in self.partitions:
            for edge in self.evidence.changed(partition):
                pair = (edge.cause, edge.effect)
                found[pair] = found.get(pair, 0) + edge.count
        return found


def outbreaks(
    stand: Stand, num: int, *, delay_s: float = 3.0, apart_s: float = 300.0
) -> list[RootCause | None]:
    """What is said of the errors of a shop whose database fails `delay_s` before, each time."""
    said = []
    for number in range(num):
        begin = number * apart_s
        stand.see(error(f"d{number}", "database", begin), "down", 1)
        said.append(stand.see(error(f"s{number}", "shop", begin + delay_s), "refused", 2))
    return said


def test_the_earliest_error_of_a_trace_is_the_origin_of_the_others() -> None:
    stand = Stand()
    assert stand.see(error("a", "database", 0, TRACE), "down") is None
    first = stand.see(error("b", "payments", 2, TRACE), "refused")
    last = stand.see(error("c", "shop", 4, TRACE), "broken")
    assert first is not None
    assert last is not None
    assert (first.fingerprint, first.event_id, first.service) == ("down", "a", "database")
    assert (last.fingerprint, last.seconds_before, last.basis) == ("down", 4.0, CauseBasis.TRACE)
    assert first.confidence == last.confidence == 0.9
    assert stand.edges() == {
        ("down", "refused"): 1,
        ("down", "broken"): 1,
        ("refused", "broken"): 1,
    }


def test_errors_of_other_traces_and_of_no_trace_are_left_alone() -> None:
    stand = Stand()
    stand.see(error("a", "database", 0, TRACE), "down")
    assert stand.see(error("b", "shop", 1, "b" * 32), "refused") is None
    assert stand.see(error("c", "shop", 1), "refused") is None
    stand.see(error("d", "database", 0, "0" * 32), "down")
    assert stand.see(error("e", "shop", 1, "0" * 32), "refused") is None, "no trace at all"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_edges_of_a_trace_do_not_depend_on_the_order_of_arrival(order: Sequence[int]) -> None:
    stand = Stand()
    events = [("database", "down"), ("payments", "refused"), ("shop", "broken")]
    for number in (*order, *order):  # And each comes twice.
        service, group = events[number]
        stand.see(error(f"e{number}", service, number, TRACE), group, number)
    assert stand.edges() == {
        ("down", "refused"): 1,
        ("down", "broken"): 1,
        ("refused", "broken"): 1,
    }


def test_where_clocks_may_disagree_the_order_is_less_sure_until_other_traces_have_shown_it() -> (
    None
):
    stand = Stand()
    said = []
    for number in range(20):
        trace = f"{number + 1:032x}"
        stand.see(error(f"d{number}", "database", number, trace), "down")
        said.append(stand.see(error(f"s{number}", "shop", number + 0.1, trace), "refused"))
    first, last = said[0], said[-1]
    assert first is not None
    assert last is not None
    assert 0.5 < first.confidence < 0.65
    assert last.confidence > 0.9
    # By now it is known which one comes first, even where a clock says the opposite.
    stand.see(error("s", "shop", 100, TRACE), "refused")
    assert stand.see(error("d", "database", 100.05, TRACE), "down") is None
    late = stand.see(error("s2", "shop", 100, TRACE), "refused")
    assert late is not None
    assert (late.fingerprint, late.seconds_before) == ("down", -0.05)


def test_two_errors_at_one_moment_are_not_each_others_cause() -> None:
    stand = Stand()
    stand.see(error("a", "database", 0, TRACE), "down")
    assert stand.see(error("b", "shop", 0, TRACE), "refused") is None
    assert stand.edges() == {}


def test_a_trace_that_lasts_for_hours_ties_nothing_together() -> None:
    stand = Stand()
    stand.see(error("a", "database", 0, TRACE), "down")
    assert stand.see(error("b", "shop", 7200, TRACE), "refused") is None
    assert stand.edges() == {}


def test_outbreaks_that_follow_each_other_again_and_again_become_cause_and_effect() -> None:
    said = outbreaks(Stand(), 40)
    assert said[:16] == [None] * 16, "a few times may be coincidence"
    last = said[-1]
    assert last is not None
    assert (last.basis, last.fingerprint, last.event_id) == (CauseBasis.SERVICES, "down", "d39")
    assert last.seconds_before == 3.0
    assert last.confidence > 0.9


def test_an_effect_without_its_cause_before_it_is_not_blamed_on_it() -> None:
    stand = Stand()
    outbreaks(stand, 40)
    late = 40 * 300
    assert stand.see(error("s", "shop", late), "refused", 2) is None
    stand.see(error("d", "database", late + 100), "down", 1)
    assert stand.see(error("s+", "shop", late + 100 + 31), "refused", 2) is None
    assert stand.see(error("x", "shop", late + 101), "other", 2) is None


def test_errors_that_never_rest_are_no_outbreaks() -> None:
    stand = Stand()
    for number in range(2000):
        stand.see(error(f"d{number}", "database", number * 2), "down", 1)
        assert stand.see(error(f"s{number}", "shop", number * 2 + 1), "refused", 2) is None


def test_what_crawlers_found_is_neither_cause_nor_effect() -> None:
    stand = Stand()
    for event in (error("a", "so", 0, TRACE), error("b", "so", 1, TRACE)):
        crawled = error_event(
            event.event_id,
            occurred_at=event.occurred_at,
            trace_id=TRACE,
            source=EventSource.STACKOVERFLOW,
        )
        assert stand.see(crawled, event.event_id) is None
    assert len(stand.chains) == 0


@pytest.mark.parametrize("kind", ["steady", "bursts", "busy hours"])
def test_streams_that_have_nothing_to_do_with_each_other_are_hardly_ever_tied(kind: str) -> None:
    """Ten groups in ten services over days, many times over: claims at all in few of the runs."""
    num_wrong = sum(bool(claims(kind, seed)) for seed in range(8))
    assert num_wrong <= 1, f"{num_wrong} of 8 runs made a false claim"


def claims(kind: str, seed: int) -> list[RootCause]:
    stand, chance = Stand(), random.Random(seed)
    said = (
        stand.see(error(f"e{n}", f"s{group}", seconds), f"g{group}", group)
        for n, (seconds, group) in enumerate(unrelated(kind, chance))
    )
    return [cause for cause in said if cause is not None]


def unrelated(kind: str, chance: random.Random) -> Iterable[tuple[float, int]]:
    """Times in seconds with their groups, in order."""
    found = []
    for group in range(10):
        now = 0.0
        while now < HOURS * 3600:
            is_busy = (now // 3600) % 4 == 0
            mean = 90.0 if is_busy or kind != "busy hours" else 1200.0
            now += chance.expovariate(1 / mean)
            num = chance.randint(1, 4) if kind == "bursts" else 1
            found += [(now + chance.random(), group) for _ in range(num)]
    return sorted(found)


def test_a_real_cause_is_found_among_the_noise_and_blamed_alone() -> None:
    stand, chance = Stand(), random.Random(7)
    noise = unrelated("steady", chance)
    times: list[tuple[float, int]] = list(noise)
    for _ in range(150):
        begin = chance.random() * HOURS * 3600
        times += [(begin, 20), (begin + 1 + 3 * chance.random(), 21)]
    said = [
        (group, stand.see(error(f"e{n}", f"s{group}", seconds), f"g{group}", group))
        for n, (seconds, group) in enumerate(sorted(times))
    ]
    blamed = {(cause.fingerprint, f"g{group}") for group, cause in said if cause is not None}
    assert blamed == {("g20", "g21")}
    found = [cause for group, cause in said[-len(said) // 4 :] if group == 21]
    assert sum(cause is not None for cause in found) > 0.9 * len(found)


def test_the_test_may_be_asked_after_every_count() -> None:
    """A fair coin, looked at after each of 400 throws: the bound of 1 % holds for the whole run."""
    chance = random.Random(1)
    num_ever = 0
    for _ in range(1000):
        after = before = 0
        for _ in range(400):
            after, before = (after + 1, before) if chance.random() < 0.5 else (after, before + 1)
            if exceeds_chance(after, before, 1):
                num_ever += 1
                break
    assert num_ever <= 1000 * 0.01 * 1.8
    assert exceeds_chance(20, 0, 50)
    assert not exceeds_chance(3, 0, 50)
    assert not exceeds_chance(60, 50, 50)


class TestTwoWorkers:
    """Cause and effect stand in partitions of different workers."""

    def test_what_one_tells_the_other_blames_and_only_the_owner_of_the_effect_counts(self) -> None:
        one, other = Stand(partitions=(1,)), Stand(partitions=(2,))
        one.see(error("a", "database", 0, TRACE), "down", 1)
        for occurrence in one.chains.untold():
            other.chains.hear(occurrence)
        said = other.see(error("b", "shop", 2, TRACE), "refused", 2)
        for occurrence in other.chains.untold():
            one.chains.hear(occurrence)
        assert said is not None
        assert said.fingerprint == "down"
        assert (one.edges(), other.edges()) == ({}, {("down", "refused"): 1})

    def test_a_cause_that_is_told_late_is_counted_all_the_same(self) -> None:
        one, other = Stand(partitions=(1,)), Stand(partitions=(2,))
        assert other.see(error("b", "shop", 2, TRACE), "refused", 2) is None
        one.see(error("a", "database", 0, TRACE), "down", 1)
        for occurrence in one.chains.untold():
            other.chains.hear(occurrence)
        assert other.edges() == {("down", "refused"): 1}

    def test_outbreaks_are_tied_across_workers(self) -> None:
        one, other = Stand(partitions=(1,)), Stand(partitions=(2,))
        said: list[RootCause | None] = []
        for number in range(40):
            one.see(error(f"d{number}", "database", number * 300), "down", 1)
            for occurrence in one.chains.untold():
                other.chains.hear(occurrence)
                other.chains.hear(occurrence)  # Reading began anew: told twice, counted once.
            said.append(other.see(error(f"s{number}", "shop", number * 300 + 2), "refused", 2))
        assert said[-1] is not None
        assert other.evidence.tally("down", "refused").nearby == 39

    def test_what_another_counted_adds_up_but_not_for_partitions_of_ours(self) -> None:
        evidence = CauseEvidence(100)
        evidence.adopt(2, ())
        edge = CauseEdge(
            cause="down",
            effect="refused",
            cause_service="database",
            effect_service="shop",
            count=5,
            last_seen_at=START,
            num_nearby=7,
        )
        for partition in (0, 1, 2, 1):
            evidence.hear(partition, edge)
        assert evidence.tally("down", "refused") == (10, 14)


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 400), st.integers(0, 2)), min_size=1, max_size=40
)


@given(STEPS, st.integers(0, 40))
@settings(deadline=None)
def test_a_replay_after_a_crash_counts_nothing_twice(
    steps: list[tuple[int, int, int]], crash_at: int
) -> None:
    """Edges that were written before the crash hold all offsets up to it; the rest comes again."""
    events = [
        (error(f"e{n}", f"s{group}", seconds, f"{trace + 1:032x}"), f"g{group}", Place(group, n))
        for n, (group, seconds, trace) in enumerate(steps)
    ]
    straight, before = Stand(), Stand()
    for event, group, place in events:
        straight.chains.see(event, group, place)
    for event, group, place in events[:crash_at]:
        before.chains.see(event, group, place)
    after = Stand()
    for partition in range(4):
        after.evidence.adopt(partition, before.evidence.changed(partition))
    for event, group, place in events:  # From the beginning: nothing was committed.
        after.chains.see(event, group, place)
    for one in range(4):
        for other in range(4):
            pair = (f"g{one}", f"g{other}")
            assert after.evidence.tally(*pair).claimed <= straight.evidence.tally(*pair).claimed


def test_memory_is_bounded_whatever_comes() -> None:
    stand = Stand(limits=ChainLimits(max_traces=50, max_groups=40))
    for number in range(5000):
        event = error(f"e{number}", f"s{number % 200}", number % 90, f"{number // 12 + 1:032x}")
        stand.see(event, f"g{number % 700}", number % 30)
    assert len(stand.chains) <= 50 * 8 + 40 + 40
    evidence = CauseEvidence(20)
    evidence.adopt(0, ())
    chains = Chains(evidence)
    for number in range(2000):
        event = error(f"e{number}", f"s{number % 9}", number, f"{number // 4 + 1:032x}")
        chains.see(event, f"g{number}", Place(0, number))
    assert len(evidence) == 20
    assert len(chains.untold()) <= 4096


def test_traces_of_long_ago_are_forgotten() -> None:
    stand = Stand()
    for number in range(1000):
        stand.see(error(f"e{number}", "shop", number * 60, f"{number + 1:032x}"), "g")
    assert len(stand.chains) < 30


def test_evidence_is_written_once_and_released_with_its_partition() -> None:
    stand = Stand()
    stand.see(error("a", "database", 0, TRACE), "down", 1)
    stand.see(error("b", "shop", 2, TRACE), "refused", 2)
    assert len(stand.evidence.changed(2)) == 1
    stand.evidence.written(2)
    assert stand.evidence.changed(2) == ()
    stand.see(error("c", "shop", 3, TRACE), "broken", 2)
    stand.evidence.release(2)
    assert stand.evidence.changed(2) == ()
