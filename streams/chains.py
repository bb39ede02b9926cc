"""Chains of causes: which earlier error probably brought this one about.

Within a trace the errors are put in order of time. Between services without a common trace, an
outbreak (the first error of a group that had been quiet) is tied to an outbreak elsewhere shortly
before, and named its effect only once that has happened too often for a coincidence. Events may
come late, twice and in any order; clocks may disagree by about `skew`. All memory is bounded. Pure:
it sees what its worker sees, hears what other workers tell, and remembers nothing over a restart
but the counts of `cause_evidence`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fixstream.schemas.enums import CauseBasis
from fixstream.schemas.records import ErrorEvent, Occurrence, RootCause
from fixstream.streams.cause_evidence import CauseEvidence, Place
from fixstream.streams.fairness import CRAWLED

_MAX_GROUPS_IN_TRACE = 8
_MAX_ONSETS = 24
_MAX_UNTOLD = 4_096
_MIN_CONFIDENCE = 0.5
"""At it or below, the other order is as likely."""
_SURE = 0.9
"""Confidence in the order of two errors of a trace that are further apart than clocks disagree."""
_PRIOR_WEIGHT = 4.0
"""How many counted traces it takes to outweigh what the two times say."""


@dataclass(frozen=True, slots=True)
class ChainLimits:
    """How far chains reach, and how much is remembered of them."""

    window: timedelta = timedelta(seconds=30)
    """Longest time between the outbreaks of a cause and of its effect, and the quiet before."""
    trace_span: timedelta = timedelta(minutes=10)
    """Longest time between two errors of one trace."""
    skew: timedelta = timedelta(seconds=1)
    """How far the clocks of two services may disagree."""
    max_traces: int = 20_000
    max_groups: int = 50_000
    """Groups, each in its service, whose outbreaks are followed."""


_Seen = tuple[Occurrence, Place | None]
"""An occurrence; with its place in the raw topic if it is our own."""


class Chains:
    """The recent errors of all services, as far as they may be cause or effect."""

    def __init__(self, evidence: CauseEvidence, limits: ChainLimits | None = None) -> None:
        """Nothing seen yet."""
        self._evidence = evidence
        self._limits = limits or ChainLimits()
        self._traces: OrderedDict[str, list[_Seen]] = OrderedDict()
        self._last_seen: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._onsets: deque[_Seen] = deque(maxlen=_MAX_ONSETS)
        self._latest_onset: OrderedDict[str, Occurrence] = OrderedDict()
        self._untold: deque[Occurrence] = deque(maxlen=_MAX_UNTOLD)

    def see(self, event: ErrorEvent, fingerprint: str, place: Place) -> RootCause | None:
        """Takes an event of our own; returns its likely cause as far as it is known now."""
        if event.source in CRAWLED:
            return None  # A post about an error happened to no service of ours.
        is_onset = self._begins(event, fingerprint)
        causes = self._evidence.causes_of(fingerprint)
        trace_id = event.trace_id
        if trace_id is not None and not trace_id.strip("0"):
            trace_id = None  # What tracers send where there is no trace.
        if not (trace_id or is_onset or causes):
            return None
        occurrence = Occurrence(
            event_id=event.event_id,
            fingerprint=fingerprint,
            service=event.service,
            occurred_at=event.occurred_at,
            trace_id=trace_id,
            is_onset=is_onset,
        )
        # Before it is noted itself: an error must not speak for its own cause.
        cause = self._in_trace(occurrence) or (self._nearby(occurrence, causes) if causes else None)
        is_news = self._note(occurrence, place)
        if is_onset and cause is not None and cause.basis is CauseBasis.SERVICES:
            known = self._latest_onset[cause.fingerprint]
            self._evidence.add(known, occurrence, place, count=1, nearby=0)
        if is_news:
            self._untold.append(occurrence)
        return cause

    def hear(self, occurrence: Occurrence) -> None:
        """Takes what another worker saw."""
        self._note(occurrence, None)

    def untold(self) -> tuple[Occurrence, ...]:
        """What other workers should hear of; each once."""
        if not self._untold:
            return ()
        found = tuple(self._untold)
        self._untold.clear()
        return found

    def __len__(self) -> int:
        """Everything that is remembered, in entries."""
        return (
            sum(len(seen) for seen in self._traces.values())
            + len(self._last_seen)
            + len(self._latest_onset)
        )

    def _begins(self, event: ErrorEvent, fingerprint: str) -> bool:
        """Whether an outbreak begins that is not the first one of its group in this service."""
        key = (fingerprint, event.service)
        last_seen, at = self._last_seen, event.occurred_at
        last_at = last_seen.get(key)
        if last_at is None:
            last_seen[key] = at
            if len(last_seen) > self._limits.max_groups:
                last_seen.popitem(last=False)
            return False
        if at <= last_at:
            return False  # Late, or here again: whatever it began, it does not begin it now.
        last_seen[key] = at
        last_seen.move_to_end(key)
        return at - last_at > self._limits.window

    def _note(self, occurrence: Occurrence, place: Place | None) -> bool:
        """Whether this is something that was not known before."""
        is_news = False
        if occurrence.trace_id:
            is_news = self._note_in_trace(occurrence.trace_id, occurrence, place)
        if occurrence.is_onset:
            self._note_onset(occurrence, place)
            is_news = True
        return is_news

    def _note_in_trace(self, trace_id: str, occurrence: Occurrence, place: Place | None) -> bool:
        seen = self._traces.get(trace_id)
        if seen is None:
            self._traces[trace_id] = [(occurrence, place)]
            self._forget_traces(occurrence.occurred_at)
            return True
        if len(seen) >= _MAX_GROUPS_IN_TRACE or any(
            other.fingerprint == occurrence.fingerprint for other, _ in seen
        ):
            return False
        self._traces.move_to_end(trace_id)
        for other in seen:
            self._count(other, (occurrence, place), self._limits.trace_span, is_traced=True)
        seen.append((occurrence, place))
        return True

    def _note_onset(self, occurrence: Occurrence, place: Place | None) -> None:
        if any(other.event_id == occurrence.event_id for other, _ in self._onsets):
            return  # Heard again, because reading began anew.
        for other in self._onsets:
            if (
                other[0].service != occurrence.service
                and other[0].fingerprint != occurrence.fingerprint
            ):
                self._count(other, (occurrence, place), self._limits.window, is_traced=False)
        self._onsets.append((occurrence, place))
        while occurrence.occurred_at - self._onsets[0][0].occurred_at > 2 * self._limits.window:
            self._onsets.popleft()
        latest = self._latest_onset.get(occurrence.fingerprint)
        if latest is None or latest.occurred_at < occurrence.occurred_at:
            self._latest_onset[occurrence.fingerprint] = occurrence
            self._latest_onset.move_to_end(occurrence.fingerprint)
            if len(self._latest_onset) > self._limits.max_groups:
                self._latest_onset.popitem(last=False)

    def _count(self, one: _Seen, other: _Seen, longest: timedelta, *, is_traced: bool) -> None:
        """Counts the pair in order of time, if its later one is our own."""
        cause, effect = (one, other) if one[0].occurred_at < other[0].occurred_at else (other, one)
        apart = effect[0].occurred_at - cause[0].occurred_at
        if effect[1] is None or apart > longest or not apart:
            return
        self._evidence.add(
            cause[0], effect[0], effect[1], count=int(is_traced), nearby=int(not is_traced)
        )

    def _in_trace(self, effect: Occurrence) -> RootCause | None:
        """The earliest error of the trace, unless its order is more likely the other one."""
        seen = self._traces.get(effect.trace_id or "")
        if seen is None:
            return None
        for cause, _ in sorted(seen, key=_when):
            apart = effect.occurred_at - cause.occurred_at
            if apart < -self._limits.skew:
                break  # From here on, they came after it.
            if apart > self._limits.trace_span or cause.fingerprint == effect.fingerprint:
                continue
            confidence = self._order_confidence(cause, effect, apart)
            if confidence > _MIN_CONFIDENCE:
                return _root_cause(cause, CauseBasis.TRACE, apart, confidence)
        return None

    def _order_confidence(self, cause: Occurrence, effect: Occurrence, apart: timedelta) -> float:
        """How likely the cause came first: what the times say, and what other traces have shown."""
        # One service has one clock, so there the smallest difference tells.
        skew = self._limits.skew if cause.service != effect.service else timedelta(microseconds=1)
        by_time = 0.5 + (_SURE - 0.5) * max(-1.0, min(1.0, apart / skew))
        first = self._evidence.tally(cause.fingerprint, effect.fingerprint).claimed
        last = self._evidence.tally(effect.fingerprint, cause.fingerprint).claimed
        return (first + _PRIOR_WEIGHT * by_time) / (first + last + _PRIOR_WEIGHT)

    def _nearby(self, effect: Occurrence, causes: Mapping[str, float]) -> RootCause | None:
        """The most likely of the outbreaks elsewhere that came shortly before."""
        best: RootCause | None = None
        for fingerprint, confidence in sorted(causes.items()):
            cause = self._latest_onset.get(fingerprint)
            if cause is None or cause.service == effect.service:
                continue
            apart = effect.occurred_at - cause.occurred_at
            if not timedelta(0) < apart <= self._limits.window:
                continue
            if confidence > _MIN_CONFIDENCE and (best is None or confidence > best.confidence):
                best = _root_cause(cause, CauseBasis.SERVICES, apart, confidence)
        return best

    def _forget_traces(self, now: datetime) -> None:
        traces, limits = self._traces, self._limits
        while len(traces) > 1:
            oldest = next(iter(traces.values()))
            is_past = now - oldest[-1][0].occurred_at > limits.trace_span
            if not is_past and len(traces) <= limits.max_traces:
                return
            traces.popitem(last=False)


def _when(seen: _Seen) -> datetime:
    return seen[0].occurred_at


def _root_cause(
    cause: Occurrence, basis: CauseBasis, apart: timedelta, confidence: float
) -> RootCause:
    return RootCause(
        fingerprint=cause.fingerprint,
        event_id=cause.event_id,
        service=cause.service,
        basis=basis,
        seconds_before=apart.total_seconds(),
        confidence=round(confidence, 3),
    )
