"""How well fixes match an error by their words: exact scores for the few that the index found.

The index finds candidates fast and roughly; here each is scored with every word of the error. The
score is BM25 with fields: a headline word counts three times, a further word once, and one that
stands in both four times. All candidates are scored in one pass over flat arrays, for there is no
time for a loop over words. It knows no ranking and no topic, and locks nothing: the knowledge base
calls `number` and the counting under its own lock.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fixstream.inference.analysis import HEADLINE_WEIGHT, ErrorTerms, Terms

Numbers = NDArray[np.int32]
Floats = NDArray[np.float64]

SATURATION = 2.0
"""BM25's k1. A weight of three has to count clearly more than one: 1.2 flattens it too much."""
LENGTH_SHARE = 0.75
"""BM25's b."""
BODY_SHARE = 0.6
"""A word that only a fix's text mentions explains this share of what one in its title would."""
MAX_SEARCH_TERMS = 24
"""The index is asked for so many words, those that can count most; the score uses all."""
MIN_NAMED_RARITY = 1.0


@dataclass(frozen=True, slots=True)
class DocumentWords:
    """A fix's words as numbers of the vocabulary, in rising order, with their weights."""

    numbers: Numbers
    weights: NDArray[np.uint8]
    length: int
    """Sum of the weights."""
    titles: tuple[Numbers, ...]
    """Words of each wording that its title offers (`A / B`), its error types left out."""


@dataclass(frozen=True, slots=True)
class Match:
    """How one fix matches one error."""

    bm25: float
    reached: float
    """Its BM25 over that of a text of average length which says just what the error says."""
    explained: float
    titled: float
    answered: float
    num_told: int
    shared_words: tuple[str, ...]


class Vocabulary:
    """The words of all fixes, and in how many fixes each stands."""

    def __init__(self) -> None:
        """Starts empty."""
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._frequencies = np.zeros(1024, np.int32)
        self._num_documents = 0
        self._total_length = 0

    def document(self, terms: Terms, titles: Sequence[frozenset[str]]) -> DocumentWords:
        """The words of a fix, numbered; counted only by `count`."""
        weighted = sorted((self._number(term), weight) for term, weight in terms.weights.items())
        numbers = np.array([number for number, _ in weighted], np.int32)
        weights = np.array([weight for _, weight in weighted], np.uint8)
        wordings = tuple(
            np.array(sorted(self._number(word) for word in title), np.int32) for title in titles
        )
        return DocumentWords(numbers, weights, int(weights.sum()), wordings)

    def count(self, document: DocumentWords, by: int) -> None:
        """Counts a fix in (1) or out (-1)."""
        self._frequencies[document.numbers] += by
        self._num_documents += by
        self._total_length += by * document.length

    def ask(self, error: ErrorTerms) -> Asked:
        """An error's words, weighed by how rare they are now."""
        return Asked(error, self)

    def get(self, term: str) -> int | None:
        """The number of a word that some fix has, or had."""
        return self._numbers.get(term)

    def name(self, number: int) -> str:
        """The word with a number."""
        return self._names[number]

    def rarities(self, numbers: Numbers) -> Floats:
        """BM25's inverse document frequency of each word."""
        frequencies = self._frequencies[numbers].astype(np.float64)
        rarities: Floats = np.log1p((self._num_documents - frequencies + 0.5) / (frequencies + 0.5))
        return rarities

    @property
    def greatest_rarity(self) -> float:
        """The rarity of a word that no fix has."""
        return math.log1p((self._num_documents + 0.5) / 0.5)

    @property
    def mean_length(self) -> float:
        """Of all fixes counted; at least 1."""
        return max(1.0, self._total_length / max(1, self._num_documents))

    def _number(self, term: str) -> int:
        number = self._numbers.setdefault(term, len(self._names))
        if number == len(self._names):
            self._names.append(term)
            if number == len(self._frequencies):
                self._frequencies = np.concatenate([self._frequencies, np.zeros(number, np.int32)])
        return number


