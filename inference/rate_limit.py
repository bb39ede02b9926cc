"""How many requests one caller may make, by the `limits` library, in memory."""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from fixstream.inference.problems import Problem
from fixstream.schemas.errors import Misconfigured


class RateLimiter:
    """One limit for each caller and each kind of call."""

    def __init__(self, limits: dict[str, str]) -> None:
        """Parses the limits.

        Args:
            limits: By kind of call, as `limits` writes them: `600/minute`.

        Raises:
            Misconfigured: A limit cannot be read.
        """
        self._items = {kind: _parsed(kind, text) for kind, text in limits.items()}
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def check(self, kind: str, caller: str) -> None:
        """Counts one call. Raises Problem (429, with Retry-After) if it is one too many."""
        item = self._items[kind]
        if await self._limiter.hit(item, kind, caller):
            return
        window = await self._limiter.get_window_stats(item, kind, caller)
        wait_s = max(1, math.ceil(window.reset_time - time.time()))
        raise Problem(429, f"At most {item} from one caller.", headers={"Retry-After": str(wait_s)})


def _parsed(kind: str, text: str) -> RateLimitItem:
    try:
        return parse(text)
    except ValueError:
        raise Misconfigured(f"rate limit of {kind}: not of the form 600/minute") from None
