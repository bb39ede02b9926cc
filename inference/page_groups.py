"""What the page shows of groups: the list, and one group with its fixes, its past and its causes.

Whoever opens the page is nobody's service, so only public fixes are shown. It renders nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

from fixstream.inference.cause_graph import CauseLink
from fixstream.inference.evidence import Tally
from fixstream.inference.group_history import GroupSeen
from fixstream.inference.observations import Observations
from fixstream.inference.page_charts import Bars, bars
from fixstream.inference.page_text import age, percent, safe_link, split_title
from fixstream.inference.statistics import Sources
from fixstream.inference.suggest import Advice, Inquiry, Suggester, inquiry_from_record
from fixstream.schemas.enums import Domain, Severity
from fixstream.schemas.records import Fix, Label, TriagedError

MAX_ROWS = 50
MAX_FIXES = 5
MAX_SERVICES = 200
MAX_LINKS = 10
_HEADS = ("severity", "domain", "category")


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups are wanted; None wants all. Values that do not exist want all as well."""

    service: str | None = None
    severity: Severity | None = None
    """At least this bad."""
    domain: Domain | None = None

    @classmethod
    def of(cls, service: str, severity: str, domain: str) -> GroupFilter:
        """A filter from what somebody typed."""
        return cls(
            service or None,
            Severity(severity) if severity in set(Severity) else None,
            Domain(domain) if domain in set(Domain) else None,
        )

    def wants(self, record: TriagedError) -> bool:
        """Whether a group with this event is wanted."""
        return (
            self.service in {None, record.event.service}
            and self.domain in {None, record.domain.value}
            and (self.severity is None or _rank(record.severity.value) >= self.severity.rank)
        )


@dataclass(frozen=True, slots=True)
class Named:
    """A group by its title, with the address of its page; None where nothing is known of it."""

    fingerprint: str
    kind: str
    title: str
    path: str | None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One line of the list."""

    name: Named
    service: str
    severity: str
    domain: str
    category: str
    occurrences: int
    last_seen: datetime
    age: str
    minutes: Bars


@dataclass(frozen=True, slots=True)
class GroupList:
    """The list, and what it can be narrowed down to."""

    rows: tuple[GroupRow, ...]
    num_found: int
    num_known: int
    services: tuple[str, ...]
    chosen: GroupFilter


@dataclass(frozen=True, slots=True)
class LabelShown:
    """One label: what was said, by whom; and what the model says where it differs."""

    head: str
    value: str
    source: str
    confidence: str
    model: str | None


@dataclass(frozen=True, slots=True)
class FixShown:
    """One ranked fix."""

    fix: Fix
    link: str | None
    score: str
    votes: str
    """What people said about it for this group."""


@dataclass(frozen=True, slots=True)
class Linked:
    """One end of an edge of causes."""

    name: Named
    service: str
    count: int
    age: str


@dataclass(frozen=True, slots=True)
class Similar:
    """A group that looks like this one."""

    name: Named
    likeness: str
    occurrences: int


@dataclass(frozen=True, slots=True)
class Chain:
    """What brought a group about, and what it brings about."""

    origin: tuple[Linked, ...]
    """From the likely origin down to the direct cause."""
    causes: tuple[Linked, ...]
    effects: tuple[Linked, ...]
    own: Linked | None
    """What the newest event itself was brought about by."""
    own_basis: str = ""
    own_confidence: str = ""


@dataclass(frozen=True, slots=True)
class GroupView:
    """One group."""

    name: Named
    seen: GroupSeen
    age: str
    first_age: str
    occurrences: int
    labels: tuple[LabelShown, ...]
    hours: Bars
    minutes: Bars
    chain: Chain
    similar: tuple[Similar, ...]
    fixes: tuple[FixShown, ...]
    reason: str
    model_version: int


def path_of(fingerprint: str) -> str:
    """The address of a group's page."""
    return f"/groups/{quote(fingerprint, safe='')}"


def group_list(seen: Observations, chosen: GroupFilter, now: datetime) -> GroupList:
    """The groups that are wanted, those seen last first."""
    found = seen.history.groups(now, chosen.wants)
    shown = [(one, seen.history.seen(one, now)) for one in found[:MAX_ROWS]]
    return GroupList(
        tuple(_row(seen, one, group, now) for one, group in shown if group),
        len(found),
        len(seen.history),
        tuple(sorted({one.event.service for one in seen.history.records()})[:MAX_SERVICES]),
        chosen,
    )


def public_inquiry(record: TriagedError) -> Inquiry:
    """The question for a group's fixes, asked by nobody's service."""
    return replace(inquiry_from_record(record), service=None)


