"""The gate: a candidate is promoted only if nothing surely got worse than in the champion.

A few examples are held out of training into a validation set that only grows, balanced over
classes and sources. Champion and candidate answer the same examples; the difference is judged by a
confidence interval, so that neither a handful of examples nor a long series of them decides by
accident. The best champion so far is a second judge: many falls, each within the margin, may not
add up to more than it. The module compares answers; it does not make them.

Shape legend: N members of the set, heads in the order of `HEADS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fixstream.schemas.enums import UpdateKind
from fixstream.trainer.examples import (
    HEAD_NAMES,
    LearningExample,
    from_tensors,
    stable_hash,
    to_tensors,
)
from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import Floats

_Z_ONE_SIDED_95 = 1.645
_FEWEST_EXAMPLES = 8
_FEWEST_PLACES_OF_CELL = 4
_HASH_RANGE = 1 << 20
FEWEST_TIMED = 16
"""With fewer predictions their time says nothing."""
_SHARE_OF_ONLY_SOURCE = 0.75
"""A source may take so much of the set while it is the only one: others may come yet."""

_Cell = tuple[int, tuple[int, ...]]
"""Source and known classes: what the set is balanced over."""
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Answers:
    """How well one model answered the members; NaN where a label or an answer is missing."""

    hits: Doubles  # [N, heads] 1 for a right answer, 0 for a wrong one
    losses: Doubles  # [N, heads] -log p(truth)

    def metrics(self) -> dict[str, float]:
        """`validation.<head>.accuracy` and `.log_loss` where there is something to say."""
        found: dict[str, float] = {}
        for column, head in enumerate(HEAD_NAMES):
            known = ~np.isnan(self.hits[:, column])
            if known.any():
                found[f"validation.{head}.accuracy"] = float(self.hits[known, column].mean())
                found[f"validation.{head}.log_loss"] = float(self.losses[known, column].mean())
        return found


@dataclass(frozen=True, slots=True)
class Cost:
    """What a model costs its users."""

    size_bytes: int
    """Of its weights, without a decoder: an operator switches that on, no candidate grows it."""
    latency_s: float
    """CPU time of one prediction, measured beside whatever else ran; 0 if it was not."""

    @classmethod
    def of(cls, metrics: Mapping[str, float], name: str) -> Cost | None:
        """What `metrics` wrote under this name, if it did."""
        size, latency = (metrics.get(f"{name}.{what}") for what in ("size_bytes", "latency_s"))
        return None if size is None or latency is None else cls(int(size), latency)

    def metrics(self, name: str) -> dict[str, float]:
        """As numbers for a manifest."""
        return {
            f"{name}.size_bytes": float(self.size_bytes),
            f"{name}.latency_s": self.latency_s,
        }

    def excess(self, champion: Cost | None, limits: CostLimits) -> str | None:
        """Why this costs too much beside the champion, if it does; zero stands for unknown."""
        if champion is None:
            return None
        for what, mine, theirs, factor in (
            ("size", self.size_bytes, champion.size_bytes, limits.size_factor),
            ("latency", self.latency_s, champion.latency_s, limits.latency_factor),
        ):
            if theirs > 0 and mine > theirs * factor:
                return f"{what} is {mine / theirs:.2f} times the champion's, above {factor:g} times"
        return None


@dataclass(frozen=True, slots=True)
class CostLimits:
    """By how much a candidate may cost more than the champion."""

    size_factor: float = 1.25
    """On the bytes of the weights."""
    latency_factor: float = 3.0
    """On the CPU time of a prediction; wide, for a busy machine measures badly."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says about a candidate."""

    kind: UpdateKind
    reason: str | None
    metrics: Mapping[str, float]


def within(limits: CostLimits, verdict: Verdict, cost: Cost, champion: Cost | None) -> Verdict:
    """The verdict, unless the candidate costs too much: then a rejection with that reason."""
    excess = cost.excess(champion, limits)
    if excess is None or verdict.kind is not UpdateKind.PROMOTED:
        return verdict
    return Verdict(UpdateKind.REJECTED, excess, verdict.metrics)


