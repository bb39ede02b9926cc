"""Counts right and wrong answers, and says how good they were.

Predictions come here before their labels are learnt; this module only counts. Two boards are kept:
one of everything, and one that starts after the warm-up. The second one is what is reported, unless
the history was too short for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_NUM_BINS = 10
_CUT_OFFS = (1, 5, 10)


@dataclass(slots=True)
class LabelTally:
    """Answers of one head, by one way of answering."""

    _pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    _bins: np.ndarray[Any, np.dtype[np.float64]] = field(
        default_factory=lambda: np.zeros((_NUM_BINS, 2))  # sums of confidence and of hits
    )

    def add(self, truth: str, answer: str, confidence: float) -> None:
        """Counts one answer."""
        self._pairs[truth, answer] += 1
        place = min(int(confidence * _NUM_BINS), _NUM_BINS - 1)
        self._bins[place] += (confidence, float(truth == answer))

    def summary(self) -> dict[str, Any]:
        """Scores rounded to four places; null where nothing was counted.

        `macro_f1` is the mean of F1 over the classes that occur among truths or answers;
        `calibration_error` the expected calibration error over ten bins of equal width.
        """
        n = self._pairs.total()
        if not n:
            return {"n": 0, "accuracy": None, "macro_f1": None, "calibration_error": None}
        hits = sum(count for (truth, answer), count in self._pairs.items() if truth == answer)
        gaps = float(np.abs(self._bins[:, 0] - self._bins[:, 1]).sum())
        return {
            "n": n,
            "accuracy": round(hits / n, 4),
            "macro_f1": round(self._macro_f1(), 4),
            "calibration_error": round(gaps / n, 4),
        }

    def _macro_f1(self) -> float:
        truths: Counter[str] = Counter()
        answers: Counter[str] = Counter()
        for (truth, answer), count in self._pairs.items():
            truths[truth] += count
            answers[answer] += count
        classes = truths.keys() | answers.keys()
        scores = [2 * self._pairs[one, one] / (truths[one] + answers[one]) for one in classes]
        return sum(scores) / len(scores)


@dataclass(slots=True)
class RankTally:
    """Places at which the right one was found."""

    _places: Counter[int] = field(default_factory=Counter)
    _num_missed: int = 0

    def add(self, place: int | None) -> None:
        """Counts one search; places count from 1, None: not found."""
        if place is None:
            self._num_missed += 1
        else:
            self._places[place] += 1

    def summary(self) -> dict[str, Any]:
        """Recall at 1, 5 and 10 and the mean reciprocal rank; null where nothing was counted."""
        n = self._places.total() + self._num_missed
        names = [f"recall_at_{k}" for k in _CUT_OFFS]
        if not n:
            return {"n": 0, **dict.fromkeys([*names, "mrr"])}
        recalls = {
            name: round(sum(c for place, c in self._places.items() if place <= k) / n, 4)
            for name, k in zip(names, _CUT_OFFS, strict=True)
        }
        mrr = sum(count / place for place, count in self._places.items()) / n
        return {"n": n, **recalls, "mrr": round(mrr, 4)}


@dataclass(slots=True)
class Board:
    """All tallies over one stretch of the history, by who answered and what was asked."""

    labels: dict[tuple[str, str], LabelTally] = field(default_factory=dict)
    ranks: dict[tuple[str, str], RankTally] = field(default_factory=dict)

    def of_labels(self, who: str, heads: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """The summaries of one way of answering, by head."""
        return {head: self.labels.get((who, head), LabelTally()).summary() for head in heads}

    def of_ranks(self, who: str, what: str) -> dict[str, Any]:
        """The summary of one way of searching for one kind of thing."""
        return self.ranks.get((who, what), RankTally()).summary()


class Scores:
    """Both boards, and the count of labelled records that tells where the second one starts."""

    def __init__(self, warm_up: int) -> None:
        """Starts empty; `warm_up` labelled records go by before the second board counts."""
        self._warm_up = warm_up
        self._num_labelled = 0
        self._whole, self._warm = Board(), Board()

    @property
    def scored_after(self) -> int:
        """Labelled records that went by before the reported scores start."""
        return self._warm_up if self._is_warm else 0

    @property
    def board(self) -> Board:
        """The one to report."""
        return self._warm if self._is_warm else self._whole

    def labelled(self) -> None:
        """Notes that one more labelled record was scored."""
        self._num_labelled += 1

    def label(self, who: str, head: str, truth: str, answer: str, confidence: float) -> None:
        """Counts one label."""
        for board in self._open():
            board.labels.setdefault((who, head), LabelTally()).add(truth, answer, confidence)

    def rank(self, who: str, what: str, place: int | None) -> None:
        """Counts one search."""
        for board in self._open():
            board.ranks.setdefault((who, what), RankTally()).add(place)

    @property
    def _is_warm(self) -> bool:
        return self._num_labelled > self._warm_up

    def _open(self) -> tuple[Board, ...]:
        if self._num_labelled >= self._warm_up:
            return self._whole, self._warm
        return (self._whole,)
