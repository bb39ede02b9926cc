"""Makes the mixture's confidence honest: as sure as its answers are right, at every confidence.

One temperature cannot do that: where labels are noisy, answers of 99 % are too sure while those of
50 % are right; where classes are rare, the other way round. So there is a temperature at each of a
few confidences, drawn between in a straight line, and each learns from the errors near it by the
log loss (temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", 2017). It
knows no classes apart: what is told of the sure answers of one class is told of all.

Shape legend: B texts, K classes of one head, T temperatures.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.wide import Floats, softmax

_LOG_ODDS = np.array([-1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.0], np.float32)
"""The confidences that have a temperature, by the log odds of the most probable class."""
_RATE = 0.15
_MOST = 1.5
"""Bound of a temperature's logarithm, both ways."""


class Calibration:
    """Temperatures by confidence."""

    def __init__(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Takes over `state`; of old, there was one temperature for all confidences."""
        logs: Floats = np.array(state["log_temperature"], dtype=np.float32)
        self._logs: Floats = np.full_like(_LOG_ODDS, logs[0]) if logs.shape == (1,) else logs  # [T]
        squares = state.get("temperature_squares", np.ones_like(_LOG_ODDS))
        self._squares: Floats = np.array(squares, dtype=np.float32)  # [T]
        if self._logs.shape != _LOG_ODDS.shape or self._squares.shape != _LOG_ODDS.shape:
            raise ValueError(f"the mixture has {self._logs.shape} temperatures")

    @classmethod
    def fresh(cls) -> Calibration:
        """One that believes what it is given."""
        return cls({"log_temperature": np.zeros_like(_LOG_ODDS)})

    @property
    def temperatures(self) -> Floats:
        """[T] above one where answers were too sure, the unsure ones first."""
        return np.exp(self._logs)

    def state(self) -> dict[str, Floats]:
        """The live arrays by name."""
        return {"log_temperature": self._logs, "temperature_squares": self._squares}

    def shares(self, logits: Floats) -> Floats:
        """[B, K] the honest distributions of [B, K]."""
        logs = _log_shares(logits)
        return softmax(logs * np.exp(-self._near(logs) @ self._logs)[:, None])

    def learn(self, logits: Floats, truth: int, weight: float) -> None:
        """One small step for the logits [K] of one text."""
        logs = _log_shares(logits[None])
        near = self._near(logs)[0]
        scaled = logs[0] * np.exp(-near @ self._logs)
        # d loss / d log temperature = scaled[truth] - sum(share * scaled).
        gradient = weight * float(scaled[truth] - softmax(scaled) @ scaled) * near
        self._squares += gradient * gradient
        self._logs -= _RATE * gradient / np.sqrt(self._squares)
        np.clip(self._logs, -_MOST, _MOST, out=self._logs)

    def _near(self, logs: Floats) -> Floats:
        """[B, T] how much each temperature counts for a text; one or two do."""
        highest = np.exp(logs.max(axis=1))
        odds = np.log(highest / (1.0 - highest + 1e-6))
        place = np.interp(odds, _LOG_ODDS, np.arange(len(_LOG_ODDS)))
        distance = np.abs(place[:, None] - np.arange(len(_LOG_ODDS)))
        return np.asarray(np.maximum(1.0 - distance, 0.0), np.float32)


def _log_shares(logits: Floats) -> Floats:
    return np.asarray(np.log(softmax(logits) + 1e-9), np.float32)
