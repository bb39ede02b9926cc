"""How GitHub's REST API says that it wants a pause, or that it will not answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fixstream.producers.crawl.failures import Refused
from fixstream.producers.crawl.host_client import Pause, Question, Reply, retry_after_s

_SECONDARY_PAUSE_S = 60.0
"""What the documentation asks for when a secondary limit comes without a time."""
_LIMITED = frozenset({403, 429})
_LIMIT_WORDS = ("rate limit", "abuse detection")


def github_limits(reply: Reply, question: Question, now: datetime) -> Pause | None:
    """A `Judge`: primary limits by their headers, secondary ones by `retry-after` or message.

    Raises:
        Refused: The credentials are wrong, or do not suffice.
    """
    if reply.status == 401:
        raise Refused("GitHub does not know the token (FIXSTREAM_CRAWL_GITHUB_TOKEN)")
    if reply.status in _LIMITED:
        return _limit(reply, now)
    if reply.status in {200, 304} and _remaining(reply) == 0:
        reset = _reset(reply)
        return Pause(reset, is_answered=True) if reset else None
    return None


def _limit(reply: Reply, now: datetime) -> Pause | None:
    after_s = retry_after_s(reply, now)
    if after_s is not None:
        return Pause(now + timedelta(seconds=after_s))
    if _remaining(reply) == 0:
        return Pause(_reset(reply) or now + timedelta(seconds=_SECONDARY_PAUSE_S))
    message = _message(reply.content)
    if reply.status == 429 or any(words in message for words in _LIMIT_WORDS):
        return Pause(now + timedelta(seconds=_SECONDARY_PAUSE_S))
    return None  # A refusal like any other.


def _remaining(reply: Reply) -> int | None:
    return _number(reply, "X-RateLimit-Remaining")


def _reset(reply: Reply) -> datetime | None:
    seconds = _number(reply, "X-RateLimit-Reset")
    if seconds is None:
        return None
    # A second later, since the header's seconds are cut.
    return datetime.fromtimestamp(min(seconds, 4_000_000_000), UTC) + timedelta(seconds=1)


def _number(reply: Reply, name: str) -> int | None:
    text = reply.headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else None


def _message(content: Any) -> str:
    message = content.get("message") if isinstance(content, dict) else None
    return message.lower() if isinstance(message, str) else ""
