"""Fair shares of a batch, for any mix of services and sources."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas.enums import EventSource
from fixstream.streams.fairness import CRAWLED, Share, fair_weights

SHARES = st.lists(
    st.builds(
        Share, st.sampled_from(["a", "b", "c", "noisy"]), st.sampled_from(sorted(EventSource))
    ),
    max_size=64,
)
QUOTAS = st.floats(0.01, 1)
CLOSE = 1e-9


def totals(shares: list[Share], quota: float) -> dict[str, float]:
    """The weight of each service, and of each crawled source."""
    found: defaultdict[str, float] = defaultdict(float)
    for share, weight in zip(shares, fair_weights(shares, quota), strict=True):
        name = f"source {share.source}" if share.source in CRAWLED else f"service {share.service}"
        found[name] += weight
    return found


@given(SHARES, QUOTAS)
def test_no_service_and_no_source_counts_for_more_than_an_equal_split(
    shares: list[Share], quota: float
) -> None:
    found = totals(shares, quota)
    assert all(0 < weight <= 1 for weight in fair_weights(shares, quota))
    assert all(total <= len(shares) / len(found) + CLOSE for total in found.values())


@given(SHARES, QUOTAS)
def test_crawled_texts_stay_below_their_quota_where_there_is_anything_else(
    shares: list[Share], quota: float
) -> None:
    found = totals(shares, quota)
    crawled = sum(total for name, total in found.items() if name.startswith("source"))
    own = sum(total for name, total in found.items() if name.startswith("service"))
    if own:
        assert crawled <= quota * (own + crawled) + CLOSE


@given(SHARES, QUOTAS, st.randoms())
def test_the_order_of_the_events_does_not_matter(
    shares: list[Share], quota: float, chance: random.Random
) -> None:
    shuffled = list(shares)
    chance.shuffle(shuffled)
    assert sorted(fair_weights(shares, quota)) == pytest.approx(
        sorted(fair_weights(shuffled, quota))
    )
