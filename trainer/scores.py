"""Progressive scores: every batch is predicted before it trains, and the answers are counted here.

Counts fade, so that the scores speak of about the last thousand labels of each head. The module
only counts; who decides anything by it is elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import Floats

_KEEP = 1.0 - 1.0 / 1000.0
_NUM_BINS = 10


class HeadScores:
    """Fading confusion matrix and calibration bins of one head with K classes."""

    def __init__(self, num_classes: int) -> None:
        self.confusion = np.zeros((num_classes, num_classes))  # [truth, answer]
        self.bins = np.zeros((_NUM_BINS, 3))  # [bin, (count, confidence, correct)]
        self.totals = np.zeros(2)  # log loss, count

    def add(self, probabilities: Floats, truth: int, answer: int) -> None:
        """Counts one answer, with its distribution [K], made before its label was learnt."""
        self.confusion *= _KEEP
        self.bins *= _KEEP
        self.totals *= _KEEP
        confidence = float(probabilities[answer])
        self.confusion[truth, answer] += 1.0
        self.bins[min(int(confidence * _NUM_BINS), _NUM_BINS - 1)] += (
            1.0,
            confidence,
            float(answer == truth),
        )
        self.totals += (-float(np.log(max(float(probabilities[truth]), 1e-9))), 1.0)

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return _ratio(float(np.trace(self.confusion)), float(self.confusion.sum()))

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 scores of the classes that occurred."""
        hits = np.diag(self.confusion)
        truths, answers = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        scores = [
            2 * hit / (truth + answer)
            for hit, truth, answer in zip(hits, truths, answers, strict=True)
            if truth > 0.5
        ]
        return float(np.mean(scores)) if scores else 0.0

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over ten bins of the confidence."""
        gaps = np.abs(self.bins[:, 1] - self.bins[:, 2]).sum()
        return _ratio(float(gaps), float(self.bins[:, 0].sum()))

    @property
    def log_loss(self) -> float:
        """Mean of -log p(truth), in nats."""
        return _ratio(float(self.totals[0]), float(self.totals[1]))


class ProgressiveScores:
    """One `HeadScores` a head."""

    def __init__(self) -> None:
        self.heads = {head: HeadScores(len(classes)) for head, classes in HEADS.items()}

    def metrics(self) -> dict[str, float]:
        """`progressive.<head>.<score>` for every head that has seen a label."""
        return {
            f"progressive.{head}.{name}": value
            for head, scores in self.heads.items()
            if scores.totals[1] > 0
            for name, value in (
                ("accuracy", scores.accuracy),
                ("macro_f1", scores.macro_f1),
                ("calibration_error", scores.calibration_error),
                ("log_loss", scores.log_loss),
            )
        }

    def state_tensors(self) -> dict[str, Tensor]:
        """The counts as tensors."""
        return {
            f"{head}.{name}": torch.from_numpy(getattr(scores, name))
            for head, scores in self.heads.items()
            for name in ("confusion", "bins", "totals")
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `state_tensors`."""
        for head, scores in self.heads.items():
            for name in ("confusion", "bins", "totals"):
                getattr(scores, name)[...] = tensors[f"{head}.{name}"].numpy()


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
