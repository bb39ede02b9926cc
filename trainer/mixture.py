"""Mixes the paths of the model, per head, by what each has earned on the stream so far.

Every path ("expert") gives a distribution. The mixture is their product, each raised to a weight
that is learnt online by gradient descent on the log loss of the mixture (logistic mixing: Mattern,
"Mixing Strategies in Data Compression", 2012). Two corrections follow:

- Where classes are rare, the most probable class is nearly always the common one. The mixture is
  divided by a power of the classes' frequencies; which power is chosen by the macro-F1 that each
  candidate has reached on the stream so far.
- A temperature, learnt on the log loss of what comes out, makes the confidence honest without
  changing the answer.

The module knows no texts and no networks.

Shape legend: B texts, E experts, K classes of one head, P candidate powers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import Floats, Target, softmax

EXPERTS = ("wide", "memory", "network")
_FIRST_WEIGHTS = (0.5, 0.5, 0.1)
"""The quick learners lead until the network has earned more."""
_RATE = 0.05
_TEMPERATURE_RATE = 0.02
_POWERS = np.array((0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0), np.float32)
_FORGET = 0.999
"""Answers count half after some 700 others: the best power may change with the stream."""
_FLOOR = 1e-4
"""No expert may rule a class out."""


class HeadMixture:
    """The mixture of one head."""

    def __init__(self, state: Mapping[str, NDArray[np.generic]], num_classes: int) -> None:
        self._weights: Floats = np.array(state["weights"], dtype=np.float32)  # [E]
        self._squares: Floats = np.array(state["squares"], dtype=np.float32)  # [E]
        self._log_temperature: Floats = np.array(state["log_temperature"], dtype=np.float32)  # [1]
        self._counts: Floats = np.array(state["counts"], dtype=np.float32)  # [K] labels seen
        self._confusions: Floats = np.array(
            state["confusions"], dtype=np.float32
        )  # [P, K, K] truth, answer
        self._num_classes = num_classes
        for name, expected in _shapes(num_classes).items():
            if state[name].shape != expected:
                raise ValueError(f"mixture {name} is {state[name].shape}, wanted {expected}")

    @classmethod
    def fresh(cls, num_classes: int) -> HeadMixture:
        """A mixture that has seen nothing."""
        state: dict[str, NDArray[np.generic]] = {
            name: np.zeros(shape, np.float32) for name, shape in _shapes(num_classes).items()
        }
        state["weights"] = np.array(_FIRST_WEIGHTS, np.float32)
        state["squares"] = np.ones(len(EXPERTS), np.float32)
        return cls(state, num_classes)

    @property
    def weights(self) -> dict[str, float]:
        """What each expert has earned."""
        return {expert: float(self._weights[index]) for index, expert in enumerate(EXPERTS)}

    @property
    def temperature(self) -> float:
        """Above one where the mixture was too sure of itself."""
        return float(np.exp(self._log_temperature[0]))

    @property
    def power(self) -> float:
        """The power of the classes' frequencies that has served macro-F1 best."""
        return float(_POWERS[self._best_power()])

    @property
    def counts(self) -> Floats:
        """[K] how often each class was the truth, weighted."""
        return self._counts

    def state(self) -> dict[str, Floats]:
        """The live arrays by name."""
        return {
            "weights": self._weights,
            "squares": self._squares,
            "log_temperature": self._log_temperature,
            "counts": self._counts,
            "confusions": self._confusions,
        }

    def probabilities(self, logits: Mapping[str, Floats]) -> Floats:
        """[B, K] from each expert's [B, K]; an expert that is absent has no say."""
        present = [index for index, expert in enumerate(EXPERTS) if expert in logits]
        logs = np.stack([_log_probabilities(logits[EXPERTS[index]]) for index in present])
        mixed = np.tensordot(self._weights[present], logs, axes=1)
        corrected = mixed - self.power * self._log_frequencies()
        return softmax(np.asarray(corrected / self.temperature, np.float32))

    def learn(self, logits: Mapping[str, Floats], targets: Sequence[Target]) -> None:
        """One small step per text, in order; all experts must be present."""
        logs = np.stack([_log_probabilities(logits[expert]) for expert in EXPERTS])  # [E, B, K]
        for row, target in enumerate(targets):
            if target.weight > 0.0:
                self._learn_one(logs[:, row], target)

    def _learn_one(self, logs: Floats, target: Target) -> None:
        mixed = self._weights @ logs
        frequencies = self._log_frequencies()
        self._learn_temperature(mixed - self.power * frequencies, target)
        self._learn_power(mixed, frequencies, target)
        error = softmax(mixed)
        error[target.index] -= 1.0
        gradient = (logs @ error) * target.weight
        self._squares += gradient * gradient
        self._weights -= _RATE * gradient / np.sqrt(self._squares)
        np.clip(self._weights, 0.0, 3.0, out=self._weights)
        self._counts[target.index] += target.weight

    def _learn_temperature(self, corrected: Floats, target: Target) -> None:
        scaled = np.asarray(corrected / self.temperature, np.float32)
        # d loss / d log T = z[target] - sum(p * z), with z the scaled logits.
        gradient = target.weight * float(scaled[target.index] - softmax(scaled) @ scaled)
        moved = self._log_temperature[0] - _TEMPERATURE_RATE * gradient
        self._log_temperature[0] = np.clip(moved, -1.5, 1.5)

    def _learn_power(self, mixed: Floats, frequencies: Floats, target: Target) -> None:
        answers = (mixed - _POWERS[:, None] * frequencies).argmax(axis=1)
        self._confusions *= _FORGET
        self._confusions[np.arange(len(_POWERS)), target.index, answers] += target.weight

    def _best_power(self) -> int:
        hits = np.diagonal(self._confusions, axis1=1, axis2=2)  # [P, K]
        truths, answers = self._confusions.sum(axis=2), self._confusions.sum(axis=1)
        # A class that never occurs is not part of the mean; its truths are zero for every power.
        scores = 2 * hits / np.maximum(truths + answers, 1e-6) * (truths > 0)
        return int(scores.sum(axis=1).argmax())

    def _log_frequencies(self) -> Floats:
        smoothed = self._counts + 0.5
        return np.asarray(np.log(smoothed / smoothed.sum()), np.float32)


