"""Pairs of an error and a fix, for which feedback has said whether the one solves the other.

They train the solution embedding alone: what worked is drawn together, what failed is pushed apart.
Who may give a pair, how much each voice counts and how many are taken is decided by whoever makes
them; this module only carries them, and knows no topics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_PAIR_WEIGHT = 3.0
"""No pair counts for more than so many ordinary ones, whoever vouches for it."""


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """One error with one fix."""

    error_text: str
    """Message of the error, scrubbed."""
    fix_text: str
    """Title and text of the fix, scrubbed."""
    weight: float = 1.0
    """How much the pair is to be believed; one trusted voice is 1, more than 3 counts as 3."""
    is_positive: bool = True
    """Whether the fix solved the error; False: somebody tried it and it did not."""

    def __post_init__(self) -> None:
        """Raises ValueError where the weight is negative or no number."""
        if not math.isfinite(self.weight) or self.weight < 0.0:
            raise ValueError(f"a pair's weight must be a number of at least 0: {self.weight}")
