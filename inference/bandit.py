"""Learns from outcomes which way of ordering near-equal fixes serves people best.

Thompson sampling over a few ways (arms), with a floor so that each is tried; the floor is a
setting, and 0 switches exploring off. An arm only reorders fixes that are shown anyway and are
about as likely right: it never shows one that is not grounded, and never passes over a fix that
worked for the group. What was drawn is logged with its propensity, so that every arm's success can
be estimated from what was done (self-normalised inverse propensity). One submitter has few voices.
It reads no topic: outcomes are handed in again at each start, in order.
"""

from __future__ import annotations

import math
import random
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from fixstream.inference.ranking import Ranked

ARMS = ("likeliest", "best_voted", "best_titled")
"""By score, as without a bandit; what people voted for first; whose title says the error first."""
NEAR_SHARE = 0.75
"""Fixes whose score is at least this share of the first one's are about as likely right."""
MAX_VOICES_OF_ONE = 3
"""Outcomes of one submitter that count for an arm: a flood moves nothing."""
MAX_SUBMITTERS = 100_000
MIN_OUTCOMES = 30
"""Until so many came, nobody tells us anything that exploring could learn from: no arm is tried."""
NUM_SIMULATIONS = 100
Z_95 = 1.96


@dataclass(frozen=True, slots=True)
class Draw:
    """A way that was drawn, and how likely it was."""

    arm: str
    propensity: float


@dataclass(slots=True)
class _Tally:
    worked: float = 0.0
    failed: float = 0.0
    weight: float = 0.0
    """Sum of 1/propensity."""
    reward: float = 0.0
    """Sum of outcome/propensity."""
    squares: float = 0.0
    """Sum of 1/propensity²."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How often an arm's first fix works, estimated off policy; with a 95 % interval."""

    success: float
    low: float
    high: float


class OrderBandit:
    """Draws arms and counts outcomes. Safe to use from several threads."""

    def __init__(self, floor: float, seed: int) -> None:
        """Starts without outcomes.

        Args:
            floor: The least propensity of each arm, 0 to 1/3; 0: the best arm so far, always.
            seed: Of the draws.
        """
        if not 0 <= floor * len(ARMS) <= 1:
            raise ValueError(f"a floor of {floor} for {len(ARMS)} arms is no probability")
        self._floor = floor
        self._random = random.Random(seed)  # noqa: S311 - draws an order, guards nothing
        self._lock = threading.Lock()
        self._tallies = {arm: _Tally() for arm in ARMS}
        self._voices: OrderedDict[tuple[str, str], Counter[str]] = OrderedDict()
        self._propensities: dict[str, float] | None = None

    def draw(self) -> Draw:
        """One arm, with its propensity."""
        with self._lock:
            chances = self._chances()
            arm = self._random.choices(ARMS, [chances[one] for one in ARMS])[0]
        return Draw(arm, chances[arm])

    def learn(self, draw: Draw, worked: bool, submitter: str, error_id: str) -> bool:
        """Counts an outcome; False if it does not count.

        One that was counted for this error by this submitter, or one too many of theirs, does not.
        """
        if draw.arm not in self._tallies or not 0 < draw.propensity <= 1:
            return False
        with self._lock:
            voices = self._voices.setdefault((submitter, draw.arm), Counter())
            self._voices.move_to_end((submitter, draw.arm))
            if error_id in voices or len(voices) >= MAX_VOICES_OF_ONE:
                return False
            voices[error_id] += 1
            if len(self._voices) > MAX_SUBMITTERS:
                self._voices.popitem(last=False)
            _add(self._tallies[draw.arm], worked, 1 / draw.propensity)
            self._propensities = None
        return True

    def estimates(self) -> dict[str, Estimate | None]:
        """Each arm's success off policy; None for one without an outcome."""
        with self._lock:
            return {arm: _estimate(tally) for arm, tally in self._tallies.items()}

    def statistics(self) -> dict[str, object]:
        """For `/stats`: by arm its propensity now, its outcomes and its estimated success."""
        estimates = self.estimates()
        with self._lock:
            chances = self._chances()
        return {
            "exploration_floor": self._floor,
            "arms": {
                arm: {
                    "propensity": round(chances[arm], 4),
                    "outcomes": int(tally.worked + tally.failed),
                    "success": estimate and round(estimate.success, 4),
                    "interval": estimate and [round(estimate.low, 4), round(estimate.high, 4)],
                }
                for arm, tally in self._tallies.items()
                for estimate in (estimates[arm],)
            },
        }

    def _chances(self) -> dict[str, float]:
        if self._propensities is None:
            num = sum(one.worked + one.failed for one in self._tallies.values())
            if num < MIN_OUTCOMES:
                self._propensities = {arm: float(arm == ARMS[0]) for arm in ARMS}
            elif self._floor == 0:
                best = max(ARMS, key=lambda arm: _mean(self._tallies[arm]))
                self._propensities = {arm: float(arm == best) for arm in ARMS}
            else:
                self._propensities = self._simulated()
        return self._propensities

    def _simulated(self) -> dict[str, float]:
        wins: Counter[str] = Counter()
        draw = self._random.betavariate
        for _ in range(NUM_SIMULATIONS):
            drawn = {
                arm: draw(one.worked + 1, one.failed + 1) for arm, one in self._tallies.items()
            }
            wins[max(ARMS, key=drawn.__getitem__)] += 1
        rest = 1 - self._floor * len(ARMS)
        return {arm: self._floor + rest * wins[arm] / NUM_SIMULATIONS for arm in ARMS}


def reordered(shown: Sequence[Ranked], arm: str) -> list[Ranked]:
    """The same fixes; the first ones, about as likely right, in the arm's order."""
    if not shown or any("worked for this group" in one.matched_on for one in shown):
        return list(shown)
    limit = shown[0].score * NEAR_SHARE
    near = [one for one in shown if one.score >= limit]
    rest = [one for one in shown if one.score < limit]
    if arm == "best_voted":
        near.sort(key=lambda one: -(one.candidate.solution.votes or 0))
    elif arm == "best_titled":
        near.sort(key=lambda one: -one.candidate.answered)
    return near + rest


def _add(tally: _Tally, worked: bool, weight: float) -> None:
    tally.weight += weight
    tally.squares += weight**2
    if worked:
        tally.worked += 1
        tally.reward += weight
    else:
        tally.failed += 1


def _mean(tally: _Tally) -> float:
    return (tally.worked + 1) / (tally.worked + tally.failed + 2)


def _estimate(tally: _Tally) -> Estimate | None:
    """Self-normalised: sum(w·r)/sum(w), w = 1/propensity, with Wilson's interval.

    Unequal weights tell less than as many equal ones: (sum w)²/sum(w²) outcomes (Kish). Wilson's
    interval holds its 95 % for a handful of outcomes and near 0 and 1, where the mean's own
    standard error does not.
    """
    if tally.weight == 0:
        return None
    mean = tally.reward / tally.weight
    num = tally.weight**2 / tally.squares
    shrink = 1 + Z_95**2 / num
    centre = (mean + Z_95**2 / (2 * num)) / shrink
    half = Z_95 / shrink * math.sqrt(mean * (1 - mean) / num + (Z_95 / (2 * num)) ** 2)
    return Estimate(mean, max(0.0, centre - half), min(1.0, centre + half))