class Mixture:
    """One `HeadMixture` a head."""

    def __init__(self, heads: Mapping[str, HeadMixture]) -> None:
        self.heads = dict(heads)

    @classmethod
    def fresh(cls) -> Mixture:
        """A mixture that has seen nothing."""
        return cls({head: HeadMixture.fresh(len(classes)) for head, classes in HEADS.items()})

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Mixture:
        """The reverse of `state`; raises KeyError or ValueError where something is missing."""
        return cls(
            {
                head: HeadMixture(
                    {name: arrays[f"{head}.{name}"] for name in _shapes(0)}, len(classes)
                )
                for head, classes in HEADS.items()
            }
        )

    def state(self) -> dict[str, Floats]:
        """The live arrays by name."""
        return {
            f"{head}.{name}": array
            for head, mixture in self.heads.items()
            for name, array in mixture.state().items()
        }


def _shapes(num_classes: int) -> dict[str, tuple[int, ...]]:
    return {
        "weights": (len(EXPERTS),),
        "squares": (len(EXPERTS),),
        "log_temperature": (1,),
        "counts": (num_classes,),
        "confusions": (len(_POWERS), num_classes, num_classes),
    }


def _log_probabilities(logits: Floats) -> Floats:
    probabilities = softmax(logits)
    num_classes = probabilities.shape[-1]
    return np.asarray(np.log(probabilities * (1 - _FLOOR) + _FLOOR / num_classes), np.float32)
