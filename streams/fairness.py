"""Fair shares within a batch: no service and no crawler drowns the others.

A batch covers a contiguous range, so nothing may be left out of it; what is too much of one kind
is weighed down instead. Pure arithmetic on the batch's own examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fixstream.schemas.enums import EventSource

CRAWLED = frozenset(
    {
        EventSource.STACKOVERFLOW,
        EventSource.REDDIT,
        EventSource.GITHUB,
        EventSource.HACKERNEWS,
    }
)


@dataclass(frozen=True, slots=True)
class Share:
    """Whose example it is."""

    service: str
    source: EventSource


def fair_weights(shares: Sequence[Share], crawled_quota: float) -> list[float]:
    """One weight in (0, 1] for each example.

    A service (for crawled texts: a source) may count for as much as an equal split of the batch
    would give it; its examples share that. Crawled texts together then get at most
    `crawled_quota` of the whole, as long as there is anything else in the batch.
    """
    if not shares:
        return []
    owners = [_owner(share) for share in shares]
    counts = Counter(owners)
    fair = len(shares) / len(counts)
    weights = [min(1.0, fair / counts[owner]) for owner in owners]
    is_crawled = [share.source in CRAWLED for share in shares]
    crawled = sum(weight for weight, flag in zip(weights, is_crawled, strict=True) if flag)
    own = sum(weights) - crawled
    if own <= 0 or crawled <= 0 or crawled_quota >= 1:
        return weights
    factor = min(1.0, own * crawled_quota / (1 - crawled_quota) / crawled)
    return [
        weight * factor if flag else weight
        for weight, flag in zip(weights, is_crawled, strict=True)
    ]


def _owner(share: Share) -> tuple[str, str]:
    return ("crawled", share.source) if share.source in CRAWLED else ("service", share.service)
