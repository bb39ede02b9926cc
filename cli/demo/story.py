"""What has happened so far in a demo, as seen by a subscriber: pure state, fed with records.

Threads feed it and the view reads it, so every method takes the lock; nothing here waits.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from fixstream.cli.audit.latency import percentile
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.records import ModelUpdate, SuggestedFix, TrainingBatch, TriagedError

V = TypeVar("V")

NUM_LATEST = 8
MAX_PENDING = 10_000


@dataclass(frozen=True, slots=True)
class LatestFix:
    """One line of the view: which error got which answer."""

    title: str
    service: str
    category: str
    fix: str | None
    source: str
    score: float
    model_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The story at one moment; counts unless the name carries a unit."""

    num_triaged: int
    num_groups: int
    num_batches: int
    num_examples: int
    num_dead_lettered: int
    num_suggestions: int
    num_answered: int
    """Suggestions that carry at least one fix."""
    num_promoted: int
    num_rejected: int
    num_rolled_back: int
    model_version: int
    loss: float | None
    num_steps: int
    versions_served: tuple[int, ...]
    num_requests: int
    num_failed_requests: int
    p50_ms: float | None
    p99_ms: float | None
    latest: tuple[LatestFix, ...]


@dataclass
class Story:
    """Collects what subscribers and the REST probe see."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _raised_at: OrderedDict[str, tuple[datetime, str]] = field(default_factory=OrderedDict)
    _early: OrderedDict[str, tuple[SuggestedFix, datetime]] = field(default_factory=OrderedDict)
    _answered_ids: set[str] = field(default_factory=set)
    _latencies_ms: list[float] = field(default_factory=list)
    _groups: set[str] = field(default_factory=set)
    _latest: deque[LatestFix] = field(default_factory=lambda: deque(maxlen=NUM_LATEST))
    _served: dict[int, int] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _model_version: int = 0
    _loss: float | None = None
    _num_steps: int = 0

    def on_triaged(self, triaged: TriagedError) -> None:
        """An error was triaged; it starts the clock of its suggestion."""
        with self._lock:
            self._count("triaged")
            self._groups.add(triaged.fingerprint)
            event_id = triaged.event.event_id
            _remember(self._raised_at, event_id, (triaged.event.occurred_at, triaged.title))
            early = self._early.pop(event_id, None)
            if early is not None:
                self._match(*early)

    def on_suggestion(self, suggestion: SuggestedFix, received_at: datetime) -> None:
        """A subscriber received a suggestion."""
        with self._lock:
            if suggestion.suggestion_id in self._answered_ids:
                return  # A re-send after a restart; the id says so.
            self._answered_ids.add(suggestion.suggestion_id)
            self._count("suggestions")
            self._count("answered", int(bool(suggestion.fixes)))
            if suggestion.event_id in self._raised_at:
                self._match(suggestion, received_at)
            else:  # Another topic, so it can overtake its own error.
                _remember(self._early, suggestion.event_id, (suggestion, received_at))

    def on_batch(self, batch: TrainingBatch) -> None:
        """A training batch was published."""
        with self._lock:
            self._count("batches")
            self._count("examples", len(batch.examples))

    def on_dead_letter(self) -> None:
        """A record went to the dead-letter topic."""
        with self._lock:
            self._count("dead_lettered")

    def on_update(self, update: ModelUpdate) -> None:
        """The trainer published a model update."""
        with self._lock:
            if update.kind is UpdateKind.REJECTED:
                self._count("rejected")
            elif update.kind.is_servable:  # A range that is blocked changes no model.
                is_promoted = update.kind is UpdateKind.PROMOTED
                self._count("promoted" if is_promoted else "rolled_back")
                self._model_version = update.version

    def on_training(self, num_steps: int, loss: float | None) -> None:
        """The trainer's own metrics were read."""
        with self._lock:
            self._num_steps = max(self._num_steps, num_steps)
            self._loss = loss if loss is not None else self._loss

    def on_response(self, model_version: int | None) -> None:
        """The REST probe got an answer from this model version; None when the request failed."""
        with self._lock:
            self._count("requests")
            if model_version is None:
                self._count("failed_requests")
            else:
                self._served[model_version] = self._served.get(model_version, 0) + 1

    def latencies_ms(self) -> list[float]:
        """Milliseconds from raise to receipt of each suggestion so far, in order of receipt."""
        with self._lock:
            return list(self._latencies_ms)

    def snapshot(self) -> Snapshot:
        """The story so far."""
        with self._lock:
            count: Mapping[str, int] = self._counts
            return Snapshot(
                num_triaged=count.get("triaged", 0),
                num_groups=len(self._groups),
                num_batches=count.get("batches", 0),
                num_examples=count.get("examples", 0),
                num_dead_lettered=count.get("dead_lettered", 0),
                num_suggestions=count.get("suggestions", 0),
                num_answered=count.get("answered", 0),
                num_promoted=count.get("promoted", 0),
                num_rejected=count.get("rejected", 0),
                num_rolled_back=count.get("rolled_back", 0),
                model_version=self._model_version,
                loss=self._loss,
                num_steps=self._num_steps,
                versions_served=tuple(sorted(self._served)),
                num_requests=count.get("requests", 0),
                num_failed_requests=count.get("failed_requests", 0),
                p50_ms=percentile(self._latencies_ms, 0.5),
                p99_ms=percentile(self._latencies_ms, 0.99),
                latest=tuple(self._latest),
            )

    def _count(self, name: str, amount: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + amount

    def _match(self, suggestion: SuggestedFix, received_at: datetime) -> None:
        raised_at, title = self._raised_at.pop(suggestion.event_id)
        self._latencies_ms.append((received_at - raised_at).total_seconds() * 1000)
        best = suggestion.fixes[0] if suggestion.fixes else None
        self._latest.append(
            LatestFix(
                title=title,
                service=suggestion.service,
                category=suggestion.category.value,
                fix=best.title if best else None,
                source=best.provenance.url if best else "",
                score=best.score if best else 0.0,
                model_version=suggestion.model_version,
            )
        )


def _remember(store: OrderedDict[str, V], key: str, value: V) -> None:
    """Keeps the newest entries only, so that a demo left running over night stays small."""
    store[key] = value
    while len(store) > MAX_PENDING:
        store.popitem(last=False)
