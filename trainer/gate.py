"""The gate: a candidate is promoted only if nothing surely got worse than in the champion.

A few examples are held out of training into a validation set that only grows, balanced over
classes. Champion and candidate answer the same examples; the difference is judged by a confidence
interval, so that neither a handful of examples nor a long series of them decides by accident. The
module compares answers; it does not make them.

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
_FEWEST_PLACES_OF_CLASS = 4
_HASH_RANGE = 1 << 20

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
class Verdict:
    """What the gate says about a candidate."""

    kind: UpdateKind
    reason: str | None
    metrics: Mapping[str, float]


class ValidationSet:
    """At most `size` held-out examples, and the champion's answers to them."""

    def __init__(self, size: int, held_out_share: float) -> None:
        self._size = size
        self._threshold = int(held_out_share * _HASH_RANGE)
        self._counts: Counter[tuple[int, ...]] = Counter()
        self.members: list[LearningExample] = []
        self._champion = _no_answers(0)

    def wants(self, example: LearningExample, event_id: str) -> bool:
        """Whether this example is to be held out; depends on its id and on what is here already."""
        if len(self.members) >= self._size or not any(example.weights):
            return False
        if stable_hash(event_id) % _HASH_RANGE >= self._threshold:
            return False
        fair = self._size // (len(self._counts) + 1)
        return self._counts[_known_classes(example)] < max(fair, _FEWEST_PLACES_OF_CLASS)

    def add(self, example: LearningExample) -> None:
        """Holds an example out."""
        self.members.append(example)
        self._counts[_known_classes(example)] += 1

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
        """Compares a candidate with the champion on what both have answered."""
        reason = next(self._falls(candidate, margin), None)
        kind = UpdateKind.PROMOTED if reason is None else UpdateKind.REJECTED
        return Verdict(kind, reason, candidate.metrics())

    def crown(self, answers: Answers) -> None:
        """Makes the model that gave these answers the champion."""
        self._champion = answers

    @property
    def champion(self) -> Answers:
        """The champion's answers; members that joined later have none."""
        return _padded(self._champion, len(self.members))

    def state_tensors(self, champion: Answers) -> dict[str, Tensor]:
        """Members, and the answers of the champion that a checkpoint is to name."""
        padded = _padded(champion, len(self.members))
        return {
            **to_tensors(self.members),
            "hits": torch.from_numpy(padded.hits),
            "losses": torch.from_numpy(padded.losses),
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `state_tensors`."""
        self.members = from_tensors(tensors)
        self._counts = Counter(_known_classes(member) for member in self.members)
        self._champion = Answers(
            tensors["hits"].numpy().astype(np.float64),
            tensors["losses"].numpy().astype(np.float64),
        )

    def _falls(self, candidate: Answers, margin: float) -> Iterator[str]:
        """Each thing that surely got worse, in words."""
        champion = self.champion
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


def _known_classes(example: LearningExample) -> tuple[int, ...]:
    return tuple(
        index if weight > 0 else -1
        for index, weight in zip(example.classes, example.weights, strict=True)
    )


def _no_answers(num_members: int) -> Answers:
    shape = (num_members, len(HEADS))
    return Answers(np.full(shape, np.nan), np.full(shape, np.nan))


def _padded(answers: Answers, num_members: int) -> Answers:
    padded = _no_answers(num_members)
    known = min(len(answers.hits), num_members)
    padded.hits[:known], padded.losses[:known] = answers.hits[:known], answers.losses[:known]
    return padded
