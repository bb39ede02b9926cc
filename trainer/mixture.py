"""Mixes the paths of the model, per head, by what each has earned on the stream so far.

Every path ("expert") gives a distribution. The mixture is their product, each raised to a weight
that is learnt online by gradient descent on the log loss of the mixture (logistic mixing: Mattern,
"Mixing Strategies in Data Compression", 2012), made honest by `calibration`. All of it learns from
people's labels alone: what a rule claims is what the experts are to be measured against, not by.

Where classes are rare, the most probable class is nearly always the common one, and an answer that
is never given helps nobody. So the answer is not the most probable class but the one that raises
the macro-F1 most, see `decision`. The module knows no texts and no networks.

Shape legend: B texts, E experts, K classes of one head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.calibration import Calibration
from fixstream.trainer.decision import Board
from fixstream.trainer.network import HEADS
from fixstream.trainer.prefixes import under
from fixstream.trainer.wide import Floats, Target, softmax

NETWORK, SENTENCES = "network", "sentences"
EXPERTS = ("wide", "memory", "bayes", "rules", "signs", NETWORK)
WITH_SENTENCES = (*EXPERTS[:-1], SENTENCES, NETWORK)
"""Where there is a frozen sentence encoder. The network stands last in both."""
_FIRST_WEIGHTS = {
    "wide": 0.5,
    "memory": 0.25,
    "bayes": 0.15,
    "rules": 0.4,
    "signs": 0.15,
    SENTENCES: 0.2,
    NETWORK: 0.05,
}
"""The rules and the quick learners lead until the network has earned more."""
_RATE = 0.05
_FLOOR = 1e-4
"""No expert may rule a class out."""
_GAIN_KEEP = 0.99
IDLE_GAIN = 0.001
"""Below so many nats a network has next to no say in the answers."""
_UNNAMED = 0.1
"""What a class that nobody has named yet is worth, beside one that is named with every error."""
MIN_TOLD = 20.0
"""With so many labels from people, what rules claim no longer teaches a head anything."""


class HeadMixture:
    """The mixture of one head."""

    def __init__(self, state: Mapping[str, NDArray[np.generic]], num_classes: int) -> None:
        self._experts = _experts(state["weights"])
        for name, expected in _shapes(num_classes, self._experts).items():
            if state[name].shape != expected:
                raise ValueError(f"mixture {name} is {state[name].shape}, wanted {expected}")
        self._weights: Floats = np.array(state["weights"], dtype=np.float32)  # [E]
        self._squares: Floats = np.array(state["squares"], dtype=np.float32)  # [E]
        self._counts: Floats = np.array(state["counts"], dtype=np.float32)  # [K] labels learnt
        self._gain: Floats = np.array(state["gain"], dtype=np.float32)  # [1]
        self._board = Board(np.array(state["board"], dtype=np.float32))  # [4, K]
        self._calibration = Calibration(state)

    @classmethod
    def fresh(cls, num_classes: int, experts: Sequence[str] = EXPERTS) -> HeadMixture:
        """A mixture that has seen nothing; `experts` is `EXPERTS` or `WITH_SENTENCES`."""
        shapes = _shapes(num_classes, experts)
        state: dict[str, NDArray[np.generic]] = {
            name: np.zeros(shape, np.float32) for name, shape in shapes.items()
        }
        state["weights"] = np.array([_FIRST_WEIGHTS[expert] for expert in experts], np.float32)
        state["squares"] = np.ones(len(experts), np.float32)
        state.update(Calibration.fresh().state())
        return cls(state, num_classes)

    @property
    def weights(self) -> dict[str, float]:
        """What each expert has earned."""
        return {expert: float(self._weights[index]) for index, expert in enumerate(self._experts)}

    @property
    def temperature(self) -> float:
        """Above one where the mixture was too sure of itself; the mean over all confidences."""
        return float(self._calibration.temperatures.mean())

    @property
    def network_gain(self) -> float:
        """By how many nats the network has lowered the log loss of late, beside the others."""
        return float(self._gain[0])

    @property
    def counts(self) -> Floats:
        """[K] how often each class was learnt, weighted."""
        return self._counts

    @property
    def is_told(self) -> bool:
        """Whether people have labelled enough that the rules' claims need not teach."""
        return self._board.num_told >= MIN_TOLD

    def state(self) -> dict[str, Floats]:
        """The live arrays by name."""
        return {
            "weights": self._weights,
            "squares": self._squares,
            "counts": self._counts,
            "gain": self._gain,
            "board": self._board.tallies,
            **self._calibration.state(),
        }

    def probabilities(self, logits: Mapping[str, Floats]) -> Floats:
        """[B, K] from each expert's [B, K]; an expert that is absent has no say."""
        present, logs = _logs(self._experts, logits)
        mixed = np.tensordot(self._weights[present], logs, axes=1) + self._reserve()
        return self._calibration.shares(np.asarray(mixed, np.float32))

    def choices(self, probabilities: Floats) -> NDArray[np.int64]:
        """[B] the answers for [B, K]: the most probable class until people have labelled some."""
        if not self.is_told:
            return np.asarray(probabilities.argmax(axis=-1), np.int64)
        return self._board.choices(probabilities)

    def learn(self, logits: Mapping[str, Floats], targets: Sequence[Target]) -> None:
        """One small step per text, in order; what a rule claimed is counted only."""
        present, logs = _logs(self._experts, logits)  # [E], [E, B, K]
        for row, target in enumerate(targets):
            if target.weight <= 0.0:
                continue
            self._counts[target.index] += target.weight
            if not target.is_claimed:
                self._learn_one(present, logs[:, row], target)

    def quicken(self) -> None:
        """Lets the weights move as freely as at the start: what they were earned by has changed."""
        np.minimum(self._squares, 1.0, out=self._squares)

    def _reserve(self) -> Floats:
        """[K] for the logits: every path leaves something to classes that were never named."""
        named = self._board.named
        if not self.is_told:
            return np.zeros_like(named)
        return np.asarray(np.log((named + _UNNAMED) / (named + 1.0)), np.float32)

    def _learn_one(self, present: Sequence[int], logs: Floats, target: Target) -> None:
        weights = self._weights[present]
        reserve = self._reserve()
        mixed = weights @ logs + reserve
        shares = self._calibration.shares(mixed[None])[0]
        answer = int(self.choices(shares[None])[0])
        self._board.add(shares, answer, target.index)
        if len(self._experts) - 1 in present:
            self._learn_gain(weights[:-1] @ logs[:-1] + reserve, shares, target)
        self._calibration.learn(mixed, target.index, target.weight)
        error = softmax(mixed)
        error[target.index] -= 1.0
        gradient = (logs @ error) * target.weight
        self._squares[present] += gradient * gradient
        moved = weights - _RATE * gradient / np.sqrt(self._squares[present])
        self._weights[present] = np.clip(moved, 0.0, 3.0)

    def _learn_gain(self, without: Floats, shares: Floats, target: Target) -> None:
        others = self._calibration.shares(without[None])[0]
        gain = np.log(shares[target.index] + 1e-9) - np.log(others[target.index] + 1e-9)
        self._gain[0] = _GAIN_KEEP * self._gain[0] + (1 - _GAIN_KEEP) * gain


