"""What a worker remembers stays within its bounds, however long it runs and whatever comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from fixstream.runtime.clock import SettableClock
from fixstream.schemas.records import CauseEdge, TriagedError
from fixstream.schemas.topics import GROUP_STATE_RETENTION
from fixstream.streams.cause_evidence import CauseEvidence
from fixstream.streams.chains import ChainLimits
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage
from fixstream.streams.groups import Groups
from fixstream.streams.knowledge import Knowledge
from fixstream.streams.lane import ClosedWindow, Lane
from fixstream.streams.processor import Triaged
from fixstream.streams.window import WindowLimits
from fixstream.triage.triage import Triager
from support.streams import START, error_event

MAX_GROUPS = 500
MAX_TRACES = 300
BASE = Triager().triage(error_event())


class Nowhere:
    """A sink that keeps nothing."""

    num_closed = 0

    def triaged(self, record: TriagedError) -> None:
        """Drops it."""

    def dead_letter(self, record: DeadLetterRecord) -> None:
        """Drops it."""

    def closed(self, window: ClosedWindow) -> None:
        """Counts it."""
        self.num_closed += 1


def judged(raw: RawMessage) -> Triaged:
    """A group that is new or comes back, a trace that is new or goes on: all by the offset."""
    number = raw.offset
    event = replace(
        BASE.event,
        event_id=f"e{number}",
        service=f"s{number % 50}",
        trace_id=f"{number // 2 + 1:032x}" if number % 3 else None,
        occurred_at=START + timedelta(seconds=number),
    )
    return Triaged(raw, replace(BASE, event=event, fingerprint=f"g{(number * 7919) % 5003}"))


def test_a_long_run_of_ever_new_groups_and_traces_stays_within_its_bounds() -> None:
    clock, sink = SettableClock(), Nowhere()
    limits = ChainLimits(max_traces=MAX_TRACES, max_groups=MAX_GROUPS)
    knowledge = Knowledge(limits)
    knowledge.evidence.adopt(0, ())
    groups = Groups(MAX_GROUPS, GROUP_STATE_RETENTION)
    lane = Lane(("t", 0, 0), judged, groups, WindowLimits(), clock, knowledge)
    for offset in range(15_000):
        clock.advance(0.001)
        lane.take(RawMessage("t", 0, offset, None, b""), sink)
    assert sink.num_closed >= 15_000 // 4096
    assert lane.num_groups == MAX_GROUPS
    assert len(knowledge.chains) <= 8 * MAX_TRACES + 2 * MAX_GROUPS
    assert len(knowledge.chains.untold()) <= 4096
    assert lane.num_open <= 4096


def test_of_the_pairs_that_a_partition_has_counted_the_latest_are_taken_over() -> None:
    edges = [
        CauseEdge(
            cause=f"c{offset}",
            effect="e",
            cause_service="a",
            effect_service="b",
            count=1,
            last_seen_at=START,
            num_nearby=0,
            last_offset=offset,
        )
        for offset in (9, 8, 2, 1)
    ]
    evidence = CauseEvidence(2)
    evidence.adopt(0, edges)
    assert [evidence.tally(edge.cause, "e").claimed for edge in edges] == [1, 1, 0, 0]
