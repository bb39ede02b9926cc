"""How the Stack Exchange API says that it wants a pause, or that it will not answer.

Every answer, an error too, comes in a wrapper object; its fields count, not the HTTP status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fixstream.producers.crawl.failures import HostFailed, Refused
from fixstream.producers.crawl.host_client import Pause, Question, Reply

_WAIT_SECONDS = re.compile(r"\b(\d{1,7}) seconds")
_THROTTLED = 502
_PASSING_ERRORS = frozenset({500, 503})
_THROTTLE_PAUSE_S = 60


class StackExchangeLimits:
    """A `Judge`.

    Args:
        quota_floor: Requests of the day's quota that are left to others.
    """

    def __init__(self, quota_floor: int) -> None:
        self._quota_floor = quota_floor

    def __call__(self, reply: Reply, question: Question, now: datetime) -> Pause | None:
        """The pause that the wrapper asks for.

        Raises:
            HostFailed: The wrapper tells of a passing error, or there is none.
            Refused: It tells of one that no retry mends.
        """
        wrapper = reply.content
        if not isinstance(wrapper, dict):
            if reply.status == 200:
                raise HostFailed(f"{question.method}: the answer is no wrapper object")
            return None
        if "error_id" in wrapper or "error_name" in wrapper:
            return _error(wrapper, question, now)
        remaining = _whole(wrapper.get("quota_remaining"))
        if remaining is not None and remaining <= self._quota_floor:
            return Pause(_midnight_after(now), is_answered=True)
        backoff = _whole(wrapper.get("backoff"))
        if backoff:
            return Pause(now + timedelta(seconds=backoff), question.method, is_answered=True)
        return None


def _error(wrapper: Mapping[str, Any], question: Question, now: datetime) -> Pause:
    number = _whole(wrapper.get("error_id"))
    name = str(wrapper.get("error_name", ""))[:60]
    told = f"{question.method}: error {number} {name}"
    if number == _THROTTLED or name == "throttle_violation":
        # The message names the seconds when the whole quota is spent, and none after a backoff.
        found = _WAIT_SECONDS.search(str(wrapper.get("error_message", "")))
        return Pause(now + timedelta(seconds=int(found[1]) if found else _THROTTLE_PAUSE_S))
    if number in _PASSING_ERRORS:
        raise HostFailed(told)
    raise Refused(told)


def _whole(value: Any) -> int | None:
    is_whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**8
    return value if is_whole else None


def _midnight_after(now: datetime) -> datetime:
    """When the daily quota is renewed, in UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
