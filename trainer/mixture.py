"""Mixes the paths of the model, per head, by what each has earned on the stream so far.

Every path ("expert") gives a distribution. The mixture is their product, each raised to a weight
that is learnt online by gradient descent on the class-balanced log loss of the mixture
(logistic mixing: Mattern, "Mixing Strategies in Data Compression", 2012). A temperature learnt on
the plain log loss then makes the confidence honest without changing the answer. The module knows
no texts and no networks.

Shape legend: B texts, E experts, K classes of one head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import Floats, Target, class_balance, softmax

EXPERTS = ("wide", "network")
_FIRST_WEIGHTS = (1.0, 0.1)
"""The linear path leads until the network has earned more."""
_RATE = 0.1
_TEMPERATURE_RATE = 0.02
_FLOOR = 1e-4
"""No expert may rule a class out."""


class HeadMixture:
    """The mixture of one head."""

    def __init__(self, state: NDArray[np.generic], counts: NDArray[np.generic]) -> None:
        values = np.array(state, dtype=np.float32)
        if values.shape != (2 * len(EXPERTS) + 2,):
            raise ValueError(f"mixture state is {values.shape}")
        # [weights E, their squared gradients E, log temperature, its squared gradients]
        self._state = values
        self._counts: Floats = np.array(counts, dtype=np.float32)  # [K] examples of each class

    @classmethod
    def fresh(cls, num_classes: int) -> HeadMixture:
        """A mixture that has seen nothing."""
        state = np.array([*_FIRST_WEIGHTS, *(1.0 for _ in EXPERTS), 0.0, 1.0], np.float32)
        return cls(state, np.zeros(num_classes, np.float32))

    @property
    def weights(self) -> dict[str, float]:
        """What each expert has earned."""
        return {expert: float(self._state[index]) for index, expert in enumerate(EXPERTS)}

    @property
    def temperature(self) -> float:
        """Above one where the mixture was too sure of itself."""
        return float(np.exp(self._state[-2]))

    def state(self) -> tuple[Floats, Floats]:
        """The live arrays."""
        return self._state, self._counts

    def probabilities(self, logits: Mapping[str, Floats]) -> Floats:
        """[B, K] from each expert's [B, K]; an expert that is absent has no say."""
        present = [index for index, expert in enumerate(EXPERTS) if expert in logits]
        logs = np.stack([_log_probabilities(logits[EXPERTS[index]]) for index in present])
        mixed = np.tensordot(self._state[present], logs, axes=1)
        return softmax(np.asarray(mixed / self.temperature, np.float32))

    def learn(self, logits: Mapping[str, Floats], targets: Sequence[Target]) -> None:
        """One small step per text, in order; all experts must be present."""
        logs = np.stack([_log_probabilities(logits[expert]) for expert in EXPERTS])  # [E, B, K]
        for row, target in enumerate(targets):
            if target.weight > 0.0:
                self._learn_one(logs[:, row], target)

    def _learn_one(self, logs: Floats, target: Target) -> None:
        num = len(EXPERTS)
        weights, squares = self._state[:num], self._state[num : 2 * num]
        mixed = weights @ logs
        error = softmax(mixed)
        error[target.index] -= 1.0
        gradient = (logs @ error) * target.weight * class_balance(self._counts, target.index)
        squares += gradient * gradient
        weights -= _RATE * gradient / np.sqrt(squares) * np.sqrt(num)
        np.clip(weights, 0.0, 3.0, out=weights)
        self._learn_temperature(mixed, target)
        self._counts[target.index] += target.weight

    def _learn_temperature(self, mixed: Floats, target: Target) -> None:
        scaled = mixed / self.temperature
        # d loss / d log T = sum(p * -z) + z[target], with z the scaled logits.
        gradient = target.weight * float(scaled[target.index] - softmax(scaled) @ scaled)
        self._state[-1] += gradient * gradient
        self._state[-2] -= _TEMPERATURE_RATE * gradient
        self._state[-2] = np.clip(self._state[-2], -1.5, 1.5)


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
            {head: HeadMixture(arrays[f"{head}.state"], arrays[f"{head}.counts"]) for head in HEADS}
        )

    def state(self) -> dict[str, Floats]:
        """The live arrays by name."""
        arrays: dict[str, Floats] = {}
        for head, mixture in self.heads.items():
            arrays[f"{head}.state"], arrays[f"{head}.counts"] = mixture.state()
        return arrays


def _log_probabilities(logits: Floats) -> Floats:
    probabilities = softmax(logits)
    num_classes = probabilities.shape[-1]
    return np.asarray(np.log(probabilities * (1 - _FLOOR) + _FLOOR / num_classes), np.float32)
