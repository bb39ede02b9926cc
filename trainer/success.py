"""Whether fixes work less often since a promotion, beyond chance: the ground of a rollback.

Votes are looked at again and again while they come, so an ordinary test would sooner or later find
a fall that is none. This one is a Bayes factor with uniform priors: were nothing changed, it would
ever exceed 1/alpha with a probability of about alpha, however often one looks (Ville's inequality).
The votes of one submitter count as three at most on either side, and a fall needs the failures of
several: nobody brings a model down alone. The module compares votes; it knows no topics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import lgamma, log

Votes = Mapping[str, tuple[int, int]]
"""Submitter -> how often a fix worked, and how often not."""


@dataclass(frozen=True, slots=True)
class SuccessConfig:
    """How sure a fall has to be."""

    alpha: float = 0.01
    """Probability of ever calling a fall that is none, over all promotions looked at."""
    min_submitters: int = 5
    """Different people whose tries failed since the promotion."""
    max_of_submitter: float = 3.0
    """Votes of one person that count, before and after."""


@dataclass(frozen=True, slots=True)
class Fall:
    """Success fell with a promotion."""

    version: int
    """The promotion."""
    before: float
    after: float
    num_submitters: int

    @property
    def reason(self) -> str:
        """One line for people."""
        return (
            f"fixes worked in {self.after:.0%} of the tries since version {self.version}, "
            f"{self.before:.0%} before, by {self.num_submitters} submitters"
        )


def fall_of_success(
    votes: Mapping[int, Votes], promotions: Sequence[int], config: SuccessConfig | None = None
) -> Fall | None:
    """The promotion after which success fell most surely, if any fell beyond chance.

    Args:
        votes: version that a suggestion was made with -> votes; of versions in force only.
        promotions: versions that may be gone back to before, oldest first.
        config: how sure it has to be.
    """
    config = config or SuccessConfig()
    threshold = log(max(len(promotions), 1) / config.alpha)
    found: list[tuple[float, Fall]] = []
    for version in promotions:
        before = _joined((said for made, said in votes.items() if made < version), config)
        after = _joined((said for made, said in votes.items() if made >= version), config)
        if sum(failed > 0 for _, failed in after.values()) < config.min_submitters:
            continue
        worked, failed = _sums(before)
        worked_after, failed_after = _sums(after)
        if worked + failed == 0 or _share(worked_after, failed_after) >= _share(worked, failed):
            continue
        evidence = log_bayes_factor((worked, failed), (worked_after, failed_after))
        if evidence >= threshold:
            fall = Fall(
                version, _share(worked, failed), _share(worked_after, failed_after), len(after)
            )
            found.append((evidence, fall))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def log_bayes_factor(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Log odds for two rates of success against one, with uniform priors."""
    (worked, failed), (worked_2, failed_2) = one, other
    together = _log_beta(worked + worked_2 + 1, failed + failed_2 + 1)
    return _log_beta(worked + 1, failed + 1) + _log_beta(worked_2 + 1, failed_2 + 1) - together


def _joined(sides: Iterable[Votes], config: SuccessConfig) -> dict[str, tuple[float, float]]:
    sums: dict[str, tuple[float, float]] = {}
    for side in sides:
        for who, (worked, failed) in side.items():
            before = sums.get(who, (0.0, 0.0))
            sums[who] = (before[0] + worked, before[1] + failed)
    return {who: _capped(said, config.max_of_submitter) for who, said in sums.items()}


def _capped(said: tuple[float, float], limit: float) -> tuple[float, float]:
    share = min(1.0, limit / max(sum(said), limit))
    return said[0] * share, said[1] * share


def _sums(votes: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    return sum(worked for worked, _ in votes.values()), sum(failed for _, failed in votes.values())


def _share(worked: float, failed: float) -> float:
    # The mean of the posterior, so that a single vote is no certainty.
    return (worked + 1) / (worked + failed + 2)


def _log_beta(one: float, other: float) -> float:
    return lgamma(one) + lgamma(other) - lgamma(one + other)
