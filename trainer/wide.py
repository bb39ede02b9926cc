"""The wide path: linear heads on hashed n-grams, learning online from the first error on.

It reads the same token ids as the network, so the two share one vocabulary, and is ahead of the
network while that is young. It knows no texts and no other path; `mixture` weighs the two.

Shape legend: N n-grams of one text, W buckets, C classes of all heads side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.features import FIRST_SUBWORD, Encoded, Special
from fixstream.trainer.meanings import MOST, numbers
from fixstream.trainer.network import HEADS

_DOUBT = 1.0
"""AROW's r: the larger, the less one example moves; the length of every feature vector is one."""
_SHARPNESS = 3.0
"""What a margin of one is worth in logits."""
_BALANCE_CAP = 8.0
"""A rare class counts at most this often more than its share."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Grams:
    """The distinct n-grams of one text."""

    ids: NDArray[np.int64]  # [N] buckets
    counts: Floats  # [N] by kind, 1 + log(occurrences) times its weight


@dataclass(frozen=True, slots=True)
class Target:
    """What one head should have said, and how much that counts (0 skips the head)."""

    index: int
    weight: float
    is_claimed: bool = False
    """Whether only a rule says so."""


def _columns() -> dict[str, slice]:
    columns: dict[str, slice] = {}
    start = 0
    for head, classes in HEADS.items():
        columns[head] = slice(start, start + len(classes))
        start += len(classes)
    return columns


COLUMNS = _columns()
NUM_COLUMNS = sum(len(classes) for classes in HEADS.values())

_TITLE_WEIGHT = 1.5
_FIRST_MEANING = 1 << 40
_MIX = 0x9E3779B97F4A7C15


def grams(encoded: Encoded, num_buckets: int) -> Grams:
    """Single tokens, single tokens of a telling field, and neighbours, hashed into the buckets.

    The first line of a message and its error type say more than all that follows: their tokens
    count again as tokens of their field, and neighbours within the title once more. What the words
    mean counts like a word, in the title once more, and so do each two meanings of a title.
    """
    return _grams(encoded.token_ids, encoded.meanings, num_buckets)


@lru_cache(maxsize=4096)
def _grams(token_ids: tuple[int, ...], meanings: tuple[int, int], num_buckets: int) -> Grams:
    # Cached, for a text is read when it is predicted, when it is learnt and when it is replayed.
    ids = np.asarray(token_ids, dtype=np.uint64)
    is_field = ((ids >= Special.TYPE) & (ids <= Special.TRACE)) | (ids == Special.BODY)
    fields = np.maximum.accumulate(np.where(is_field, np.arange(len(ids)), 0))
    fields = ids[fields]
    is_word = (ids >= FIRST_SUBWORD) | (ids == Special.NUMBER) | (ids == Special.HEX)
    words, fields = ids[is_word], fields[is_word]
    title = words[fields == Special.MESSAGE]
    message = words[(fields == Special.MESSAGE) | (fields == Special.BODY)]
    kinds = (
        (words, 1.0),
        (words[fields == Special.TYPE], 1.0),
        (title, _TITLE_WEIGHT),
        (words[fields == Special.TRACE], 1.0),
        (_neighbours(message), 1.0),
        (_neighbours(title), 1.0),
        *_meant(*meanings),
    )
    with np.errstate(over="ignore"):
        keys = [(kind + np.uint64(salt)) * np.uint64(_MIX) for salt, (kind, _) in enumerate(kinds)]
    # The high bits of a product are the well-mixed ones.
    buckets = (np.concatenate(keys) >> np.uint64(30)) % np.uint64(num_buckets)
    weights = np.repeat([weight for _, weight in kinds], [len(kind) for kind, _ in kinds])
    distinct, firsts, occurrences = np.unique(buckets, return_index=True, return_counts=True)
    counts = weights[firsts] * (1.0 + np.log(occurrences))
    return Grams(distinct.astype(np.int64), counts.astype(np.float32))


def _meant(of_title: int, of_all: int) -> tuple[tuple[NDArray[np.uint64], float], ...]:
    title = np.fromiter(numbers(of_title), np.uint64)
    everywhere = np.fromiter(numbers(of_all), np.uint64)
    one, other = np.triu_indices(len(title), 1)
    pairs = (title[one] + np.uint64(1)) * np.uint64(MOST) + title[other]
    # Above all ids of tokens.
    first = np.uint64(_FIRST_MEANING)
    return ((everywhere + first, 1.0), (title + first, _TITLE_WEIGHT), (pairs + first, 1.0))


def _neighbours(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        return words[:-1] * np.uint64(1_000_003) + words[1:] * np.uint64(7919)


class WidePath:
    """One linear classifier a class, each with how sure it is of every weight (AROW).

    An n-gram that is new moves much, one that was seen often moves little, and an example that is
    right by a margin of one moves nothing: so a rare class keeps what its few examples taught.
    From Crammer, Kulesza and Dredze, "Adaptive Regularization of Weight Vectors", 2009, with a
    diagonal precision. Balance over classes comes from replay, which is balanced.
    """

    def __init__(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self._weights: Floats = _floats(state["weights"])  # [W, C]
        # Zeros are not backed by memory before they are written to: prediction never does.
        precision = state.get("precision", np.zeros(self._weights.shape, np.float32))
        self._precision: Floats = _floats(precision)  # [W, C] beside the one of the beginning
        self._bias: Floats = _floats(state["bias"])  # [2, C] bias and its precision
        self._documents: Floats = _floats(state["documents"])  # [W] texts holding the n-gram
        self._num_documents: Floats = _floats(state["num_documents"])  # [1]
        expected = (self._weights.shape[0], NUM_COLUMNS)
        if self._weights.shape != expected or self._precision.shape != expected:
            raise ValueError(f"wide weights are {self._weights.shape}, wanted {expected}")

    @classmethod
    def fresh(cls, num_buckets: int) -> WidePath:
        """A path that has seen nothing."""
        shape = (num_buckets, NUM_COLUMNS)
        return cls(
            {
                "weights": np.zeros(shape, np.float32),
                "bias": np.zeros((2, NUM_COLUMNS), np.float32),
                "documents": np.zeros(num_buckets, np.float32),
                "num_documents": np.zeros(1, np.float32),
            }
        )

    @property
    def num_buckets(self) -> int:
        """Number of hash buckets W."""
        return int(self._weights.shape[0])

    def state(self) -> dict[str, Floats]:
        """The live arrays that predict, by name; copy them before the next `learn` to keep them."""
        return {
            "weights": self._weights,
            "bias": self._bias,
            "documents": self._documents,
            "num_documents": self._num_documents,
        }

    def learning_state(self) -> dict[str, Floats]:
        """The live arrays that only learning needs."""
        return {"precision": self._precision}

    def logits(self, texts: Sequence[Grams]) -> dict[str, Floats]:
        """Per head [B, classes]."""
        rows = _SHARPNESS * np.stack([self._row(text, self.values(text)) for text in texts])
        return {head: rows[:, columns] for head, columns in COLUMNS.items()}

    def learn(self, texts: Sequence[Grams], targets: Sequence[Mapping[str, Target]]) -> None:
        """One step per text, in order."""
        for text, target in zip(texts, targets, strict=True):
            self._learn_one(text, target)

    def count(self, texts: Sequence[Grams]) -> None:
        """Counts new texts for the inverse document frequencies; replayed ones count once only."""
        for text in texts:
            self._documents[text.ids] += 1.0
        self._num_documents[0] += len(texts)

    def novelty(self, text: Grams) -> float:
        """Share of the n-grams that no text before has held; 0 for a text without any."""
        return float((self._documents[text.ids] == 0.0).mean()) if len(text.ids) else 0.0

    def values(self, text: Grams) -> Floats:
        """[N] TF-IDF values of norm one."""
        frequency = (1.0 + self._num_documents[0]) / (1.0 + self._documents[text.ids])
        values = text.counts * (1.0 + np.log(frequency))
        norm = float(np.sqrt(values @ values))
        return np.asarray(values / norm if norm > 0 else values, np.float32)

    def _row(self, text: Grams, values: Floats) -> Floats:
        return np.asarray(self._bias[0] + values @ self._weights[text.ids], np.float32)

    def _learn_one(self, text: Grams, target: Mapping[str, Target]) -> None:
        signs, weights = _asked(target)
        values = self.values(text)
        shortfall = np.maximum(1.0 - signs * self._row(text, values), 0.0) * np.abs(signs)
        if not shortfall.any():
            return
        squares = values * values
        precision = self._precision[text.ids]
        variance = 1.0 / (1.0 + precision)
        bias_variance = 1.0 / (1.0 + self._bias[1])
        # An example of half the weight is believed as if it were twice as doubtful.
        belief = weights / _DOUBT
        moved = signs * shortfall * belief / (1.0 + belief * (squares @ variance + bias_variance))
        learnt = belief * (shortfall > 0.0)
        self._weights[text.ids] += values[:, None] * variance * moved
        self._precision[text.ids] = precision + squares[:, None] * learnt
        self._bias[0] += bias_variance * moved
        self._bias[1] += learnt


def _asked(targets: Mapping[str, Target]) -> tuple[Floats, Floats]:
    """[C] each: 1 for a truth, -1 beside one, 0 where nothing is known; and what that weighs."""
    signs, weights = np.zeros(NUM_COLUMNS, np.float32), np.zeros(NUM_COLUMNS, np.float32)
    for head, target in targets.items():
        if target.weight > 0.0:
            columns = COLUMNS[head]
            signs[columns] = -1.0
            signs[columns.start + target.index] = 1.0
            weights[columns] = target.weight
    return signs, weights


def class_balance(counts: Floats, index: int) -> float:
    """How much an example of a class counts: its class's fair share over its real share, capped."""
    num_seen_classes = max(int(np.count_nonzero(counts)), 1)
    fair = (float(counts.sum()) + num_seen_classes) / num_seen_classes
    return float(min(fair / (float(counts[index]) + 1.0), _BALANCE_CAP))


def softmax(logits: Floats) -> Floats:
    """Along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float32)


def _floats(array: NDArray[np.generic]) -> Floats:
    return np.ascontiguousarray(array, dtype=np.float32)