def group_view(
    sources: Sources, suggester: Suggester, inquiry: Inquiry, advice: Advice, now: datetime
) -> GroupView | None:
    """One group; None if it was forgotten meanwhile.

    Args:
        sources: Where everything is held.
        suggester: Knows similar groups.
        inquiry: From `public_inquiry`.
        advice: The answer to it.
        now: Where minutes and hours end.
    """
    observations, fingerprint = sources.observations, inquiry.fingerprint
    seen = observations.history.seen(fingerprint, now, timedelta(0))
    if seen is None:
        return None
    tallies = sources.evidence.of_group(fingerprint)
    fixes = [one for one in advice.fixes if sources.knowledge.is_public(one.solution_id)]
    return GroupView(
        name=_named(observations, fingerprint, now),
        seen=seen,
        age=age(seen.last_seen, now),
        first_age=age(seen.first_seen, now),
        occurrences=_occurrences(observations, fingerprint, seen),
        labels=tuple(_label(head, seen.record, advice) for head in _HEADS),
        hours=bars(seen.hours, "hour", 288, 48),
        minutes=bars(seen.minutes, "minute", 300, 48),
        chain=_chain(observations, seen.record, now),
        similar=_similar(observations, suggester, inquiry, now),
        fixes=tuple(_fix(one, tallies) for one in fixes[:MAX_FIXES]),
        reason=advice.reason or "The fixes that were known have been removed.",
        model_version=advice.model_version,
    )


def _row(seen: Observations, fingerprint: str, group: GroupSeen, now: datetime) -> GroupRow:
    record = group.record
    return GroupRow(
        _named(seen, fingerprint, now),
        record.event.service,
        record.severity.value,
        record.domain.value,
        record.category.value,
        _occurrences(seen, fingerprint, group),
        group.last_seen,
        age(group.last_seen, now),
        bars(group.minutes, "minute", 120),
    )


def _occurrences(seen: Observations, fingerprint: str, group: GroupSeen) -> int:
    return max(seen.occurrences_of(fingerprint), group.record.occurrences, group.num_seen)


def _named(seen: Observations, fingerprint: str, now: datetime, title: str = "") -> Named:
    group = seen.history.seen(fingerprint, now)
    if group is None:
        return Named(fingerprint, "", title or fingerprint, None)
    return Named(fingerprint, *split_title(group.record.title), path_of(fingerprint))


def _label(head: str, record: TriagedError, advice: Advice) -> LabelShown:
    said: Label = getattr(record, head)
    now: Label = getattr(advice.labels, head)
    differs = now.value != said.value
    return LabelShown(
        head,
        said.value,
        said.source.value,
        percent(said.confidence),
        f"{now.value}, {percent(now.confidence)}" if differs else None,
    )


def _fix(fix: Fix, tallies: dict[str, Tally]) -> FixShown:
    tally = tallies.get(fix.solution_id, Tally())
    said = tally.num_worked + tally.num_failed
    votes = f"Worked for {tally.num_worked} of {said} who tried it here." if said else ""
    return FixShown(fix, safe_link(fix.provenance.url), percent(fix.score), votes)


def _similar(
    seen: Observations, suggester: Suggester, inquiry: Inquiry, now: datetime
) -> tuple[Similar, ...]:
    return tuple(
        Similar(
            _named(seen, one.fingerprint, now, one.title),
            percent(one.score),
            max(one.occurrences, seen.occurrences_of(one.fingerprint)),
        )
        for one in suggester.nearest(inquiry)
        if one.fingerprint != inquiry.fingerprint
    )


def _chain(seen: Observations, record: TriagedError, now: datetime) -> Chain:
    fingerprint, own = record.fingerprint, record.root_cause

    def causes(links: Sequence[CauseLink]) -> tuple[Linked, ...]:
        return tuple(
            Linked(
                _named(seen, one.cause, now),
                one.cause_service,
                one.count,
                age(one.last_seen_at, now),
            )
            for one in links[:MAX_LINKS]
        )

    effects = tuple(
        Linked(
            _named(seen, one.effect, now), one.effect_service, one.count, age(one.last_seen_at, now)
        )
        for one in seen.causes.effects_of(fingerprint)[:MAX_LINKS]
    )
    chain = Chain(
        causes(seen.causes.chain_to(fingerprint)),
        causes(seen.causes.causes_of(fingerprint)),
        effects,
        None,
    )
    if own is None:
        return chain
    linked = Linked(
        _named(seen, own.fingerprint, now), own.service, 1, f"{abs(own.seconds_before):.3g} s"
    )
    return replace(
        chain,
        own=linked,
        own_basis="one trace" if own.basis.value == "trace" else "services and times",
        own_confidence=percent(own.confidence),
    )


def _rank(severity: str) -> int:
    return Severity(severity).rank if severity in set(Severity) else 0
