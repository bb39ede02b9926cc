"""Brings what was found to Kafka: quotas of authors, scrubbing, publishing, acknowledgement.

Solutions go before the events that they solve, so that the fix is known when the error arrives.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import structlog

from fixstream.producers.crawl.metrics import PUBLISHED, SKIPPED
from fixstream.producers.crawl.source import Harvest
from fixstream.producers.publishing import FLUSH_TIMEOUT_S
from fixstream.runtime.clock import Clock
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.limits import MAX_TITLE_CHARS
from fixstream.schemas.records import ErrorEvent, Record, Solution
from fixstream.schemas.validation import validate
from fixstream.triage.scrub import Scrubber

log = structlog.get_logger(__name__)

R = TypeVar("R", ErrorEvent, Solution)

MAX_PUBLISHED = 5_000
"""Records that are remembered of one source."""
_SOLUTION = "solution "


class CrawlPublisher(Protocol):
    """The part of `runtime.kafka.RecordPublisher` that is used here."""

    def publish(self, topic: str, key: str, record: Record) -> None:
        """Send one record; raises DeadLetter, RetryLater."""
        ...

    def publish_bytes(self, topic: str, key: str, value: bytes | None) -> None:
        """Send bytes, or a tombstone."""
        ...

    def flush(self, timeout_s: float) -> None:
        """Wait for all of them; raises when one was not delivered."""
        ...


class AuthorQuota:
    """How many records of each author were taken today: nobody teaches the model alone.

    Texts whose author is not told share one quota.
    """

    def __init__(
        self, max_per_day: int, clock: Clock, state: Mapping[str, Any] | None = None
    ) -> None:
        self._max_per_day = max_per_day
        self._clock = clock
        self._day = str((state or {}).get("day", ""))
        counts = (state or {}).get("counts")
        self._counts: Counter[str] = Counter()
        if isinstance(counts, dict):
            self._counts.update({str(k): v for k, v in counts.items() if isinstance(v, int)})

    def take(self, author: str | None) -> bool:
        """Whether the author has one left; it is used up by asking."""
        today = self._clock.now().date().isoformat()
        if today != self._day:
            self._day, self._counts = today, Counter()
        self._counts[author or ""] += 1
        return self._counts[author or ""] <= self._max_per_day

    def to_state(self) -> dict[str, Any]:
        """As JSON, for a later process."""
        return {"day": self._day, "counts": dict(self._counts)}


class Published:
    """What was acknowledged lately, so that a post that two queries find is published once."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._digests = {str(k): str(v) for k, v in (state or {}).items()}

    def holds(self, record: ErrorEvent | Solution) -> bool:
        """Whether the record was published, with the same text."""
        return self._digests.get(_key(record)) == _digest(record)

    def add(self, record: ErrorEvent | Solution) -> None:
        """Remember a record; those not published for longest are forgotten first."""
        self._digests.pop(_key(record), None)
        self._digests[_key(record)] = _digest(record)
        while len(self._digests) > MAX_PUBLISHED:
            del self._digests[next(iter(self._digests))]

    def forget(self, solution_id: str) -> None:
        """A tombstone took the solution back."""
        self._digests.pop(f"{_SOLUTION}{solution_id}", None)

    def to_state(self) -> dict[str, Any]:
        """As JSON, for a later process."""
        return dict(self._digests)


@dataclasses.dataclass(frozen=True, slots=True)
class Topics:
    """Full names."""

    events: str
    solutions: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ledger:
    """What was taken before."""

    quota: AuthorQuota
    published: Published


class Delivery:
    """Publishes harvests. Blocks: call it off the event loop."""

    def __init__(
        self,
        publisher: CrawlPublisher,
        topics: Topics,
        scrubber: Scrubber,
        *,
        flush_timeout_s: float = FLUSH_TIMEOUT_S,
    ) -> None:
        self._publisher = publisher
        self._topics = topics
        self._scrubber = scrubber
        self._flush_timeout_s = flush_timeout_s

    def deliver(
        self,
        source: str,
        harvests: Iterable[Harvest],
        quota: AuthorQuota,
        published: Published | None = None,
    ) -> Counter[str]:
        """Publish and wait for the acknowledgement.

        Returns:
            Numbers by kind: event, solution, tombstone, and reasons for what was skipped.

        Raises:
            RetryLater: Kafka did not take everything; all of it may be delivered again.
        """
        sent: Counter[str] = Counter()
        skipped: Counter[str] = Counter()
        for harvest in harvests:
            skipped += harvest.skipped
            self._send_all(harvest, Ledger(quota, published or Published()), sent, skipped)
        self._publisher.flush(self._flush_timeout_s)
        for kind, number in sent.items():
            PUBLISHED.labels(source, kind).inc(number)
        for reason, number in skipped.items():
            SKIPPED.labels(source, reason).inc(number)
        return sent + skipped

    def _send_all(
        self, harvest: Harvest, ledger: Ledger, sent: Counter[str], skipped: Counter[str]
    ) -> None:
        for solution in harvest.solutions:
            problem = self._problem_with(solution, ledger, self._send_solution)
            _count(problem, "solution", sent, skipped)
        for event in harvest.events:
            problem = self._problem_with(event, ledger, self._send_event)
            _count(problem, "event", sent, skipped)
        for key in harvest.tombstones:
            self._publisher.publish_bytes(self._topics.solutions, key, None)
            ledger.published.forget(key)
            sent["tombstone"] += 1

    def _problem_with(self, record: R, ledger: Ledger, send: Callable[[R], None]) -> str | None:
        url, author = _origin(record)
        if ledger.published.holds(record):
            return "known"
        if not ledger.quota.take(author):
            log.info("author over quota", url=url)
            return "author_quota"
        try:
            send(record)
        except DeadLetter as problem:
            log.warning("post cannot be published", url=url, reason=str(problem))
            return problem.error_class
        ledger.published.add(record)
        return None

    def _send_event(self, event: ErrorEvent) -> None:
        clean = self._scrubber.scrub_event(event)
        # Whose text it is has to be told as it is: the licences ask for it.
        clean = dataclasses.replace(clean, provenance=event.provenance)
        validate(clean)
        self._publisher.publish(self._topics.events, clean.service, clean)

    def _send_solution(self, solution: Solution) -> None:
        title, text, error_type = self._scrubber.scrub_texts(
            [solution.title, solution.text, solution.error_type or ""]
        )
        clean = dataclasses.replace(
            solution,
            title=title[:MAX_TITLE_CHARS],
            text=text,
            error_type=error_type[:MAX_TITLE_CHARS] or None,
        )
        validate(clean)
        self._publisher.publish(self._topics.solutions, clean.solution_id, clean)


def _count(problem: str | None, kind: str, sent: Counter[str], skipped: Counter[str]) -> None:
    if problem is None:
        sent[kind] += 1
    else:
        skipped[problem] += 1


def _origin(record: ErrorEvent | Solution) -> tuple[str, str | None]:
    provenance = record.provenance
    return ("", None) if provenance is None else (provenance.url, provenance.author)


def _key(record: ErrorEvent | Solution) -> str:
    return record.event_id if isinstance(record, ErrorEvent) else f"{_SOLUTION}{record.solution_id}"


def _digest(record: ErrorEvent | Solution) -> str:
    """Of what a new revision of a solution changes; an event's id names its revision."""
    if isinstance(record, ErrorEvent):
        return ""
    told = f"{record.is_accepted}\x1f{record.title}\x1f{record.text}"
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
