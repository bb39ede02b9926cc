"""How many requests one caller may make, by the `limits` library.

Counted in memory, or in a store that several instances share. A shared store that does not answer
lets requests through and counts them here meanwhile: a limit must not become an outage.
"""

from __future__ import annotations

import math
import time

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from fixstream.inference import metrics
from fixstream.inference.problems import Problem
from fixstream.schemas.errors import Misconfigured

log = structlog.get_logger(__name__)

MEMORY = "memory://"


class RateLimiter:
    """One limit for each caller and each kind of call."""

    def __init__(self, limits: dict[str, str], store: Storage | None = None) -> None:
        """Parses the limits.

        Args:
            limits: By kind of call, as `limits` writes them: `600/minute`.
            store: Where calls are counted; None counts them in memory.

        Raises:
            Misconfigured: A limit cannot be read.
        """
        self._items = {kind: _parsed(kind, text) for kind, text in limits.items()}
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._shared = FixedWindowRateLimiter(store) if store else self._local

    async def check(self, kind: str, *callers: str) -> None:
        """Counts one call for each of `callers`, who are one: its key and its address, say.

        Raises:
            Problem: 429, with Retry-After, if it is one too many for any of them.
        """
        for caller in callers:
            try:
                await _count(self._shared, self._items[kind], kind, caller)
            except StorageError as error:
                metrics.RATE_STORE_FAILED.inc()
                log.warning("rate limit store unavailable", error=type(error).__name__)
                await _count(self._local, self._items[kind], kind, caller)


def rate_store(url: str) -> Storage | None:
    """The store that an address names, as `limits` writes them: `redis://host:6379`.

    Raises:
        Misconfigured: The address or the package that it needs is not known here.
    """
    if url == MEMORY:
        return None
    asynchronous = url if url.startswith("async+") else f"async+{url}"
    try:
        store = storage_from_string(asynchronous, wrap_exceptions=True)
    except (ConfigurationError, ImportError, ValueError) as error:
        # The address may hold a password, so it is not shown.
        raise Misconfigured(
            "the rate limit store cannot be used (FIXSTREAM_INFERENCE_RATE_LIMIT_STORE): "
            f"{type(error).__name__}"
        ) from None
    assert isinstance(store, Storage)
    return store


async def _count(
    limiter: FixedWindowRateLimiter, item: RateLimitItem, kind: str, caller: str
) -> None:
    if await limiter.hit(item, kind, caller):
        return
    window = await limiter.get_window_stats(item, kind, caller)
    wait_s = max(1, math.ceil(window.reset_time - time.time()))
    raise Problem(429, f"At most {item} from one caller.", headers={"Retry-After": str(wait_s)})


def _parsed(kind: str, text: str) -> RateLimitItem:
    try:
        return parse(text)
    except ValueError:
        raise Misconfigured(f"rate limit of {kind}: not of the form 600/minute") from None