class Mixture:
    """One `HeadMixture` a head."""

    def __init__(self, heads: Mapping[str, HeadMixture]) -> None:
        self.heads = dict(heads)

    @classmethod
    def fresh(cls, experts: Sequence[str] = EXPERTS) -> Mixture:
        """A mixture that has seen nothing; `experts` is `EXPERTS` or `WITH_SENTENCES`."""
        return cls(
            {head: HeadMixture.fresh(len(classes), experts) for head, classes in HEADS.items()}
        )

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Mixture:
        """The reverse of `state`; raises KeyError or ValueError where something is missing."""
        return cls(
            {
                head: HeadMixture(under(f"{head}.", arrays), len(classes))
                for head, classes in HEADS.items()
            }
        )

    @property
    def has_sentences(self) -> bool:
        """Whether there is a weight for a frozen sentence encoder."""
        return all(SENTENCES in mixture.weights for mixture in self.heads.values())

    @property
    def network_gain(self) -> float:
        """What the network has earned in the head where it has earned most, in nats."""
        return max(mixture.network_gain for mixture in self.heads.values())

    def state(self) -> dict[str, Floats]:
        """The live arrays by name."""
        return {
            f"{head}.{name}": array
            for head, mixture in self.heads.items()
            for name, array in mixture.state().items()
        }


def _experts(weights: NDArray[np.generic]) -> tuple[str, ...]:
    return WITH_SENTENCES if weights.shape == (len(WITH_SENTENCES),) else EXPERTS


def _shapes(num_classes: int, experts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {
        "weights": (len(experts),),
        "squares": (len(experts),),
        "counts": (num_classes,),
        "gain": (1,),
        "board": (Board.NUM_TALLIES, num_classes),
    }


def _logs(experts: Sequence[str], logits: Mapping[str, Floats]) -> tuple[list[int], Floats]:
    """Which experts are there, and their log probabilities [E, B, K]."""
    present = [index for index, expert in enumerate(experts) if expert in logits]
    return present, np.stack([_log_probabilities(logits[experts[index]]) for index in present])


def _log_probabilities(logits: Floats) -> Floats:
    probabilities = softmax(logits)
    num_classes = probabilities.shape[-1]
    return np.asarray(np.log(probabilities * (1 - _FLOOR) + _FLOOR / num_classes), np.float32)
