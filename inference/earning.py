"""How much the learned similarity may count: only what it has earned on confirmed fixes.

The trials are errors whose fix people have confirmed. Each is ranked without any knowledge of that
confirmation, once for every weight; a weight is taken only if it ranks the right fixes higher than
words alone do, by more than chance explains. Too few trials, or no gain: the weight is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from fixstream.inference.ranking import Candidate, Question, RankingWeights, rank

WEIGHTS = (0.0, 2.5, 5.0, 10.0, 20.0, 40.0)
"""Tried; as much as BM25 (20) where the similarity is as good as words, at most twice that."""
MIN_TRIALS = 30
MIN_STANDARD_ERRORS = 2.0


def reciprocal_ranks(
    candidates: Sequence[Candidate], question: Question, right: str, weights: RankingWeights
) -> list[float]:
    """One over the place of the right fix (0 if it is not there), for each of `WEIGHTS`.

    Args:
        candidates: With their similarities.
        question: The error; what is known of its group is left out here.
        right: The id of the confirmed fix.
        weights: All other weights.
    """
    blind = replace(question, fingerprint="", group_tallies={})
    found = []
    for learned in WEIGHTS:
        ranked = rank(candidates, blind, {}, replace(weights, learned=learned))
        places = [one.candidate.solution.solution_id for one in ranked]
        found.append(1.0 / (1 + places.index(right)) if right in places else 0.0)
    return found


def earned_weight(trials: Sequence[Sequence[float]]) -> float:
    """The weight that ranks best, or 0 if none beats 0 by more than chance.

    Args:
        trials: What `reciprocal_ranks` says of each confirmed fix.
    """
    if len(trials) < MIN_TRIALS:
        return 0.0
    gains = {
        weight: [trial[column] - trial[0] for trial in trials]
        for column, weight in enumerate(WEIGHTS)
        if weight > 0
    }
    best = max(gains, key=lambda weight: sum(gains[weight]))
    return best if _is_beyond_chance(gains[best]) else 0.0


def _is_beyond_chance(gains: Sequence[float]) -> bool:
    mean = sum(gains) / len(gains)
    variance = sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1)
    return mean > MIN_STANDARD_ERRORS * math.sqrt(variance / len(gains))