class Asked:
    """An error's words as numbers, for one search.

    Bare numbers are left out of what it says: ports and codes help where a fix has them; elsewhere
    they mean nothing. What no fix talks about is unexplained too, but a name or an id counts half.
    """

    def __init__(self, error: ErrorTerms, vocabulary: Vocabulary) -> None:
        """Looks the words up."""
        self._error = error
        self._vocabulary = vocabulary
        known = sorted(
            (number, weight, term)
            for term, weight in error.weights.items()
            if (number := vocabulary.get(term)) is not None
        )
        self.numbers = np.array([number for number, _, _ in known], np.int32)
        self.weights = np.array([weight for _, weight, _ in known], np.float64)
        self.terms = [term for _, _, term in known]
        self.rarities = vocabulary.rarities(self.numbers)
        said = {term for term in error.said if not term.isdigit()}
        self.is_said = np.array([term in said for term in self.terms], bool)
        self.is_told = np.array([term in error.told for term in self.terms], bool)
        self._num_strange = sum(vocabulary.get(term) is None for term in said)

    @cached_property
    def total_rarity(self) -> float:
        """Rarity of all that it says."""
        strange = 0.5 * self._num_strange * self._vocabulary.greatest_rarity
        return float(self.rarities[self.is_said].sum()) + strange

    @cached_property
    def total_squared(self) -> float:
        """The same with each rarity squared: one telling word outweighs several common ones."""
        strange = 0.5 * self._num_strange * self._vocabulary.greatest_rarity**2
        return float((self.rarities[self.is_said] ** 2).sum()) + strange

    @cached_property
    def own_score(self) -> float:
        """The BM25 that the error would have with itself, what no fix talks about left out."""
        counted = self.weights * (SATURATION + 1) / (self.weights + SATURATION)
        return float((self.weights * self.rarities * counted).sum())

    def search_weights(self) -> dict[str, float]:
        """What to ask the index for: the words that can add most to a score."""
        worth = self.weights * self.rarities
        best = np.argsort(-worth, kind="stable")[:MAX_SEARCH_TERMS]
        return {self.terms[index]: float(self.weights[index]) for index in best}

    def scores(self, documents: Sequence[DocumentWords]) -> Floats:
        """The BM25 of each fix."""
        return _Shared(self, documents).bm25(self._vocabulary.mean_length)

    def matches(self, documents: Sequence[DocumentWords]) -> list[Match]:
        """How each fix matches, in all respects."""
        shared = _Shared(self, documents)
        scores = shared.bm25(self._vocabulary.mean_length)
        columns = zip(
            scores.tolist(),
            _shares(scores, self.own_score),
            _shares(shared.explained(), self.total_rarity),
            _shares(shared.titled(), self.total_squared),
            self._answered(documents),
            shared.num_told(),
            shared.names(self._vocabulary),
            strict=True,
        )
        return [Match(*column) for column in columns]

    def _answered(self, documents: Sequence[DocumentWords]) -> list[float]:
        """For each fix the greatest share of one of its titles that stands in the error."""
        titles = [title for one in documents for title in one.titles]
        owners = np.repeat(np.arange(len(documents)), [len(one.titles) for one in documents])
        flat = _flat(titles)
        places = np.repeat(np.arange(len(titles)), [len(title) for title in titles])
        rarities = self._vocabulary.rarities(flat)
        found = _positions(self.numbers, flat) >= 0
        totals = np.bincount(places, rarities, len(titles))
        known = np.bincount(places, rarities * found, len(titles))
        best = np.zeros(len(documents))
        np.maximum.at(best, owners, known / np.maximum(totals, 1e-9))
        return [float(value) for value in best]


class _Shared:
    """The words that an error and each of several fixes share, in flat arrays."""

    def __init__(self, asked: Asked, documents: Sequence[DocumentWords]) -> None:
        self._num = len(documents)
        self._lengths = np.array([one.length for one in documents], np.float64)
        flat = _flat([one.numbers for one in documents])
        positions = _positions(asked.numbers, flat)
        is_shared = positions >= 0
        owners = np.repeat(np.arange(self._num), [len(one.numbers) for one in documents])
        self._owners = owners[is_shared]
        self._numbers = flat[is_shared]
        weights = [one.weights for one in documents]
        joined = np.concatenate(weights) if weights else np.zeros(0, np.uint8)
        self._weights = joined[is_shared].astype(np.float64)
        self._at = positions[is_shared]
        self._asked = asked
        self._rarities = asked.rarities[self._at]
        self._is_headline = self._weights >= HEADLINE_WEIGHT

    def bm25(self, mean_length: float) -> Floats:
        norms = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * self._lengths / mean_length)
        counted = self._weights * (SATURATION + 1) / (self._weights + norms[self._owners])
        return self._sums(self._asked.weights[self._at] * self._rarities * counted)

    def explained(self) -> Floats:
        share = np.where(self._is_headline, 1.0, BODY_SHARE)
        return self._sums(self._rarities * share * self._asked.is_said[self._at])

    def titled(self) -> Floats:
        counts = self._is_headline & self._asked.is_said[self._at]
        return self._sums(self._rarities**2 * counts)

    def num_told(self) -> list[int]:
        return [int(one) for one in self._sums(self._asked.is_told[self._at].astype(np.float64))]

    def names(self, vocabulary: Vocabulary) -> list[tuple[str, ...]]:
        """The shared words of each fix that are worth naming, the rarest first."""
        order = np.lexsort((-self._rarities, self._owners))
        found: list[list[str]] = [[] for _ in range(self._num)]
        for index in order[self._rarities[order] > MIN_NAMED_RARITY]:
            found[self._owners[index]].append(vocabulary.name(self._numbers[index]))
        return [tuple(names) for names in found]

    def _sums(self, values: Floats) -> Floats:
        sums = np.bincount(self._owners, values, self._num)
        return sums.astype(np.float64)  # Of nothing it gives whole numbers.


def rarest_shared_type(types: Iterable[str], asked: Iterable[str], counts: Counter[str]) -> int:
    """How many fixes are for the rarest exception type that both name; 0: they share none."""
    return min((counts[one] for one in frozenset(types) & frozenset(asked)), default=0)


def _flat(arrays: Sequence[Numbers]) -> Numbers:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int32)


def _positions(sorted_numbers: Numbers, wanted: Numbers) -> NDArray[np.intp]:
    """Where each wanted number stands among the sorted ones; -1: nowhere."""
    if not len(sorted_numbers):
        return np.full(len(wanted), -1)
    places = np.minimum(np.searchsorted(sorted_numbers, wanted), len(sorted_numbers) - 1)
    return np.where(sorted_numbers[places] == wanted, places, -1)


def _shares(values: Floats, total: float) -> list[float]:
    return [float(value) / total if total else 0.0 for value in values]
