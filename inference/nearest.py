"""The errors that were seen before and look most like a new one, for when no fix is known.

Groups of errors stand in an index of their own, as fixes do in the knowledge base, and are found
by the same words. It holds what the processor triaged, scrubbed; no fix, and so no private fix,
ever gets in. Bounded: the group that was seen longest ago goes first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from fixstream.inference.analysis import ErrorTerms
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.ranking import Question, RankingWeights, rank
from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, Labels, Provenance, Solution, TriagedError
from fixstream.triage.scrub import Scrubber

MAX_GROUPS = 20_000
MAX_NEAREST = 5
NUM_CANDIDATES = 16
MAX_TEXT_CHARS = 2_000
MIN_SCORE = 0.02
"""Below, an error has hardly a word in common."""

_NO_LABEL = Label("unknown", LabelSource.RULE, 0.0)
_NO_LABELS = Labels(domain=_NO_LABEL, severity=_NO_LABEL, category=_NO_LABEL)


@dataclass(frozen=True, slots=True)
class NearError:
    """A group of errors that looks like the one asked about."""

    fingerprint: str
    title: str
    score: float
    """How likely it is the same fault, 0 to 1."""
    occurrences: int


class NearestErrors:
    """The groups seen so far. One writer; searches from any thread."""

    def __init__(self, scrubber: Scrubber, max_groups: int = MAX_GROUPS) -> None:
        """Starts empty."""
        self._groups = KnowledgeBase(scrubber)
        self._max_groups = max_groups
        self._lock = threading.Lock()
        self._occurrences: OrderedDict[str, int] = OrderedDict()
        self._is_dirty = False

    def __len__(self) -> int:
        return len(self._occurrences)

    def note(self, record: TriagedError) -> None:
        """Makes a group findable, or counts it again."""
        key = record.fingerprint
        with self._lock:
            before = self._occurrences.pop(key, None)
            self._occurrences[key] = max(record.occurrences, before or 0)
            if before is None:
                self._groups.put(_document(record))
                self._is_dirty = True
            if len(self._occurrences) > self._max_groups:
                oldest, _ = self._occurrences.popitem(last=False)
                self._groups.remove(oldest)

    def search(self, fingerprint: str, error: ErrorTerms) -> tuple[NearError, ...]:
        """At most `MAX_NEAREST` groups, the likeliest first; the error's own group is one."""
        with self._lock:
            if self._is_dirty:  # Committed only when asked: most errors have a fix.
                self._groups.commit()
                self._is_dirty = False
        question = Question(fingerprint, error.error_types, _NO_LABELS, {}, len(error.told))
        found = rank(
            self._groups.search(error, None, NUM_CANDIDATES), question, {}, RankingWeights()
        )
        return tuple(
            NearError(
                one.candidate.solution.solution_id,
                one.candidate.solution.title,
                round(one.score, 4),
                self._occurrences.get(one.candidate.solution.solution_id, 1),
            )
            for one in found[:MAX_NEAREST]
            if one.score >= MIN_SCORE
        )

    def close(self) -> None:
        """Ends the index's threads."""
        self._groups.close()


def _document(record: TriagedError) -> Solution:
    event = record.event
    title, _, rest = event.message.strip().partition("\n")
    return Solution(
        solution_id=record.fingerprint,
        title=(title or record.title)[:MAX_TEXT_CHARS],
        text=rest[:MAX_TEXT_CHARS],
        error_type=event.error_type,
        fingerprint=record.fingerprint,
        provenance=Provenance(url=""),
        created_at=event.occurred_at,
    )