class ValidationSet:
    """At most `size` held-out examples, and the champion's answers to them."""

    def __init__(self, size: int, held_out_share: float) -> None:
        self._size = size
        self._threshold = int(held_out_share * _HASH_RANGE)
        self._cells: Counter[_Cell] = Counter()
        self._of_source: Counter[int] = Counter()
        self._sources: list[int] = []
        self.members: list[LearningExample] = []
        self._champion = _no_answers(0)
        self._best = _no_answers(0)

    def wants(self, example: LearningExample, event_id: str, source: str = "") -> bool:
        """Whether this example is to be held out; depends on its id and on what is here already.

        Args:
            example: the candidate.
            event_id: decides with the share that is held out.
            source: the door it came in by.
        """
        if len(self.members) >= self._size or not any(example.weights):
            return False
        if stable_hash(event_id) % _HASH_RANGE >= self._threshold:
            return False
        key = stable_hash(source)
        fair = self._size // (len(self._cells) + 1)
        if self._cells[_cell(example, key)] >= max(fair, _FEWEST_PLACES_OF_CELL):
            return False
        return self._of_source[key] < self._places_of_source(key)

    def add(self, example: LearningExample, source: str = "") -> None:
        """Holds an example out."""
        key = stable_hash(source)
        self.members.append(example)
        self._sources.append(key)
        self._cells[_cell(example, key)] += 1
        self._of_source[key] += 1

    def score(
        self, probabilities: Mapping[str, Floats], choices: Mapping[str, Ints] | None = None
    ) -> Answers:
        """How well a model did on the members.

        Args:
            probabilities: per head [N, classes].
            choices: per head [N] the answers; the most probable classes unless given.
        """
        answers = _no_answers(len(self.members))
        for column, head in enumerate(HEAD_NAMES):
            for row, member in enumerate(self.members):
                if member.weights[column] > 0:
                    truth, said = member.classes[column], probabilities[head][row]
                    choice = said.argmax() if choices is None else choices[head][row]
                    answers.hits[row, column] = float(int(choice) == truth)
                    answers.losses[row, column] = -np.log(max(float(said[truth]), 1e-9))
        return answers

    def judge(self, candidate: Answers, margin: float) -> Verdict:
        """Compares a candidate with the champion, and the best so far, on what both answered."""
        reason = next(self._falls(candidate, self.champion, margin), None)
        if reason is None:
            best = _padded(self._best, len(self.members))
            since = next(self._falls(candidate, best, margin), None)
            reason = since and f"{since}, against the best champion so far"
        kind = UpdateKind.PROMOTED if reason is None else UpdateKind.REJECTED
        return Verdict(kind, reason, candidate.metrics())

    def crown(self, answers: Answers) -> None:
        """Makes the model that gave these answers the champion."""
        self._champion = answers
        self._best = _better(self._best, answers)

    @property
    def champion(self) -> Answers:
        """The champion's answers; members that joined later have none."""
        return _padded(self._champion, len(self.members))

    def copied(self) -> ValidationSet:
        """A copy that later additions and coronations leave alone; the examples are shared."""
        copied = ValidationSet(self._size, self._threshold / _HASH_RANGE)
        copied._champion, copied._best = self._champion, self._best
        copied.members, copied._sources = list(self.members), list(self._sources)
        copied._cells, copied._of_source = Counter(self._cells), Counter(self._of_source)
        return copied

    def state_tensors(self, champion: Answers) -> dict[str, Tensor]:
        """Members, and the answers of the champion that a checkpoint is to name."""
        padded = _padded(champion, len(self.members))
        best = _padded(_better(self._best, champion), len(self.members))
        return {
            **to_tensors(self.members),
            "hits": torch.from_numpy(padded.hits),
            "losses": torch.from_numpy(padded.losses),
            "best_hits": torch.from_numpy(best.hits),
            "best_losses": torch.from_numpy(best.losses),
            "sources": torch.tensor(self._sources, dtype=torch.int64),
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `state_tensors`."""
        self.members = from_tensors(tensors)
        self._champion = _answers(tensors, "")
        is_old = "best_hits" not in tensors  # A checkpoint of an earlier version.
        self._best = self._champion if is_old else _answers(tensors, "best_")
        self._sources = (
            [stable_hash("")] * len(self.members) if is_old else tensors["sources"].tolist()
        )
        self._of_source = Counter(self._sources)
        self._cells = Counter(
            _cell(member, key) for member, key in zip(self.members, self._sources, strict=True)
        )

    def _places_of_source(self, key: int) -> int:
        num_sources = len(self._of_source.keys() | {key})
        if num_sources == 1:
            return max(int(self._size * _SHARE_OF_ONLY_SOURCE), 1)
        return max(self._size // num_sources, _FEWEST_PLACES_OF_CELL)

    def _falls(self, candidate: Answers, champion: Answers, margin: float) -> Iterator[str]:
        """Each thing that surely got worse, in words."""
        for column, (head, classes) in enumerate(HEADS.items()):
            falls = champion.hits[:, column] - candidate.hits[:, column]
            yield from _sure_fall(falls, margin, f"accuracy of {head}")
            rises = candidate.losses[:, column] - champion.losses[:, column]
            yield from _sure_fall(rises, margin, f"log loss of {head}")
            truths = np.array([member.classes[column] for member in self.members], dtype=np.int64)
            for index, name in enumerate(classes):
                of_class = falls[truths == index]
                yield from _sure_fall(of_class, margin, f"recall of {head} {name}")


def _sure_fall(differences: Doubles, margin: float, what: str) -> Iterator[str]:
    known = differences[~np.isnan(differences)]
    if len(known) < _FEWEST_EXAMPLES:
        return
    mean = float(known.mean())
    error = float(known.std(ddof=1)) / float(np.sqrt(len(known)))
    if mean - _Z_ONE_SIDED_95 * error > margin:
        yield f"{what} is worse by {mean:.3f} on {len(known)} examples"


def _cell(example: LearningExample, source: int) -> _Cell:
    known = tuple(
        index if weight > 0 else -1
        for index, weight in zip(example.classes, example.weights, strict=True)
    )
    return source, known


def _no_answers(num_members: int) -> Answers:
    shape = (num_members, len(HEADS))
    return Answers(np.full(shape, np.nan), np.full(shape, np.nan))


def _answers(tensors: Mapping[str, Tensor], prefix: str) -> Answers:
    hits, losses = (
        tensors[f"{prefix}{name}"].numpy().astype(np.float64) for name in ("hits", "losses")
    )
    return Answers(hits, losses)


def _better(left: Answers, right: Answers) -> Answers:
    """Which of two was right more often where both answered; the later one if they are equal."""
    count = min(len(left.hits), len(right.hits))
    known = ~np.isnan(left.hits[:count]) & ~np.isnan(right.hits[:count])
    if not known.any():
        return right
    ahead = left.hits[:count][known].sum() > right.hits[:count][known].sum()
    return left if ahead else right


def _padded(answers: Answers, num_members: int) -> Answers:
    padded = _no_answers(num_members)
    known = min(len(answers.hits), num_members)
    padded.hits[:known], padded.losses[:known] = answers.hits[:known], answers.losses[:known]
    return padded
