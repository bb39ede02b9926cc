"""What one deployment's update may tell about it: clipping, noise, and the budget that is spent.

The deployment clips and noises its own update before it leaves, so nobody has to trust the server.
Two updates of norm C differ by at most 2C, whatever the events behind them were; Gaussian noise
with standard deviation z·C on each number then costs 2/z² of zero-concentrated differential
privacy a round (Bun and Steinke, "Concentrated Differential Privacy", 2016), and rounds add up.
The module knows no models and no network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_ORDERS = 1.0 + np.geomspace(1e-6, 1e6, 4_000)


@dataclass(frozen=True, slots=True)
class PrivacyConfig:
    """How an update is made private."""

    clip_norm: float
    """Longest update (L2, over all shared numbers together) that leaves a deployment."""
    noise_multiplier: float
    """Standard deviation of the noise on each number, in clip norms; 0 adds none."""
    delta: float = 1e-5
    """Chance at which the budget's promise may fail."""

    def __post_init__(self) -> None:
        if not (self.clip_norm > 0.0 and math.isfinite(self.clip_norm)):
            raise ValueError(f"clip_norm must be above 0: {self.clip_norm}")
        if not (self.noise_multiplier >= 0.0 and math.isfinite(self.noise_multiplier)):
            raise ValueError(f"noise_multiplier must not be below 0: {self.noise_multiplier}")
        if not 0.0 < self.delta < 1.0:
            raise ValueError(f"delta must be between 0 and 1: {self.delta}")

    def epsilon(self, num_rounds: int) -> float:
        """Budget spent after so many updates, for exchanging all of a deployment's events.

        The smallest ε with which (ε, `delta`) differential privacy follows from the rounds' zCDP
        (Canonne, Kamath and Steinke, "The Discrete Gaussian", 2020, proposition 12); infinite
        without noise.
        """
        if num_rounds == 0:
            return 0.0
        if self.noise_multiplier == 0.0:
            return math.inf
        rho = 2.0 * num_rounds / self.noise_multiplier**2
        bounds = (
            rho * _ORDERS
            + np.log1p(-1.0 / _ORDERS)
            - (math.log(self.delta) + np.log(_ORDERS)) / (_ORDERS - 1.0)
        )
        # Each order proves a bound, so the least of any set of them holds.
        return max(float(bounds.min()), 0.0)


@dataclass(frozen=True, slots=True)
class PrivateUpdate:
    """An update that may leave."""

    arrays: list[Floats]
    norm: float
    """L2 norm before clipping; it tells about the events, so it stays here."""


def privatised(
    update: Sequence[Floats], config: PrivacyConfig, noise: np.random.Generator
) -> PrivateUpdate:
    """Clips an update as a whole and adds the noise.

    Args:
        update: the changes, array by array.
        config: bounds and noise.
        noise: seeded from the system's entropy by the caller; whoever knows its seed can take the
            noise off again.

    Raises:
        ValueError: a number is not finite; nothing may be sent.
    """
    norm = math.sqrt(sum(float(np.square(part, dtype=np.float64).sum()) for part in update))
    if not math.isfinite(norm):
        raise ValueError("the update is not finite")
    scale = np.float32(min(1.0, config.clip_norm / norm) if norm > 0.0 else 1.0)
    deviation = np.float32(config.noise_multiplier * config.clip_norm)
    arrays = [
        np.asarray(part * scale + noise.standard_normal(part.shape, np.float32) * deviation)
        if deviation > 0.0
        else np.asarray(part * scale)
        for part in update
    ]
    return PrivateUpdate(arrays, norm)
