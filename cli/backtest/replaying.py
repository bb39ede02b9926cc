"""Sends a history through the system in its order, and scores each prediction before it learns.

A block of errors is predicted, scored, and only then shown with its labels: to the processor, the
trainer and the baselines alike. A fix becomes known when its error was resolved. The model that
predicts is the one that learns: at the pace of a real history its checkpoints would be in use long
before the next error. Only the block and what production itself remembers are held in memory.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

import structlog

from fixstream.cli.backtest.baselines import LinearBaselines
from fixstream.cli.backtest.duplicates import NUM_CANDIDATES, EarlierErrors
from fixstream.cli.backtest.report import (
    BM25_FIELDS,
    DUPLICATES,
    FIXES,
    MODEL,
    OURS,
    RULES,
    WIDE,
    Facts,
    report,
)
from fixstream.cli.backtest.scoring import Scores
from fixstream.cli.backtest.searches import SearchBaselines
from fixstream.cli.learning_system import Answer, ContinuousLearningSystem
from fixstream.producers.history import CATEGORY_HINT, HistoryRecord
from fixstream.producers.json_lines import BadLine
from fixstream.schemas.records import ErrorEvent, FixFeedback, Labels, Provenance, Solution
from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import grams, softmax

log = structlog.get_logger(__name__)

WARM_UP = 1_000
SUBMITTER = "history"

OnProgress = Callable[[int, float], None]
"""Told after each block: records so far, and seconds."""
OnBadLine = Callable[[BadLine], None]


@dataclass(frozen=True, slots=True, order=True)
class _Resolved:
    """A fix on its way into the knowledge base."""

    at: datetime
    line_number: int
    solution: Solution
    fingerprint: str


class Backtest:
    """One pass over one history. Its collaborators are open when it starts, and stay open."""

    def __init__(
        self,
        system: ContinuousLearningSystem,
        earlier: EarlierErrors,
        linear: LinearBaselines,
        searches: SearchBaselines,
        warm_up: int = WARM_UP,
    ) -> None:
        """Stores its collaborators; `warm_up` labelled records are learnt before scores count."""
        self._system = system
        self._earlier = earlier
        self._linear = linear
        self._searches = searches
        self._scores = Scores(warm_up)
        self._waiting: list[_Resolved] = []
        self._num_records = self._num_bad = self._num_unknown = 0

    def run(
        self,
        records: Iterable[HistoryRecord | BadLine],
        on_progress: OnProgress = lambda *_: None,
        on_bad_line: OnBadLine = lambda _: None,
    ) -> dict[str, Any]:
        """Replays the history; returns the report."""
        started_s = time.monotonic()
        size = self._system.config.loop.batch_size
        good = self._good(records, on_bad_line)
        while block := list(islice(good, max(1, size // 2))):
            self._replay(block)
            self._num_records += len(block)
            on_progress(self._num_records, time.monotonic() - started_s)
        return report(
            self._scores,
            Facts(
                num_records=self._num_records,
                num_bad_lines=self._num_bad,
                num_dead_lettered=self._system.num_dead_lettered,
                num_unknown_originals=self._num_unknown,
                learned_weight=self._earlier.learned_weight,
                seconds=time.monotonic() - started_s,
                counts=self._system.counts,
                config=self._system.learner.config,
            ),
        )

    def _good(
        self, records: Iterable[HistoryRecord | BadLine], on_bad_line: OnBadLine
    ) -> Iterator[HistoryRecord]:
        for record in records:
            if isinstance(record, BadLine):
                self._num_bad += 1
                on_bad_line(record)
            else:
                yield record

    def _replay(self, block: list[HistoryRecord]) -> None:
        self._learn_fixes(block[0].event.occurred_at)
        answers = self._system.predict([blinded(record.event) for record in block])
        guesses = self._linear.predict([answer.triage.event for answer in answers])
        for row, (record, answer) in enumerate(zip(block, answers, strict=True)):
            truths = _truths(record)
            self._score_labels(truths, answer)
            for name, by_head in guesses.items():
                for head, truth in truths.items():
                    self._scores.label(name, head, truth, *by_head[head][row])
            self._score_search(record, answer)
            if truths:
                self._scores.labelled()
        self._learn(block, answers)

    def _learn(self, block: list[HistoryRecord], answers: list[Answer]) -> None:
        for record, answer in zip(block, answers, strict=True):
            self._system.buffer(record.event)
            self._await_fix(record, answer)
        self._system.flush()
        self._system.learn()
        self._linear.learn([_truths(record) for record in block])

    def _score_labels(self, truths: Mapping[str, str], answer: Answer) -> None:
        if not truths:
            return
        said: dict[str, Labels] = {
            OURS: answer.advice.labels,
            MODEL: answer.prediction.labels,
            RULES: answer.triage.labels,
        }
        wide = self._wide_path(answer)
        for head, truth in truths.items():
            for who, labels in said.items():
                label = getattr(labels, head)
                self._scores.label(who, head, truth, label.value, label.confidence)
            self._scores.label(WIDE, head, truth, *wide[head])

    def _wide_path(self, answer: Answer) -> dict[str, tuple[str, float]]:
        """What the model's linear path says by itself."""
        model = self._system.learner.model
        wide = model.paths.wide
        text = grams(model.encode(answer.inquiry.text), wide.num_buckets)
        shares = {head: softmax(rows[0]) for head, rows in wide.logits([text]).items()}
        return {
            head: (HEADS[head][int(row.argmax())], float(row.max())) for head, row in shares.items()
        }

    def _score_search(self, record: HistoryRecord, answer: Answer) -> None:
        self._score_fix(record, answer)
        if record.duplicate_of is not None:
            self._score_duplicate(record.duplicate_of, answer)
        forgotten = self._earlier.add(answer)
        self._searches.add(answer.triage.event)
        if forgotten is not None:
            self._searches.remove(forgotten)

    def _score_duplicate(self, original: str, answer: Answer) -> None:
        if original not in self._earlier:
            self._num_unknown += 1
            return
        found = self._earlier.search(answer)
        event, by_fields = answer.triage.event, found.by_words
        plain = self._searches.search(event, by_fields, NUM_CANDIDATES)
        for who, places in {OURS: found.hybrid, BM25_FIELDS: by_fields, **plain}.items():
            self._scores.rank(who, DUPLICATES, _place(original, places))
        self._earlier.confirm(found, original)

    def _score_fix(self, record: HistoryRecord, answer: Answer) -> None:
        """A fix can be suggested only if an earlier error was resolved by it."""
        solution = record.solution
        if solution is not None and self._system.knows_solution(solution.solution_id):
            shown = [fix.solution_id for fix in answer.advice.fixes]
            self._scores.rank(OURS, FIXES, _place(solution.solution_id, shown))

    def _await_fix(self, record: HistoryRecord, answer: Answer) -> None:
        if record.solution is None:
            return
        event = record.event
        resolved = _Resolved(
            record.resolved_at or event.occurred_at,
            record.line_number,
            _solution(record, answer),
            answer.triage.fingerprint,
        )
        heapq.heappush(self._waiting, resolved)

    def _learn_fixes(self, until: datetime) -> None:
        while self._waiting and self._waiting[0].at <= until:
            resolved = heapq.heappop(self._waiting)
            solution = resolved.solution
            if not self._system.knows_solution(solution.solution_id):
                self._system.add_solution(solution)
            self._system.feedback(
                FixFeedback(
                    feedback_id=f"{SUBMITTER}-{resolved.line_number}",
                    error_id=f"{SUBMITTER}-{resolved.line_number}",
                    solution_id=solution.solution_id,
                    solution_worked=True,
                    submitted_at=resolved.at,
                    submitter=SUBMITTER,
                ),
                resolved.fingerprint,
            )


def blinded(event: ErrorEvent) -> ErrorEvent:
    """The event as it came, before anybody had judged it."""
    others = {name: value for name, value in event.attributes.items() if name != CATEGORY_HINT}
    return replace(event, severity_hint=None, domain_hint=None, attributes=others)


def _truths(record: HistoryRecord) -> dict[str, str]:
    labels = record.labels
    known = {"severity": labels.severity, "domain": labels.domain, "category": labels.category}
    return {head: label.value for head, label in known.items() if label is not None}


def _place(right: str, found: list[str]) -> int | None:
    return found.index(right) + 1 if right in found else None


def _solution(record: HistoryRecord, answer: Answer) -> Solution:
    """The fix under the title of the error that it solved: a history gives it none."""
    solution = record.solution
    assert solution is not None, "called for solved errors only"
    return Solution(
        solution_id=solution.solution_id,
        title=answer.triage.title,
        text=solution.text,
        error_type=record.event.error_type,
        provenance=Provenance(
            url=solution.url or "", author=solution.author, license=solution.license
        ),
        created_at=record.resolved_at or record.event.occurred_at,
    )
