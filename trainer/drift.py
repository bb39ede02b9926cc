"""Notices that the stream has changed.

Three signals: which labels come (per head), how many n-grams were never seen before, and how wrong
the answers were that were given before a label was learnt. Fewer new words and fewer mistakes are
what learning looks like, so there only a rise counts. All of it is a function of the examples that
came, so a resumed run notices the same at the same place. The module changes nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from torch import Tensor

from fixstream.trainer.adwin import Adwin, Doubles
from fixstream.trainer.examples import LearningExample
from fixstream.trainer.network import HEADS

log = structlog.get_logger(__name__)

NOVELTY = "novelty"
LOSS = "loss"


@dataclass(frozen=True, slots=True)
class DriftConfig:
    """How easily a change is noticed, and whether it is answered."""

    delta: float = 0.002
    """Probability of noticing a change where there is none, for a signal."""
    forgets: bool = True
    """Whether what was earned before a change becomes free to move as it was at the start."""


@dataclass(frozen=True, slots=True)
class SignalState:
    """One signal as metrics show it."""

    mean: float
    """Of labels, the share of the most frequent one."""
    width: int
    num_detections: int


class DriftMonitor:
    """Watches the stream."""

    def __init__(self, config: DriftConfig | None = None) -> None:
        self.config = config or DriftConfig()
        delta = self.config.delta
        self._windows = {
            **{_labels(head): Adwin(len(classes), delta) for head, classes in HEADS.items()},
            NOVELTY: Adwin(1, delta),
            LOSS: Adwin(1, delta),
        }

    def signals(self) -> dict[str, SignalState]:
        """Each signal by its name."""
        return {
            name: SignalState(float(window.mean.max()), window.width, window.num_detections)
            for name, window in self._windows.items()
        }

    def metrics(self) -> dict[str, float]:
        """The same as numbers, for a manifest."""
        return {
            f"drift.{name}.{what}": value
            for name, signal in self.signals().items()
            for what, value in (
                ("mean", signal.mean),
                ("width", float(signal.width)),
                ("detections", float(signal.num_detections)),
            )
        }

    def observe(
        self,
        examples: Sequence[LearningExample],
        novelties: Sequence[float],
        mistakes: Sequence[float],
    ) -> list[str]:
        """Takes a block of new examples, before they are learnt.

        Args:
            examples: in their order.
            novelties: of each, the share of its n-grams that were never seen before.
            mistakes: of each label that people gave, 1 - p(truth).

        Returns:
            Names of the signals that changed.
        """
        found = [*self._observe_labels(examples)]
        found += [NOVELTY for value in novelties if self._has_risen(NOVELTY, value)]
        found += [LOSS for value in mistakes if self._has_risen(LOSS, value)]
        if found:
            log.info("the stream has changed", signals=sorted(set(found)))
        return found

    def state_tensors(self) -> dict[str, Tensor]:
        """Everything as tensors."""
        return {
            **{
                f"{name}.{key}": tensor
                for name, window in self._windows.items()
                for key, tensor in window.state_tensors().items()
            },
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `state_tensors`; raises KeyError or ValueError where it does not fit."""
        for name, window in self._windows.items():
            prefix = f"{name}."
            window.load_state_tensors(
                {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
            )

    def _observe_labels(self, examples: Sequence[LearningExample]) -> list[str]:
        found = []
        for column, (head, classes) in enumerate(HEADS.items()):
            for example in examples:
                if example.weights[column] > 0.0:
                    values = np.zeros(len(classes))
                    values[example.classes[column]] = 1.0
                    if self._windows[_labels(head)].add(values) is not None:
                        found.append(_labels(head))
        return found

    def _has_risen(self, name: str, value: float) -> bool:
        window = self._windows[name]
        before = window.num_detections
        change = window.add(_one(value))
        if change is None or change.after > change.before:
            return change is not None
        window.num_detections = before
        return False


def _labels(head: str) -> str:
    return f"labels_{head}"


def _one(value: float) -> Doubles:
    return np.array([value])
