"""Limits that are counted together, and requests that are refused before they would wait."""

from __future__ import annotations

import threading

import pytest
from limits.aio.storage import MemoryStorage

from fixstream.inference import metrics
from fixstream.inference.predictor import Overloaded, Predictor, PredictorConfig
from fixstream.inference.problems import Problem
from fixstream.inference.rate_limit import RateLimiter, rate_store
from fixstream.inference.served import ErrorText
from fixstream.inference.slot import ModelSlot
from fixstream.runtime.clock import SettableClock
from fixstream.schemas.errors import Misconfigured
from support.deadlines import eventually
from support.inference import FakeModel

LIMITS = {"predict": "2/minute"}
TEXT = ErrorText("database is locked")


class Broken(MemoryStorage):
    """A shared store that is away."""

    def __init__(self) -> None:
        super().__init__(wrap_exceptions=True)

    @property
    def base_exceptions(self) -> type[Exception]:
        return ConnectionError

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        raise ConnectionError("no store")


async def test_a_caller_is_counted_under_each_of_its_names() -> None:
    limiter = RateLimiter(LIMITS)
    await limiter.check("predict", "key a", "10.0.0.1")
    await limiter.check("predict", "key b", "10.0.0.1")
    with pytest.raises(Problem) as refused:  # A third key does not help an address.
        await limiter.check("predict", "key c", "10.0.0.1")
    assert refused.value.status_code == 429
    await limiter.check("predict", "key d", "10.0.0.2")


async def test_instances_count_together_in_a_shared_store() -> None:
    store = MemoryStorage()
    one, other = RateLimiter(LIMITS, store), RateLimiter(LIMITS, store)
    await one.check("predict", "a")
    await other.check("predict", "a")
    with pytest.raises(Problem):
        await one.check("predict", "a")


async def test_a_store_that_is_away_stops_nobody_and_limits_all_the_same() -> None:
    before = metrics.RATE_STORE_FAILED._value.get()
    limiter = RateLimiter(LIMITS, Broken())
    await limiter.check("predict", "a")
    await limiter.check("predict", "a")
    with pytest.raises(Problem):
        await limiter.check("predict", "a")
    assert metrics.RATE_STORE_FAILED._value.get() == before + 3


@pytest.mark.parametrize("url", ["nowhere://secret@host", "secret"])
def test_a_store_that_cannot_be_used_is_named_without_its_address(url: str) -> None:
    assert rate_store("memory://") is None
    with pytest.raises(Misconfigured, match="RATE_LIMIT_STORE") as refused:
        rate_store(url)
    assert "secret" not in str(refused.value)


def test_who_would_wait_too_long_is_refused_at_once() -> None:
    slot, clock = ModelSlot(), SettableClock()
    model = FakeModel(1)
    model.gate = threading.Event()
    slot.swap(model)
    with Predictor(slot, clock, PredictorConfig(max_batch=1, max_wait_s=2.0)) as predictor:
        first = predictor.submit(TEXT)
        eventually(lambda: predictor.num_waiting == 0)
        clock.advance(15.0)  # The first one took so long, of which a tenth is believed.
        model.gate.set()
        first.result(5)
        model.gate.clear()
        held = predictor.submit(TEXT)
        eventually(lambda: predictor.num_waiting == 0 and predictor._seconds_per_text > 0)
        waiting = [predictor.submit(TEXT), predictor.submit(TEXT)]
        with pytest.raises(Overloaded) as refused:
            predictor.submit(TEXT)
        assert refused.value.retry_after_s == 3
        model.gate.set()
        assert all(one.result(5) for one in (held, *waiting))
