"""JSON from one host over HTTP, bounded in time, size and attempts.

It goes to the host in its base address and to no other: a redirect or a link to elsewhere is
refused. What an API's own limits mean is told by the `Judge` that its source brings.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import aiohttp
from yarl import URL

from fixstream.producers.crawl.attempts import Attempts
from fixstream.producers.crawl.failures import Gone, HostFailed, Refused
from fixstream.producers.crawl.pacing import WHOLE_HOST, Pauses, Timing

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """How patient and how hungry a client is."""

    user_agent: str
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 20.0
    total_timeout_s: float = 60.0
    max_body_bytes: int = 20_000_000
    max_attempts: int = 4
    public_origin: str = ""
    """Where the API is for everybody: its address in a redirect stands for the base address."""

    def timeout(self) -> aiohttp.ClientTimeout:
        """The same for aiohttp."""
        return aiohttp.ClientTimeout(
            total=self.total_timeout_s,
            sock_connect=self.connect_timeout_s,
            sock_read=self.read_timeout_s,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """One GET."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = ""
    """What the host's pauses for single methods go by."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `content` is what its JSON holds, None where there is none."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    content: Any


@dataclass(frozen=True, slots=True)
class Pause:
    """The host asks to be left alone."""

    until: datetime
    method: str = WHOLE_HOST
    is_answered: bool = False
    """The reply that asked for it can be used all the same."""


Judge = Callable[[Reply, Question, datetime], Pause | None]
"""Reads an API's limits and errors out of a reply; raises Refused, Gone or HostFailed."""


def no_limits(reply: Reply, question: Question, now: datetime) -> Pause | None:
    """The judge for an API that has no limits of its own."""
    return None


class HostClient:
    """Asks one host. Safe to use from several tasks of one loop."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        config: HttpConfig,
        *,
        pauses: Pauses,
        timing: Timing,
        judge: Judge = no_limits,
    ) -> None:
        self._session = session
        self._base = URL(base_url.rstrip("/") + "/")
        self._config = config
        self._pauses = pauses
        self._timing = timing
        self._judge = judge
        self._attempts = Attempts(self.host, pauses, timing, config.max_attempts)

    @property
    def host(self) -> str:
        """For messages."""
        return self._base.host or str(self._base)

    async def ask(self, question: Question) -> Reply:
        """The reply to a question: 2xx with JSON, or 304.

        Raises:
            HostBusy: The host wants to be left alone for longer than a run waits.
            HostFailed: It failed as often as is tried.
            Refused, Gone: It will not answer.
        """
        return await self._attempts.answer(question.method, partial(self._judged, question))

    async def _judged(self, question: Question) -> Reply | None:
        """The reply; None when the host only asked for a pause, which is noted."""
        reply = await self._exchange(question)
        now = self._timing.clock.now()
        pause = self._judge(reply, question, now) or _common_limit(reply, now)
        if pause is not None:
            self._pauses.note(pause.method, pause.until)
            if not pause.is_answered:
                return None
        _check_status(reply, self.host, question)
        return reply

    async def _exchange(self, question: Question) -> Reply:
        url = self._base.join(URL(question.path)).update_query(question.params)
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                async with self._session.get(
                    url,
                    headers={"User-Agent": self._config.user_agent, **question.headers},
                    allow_redirects=False,
                    timeout=self._config.timeout(),
                ) as response:
                    if response.status in _REDIRECTS:
                        url = self._target(url, response.headers.get("Location", ""))
                        continue
                    body = await self._body(response)
                    return _reply(response, body)
        except (TimeoutError, aiohttp.ClientError, OSError, zlib.error) as problem:
            raise HostFailed(f"{self.host}: {type(problem).__name__}") from None
        raise Refused(f"{self.host} redirects in circles")

    def _target(self, url: URL, location: str) -> URL:
        """Where a redirect leads, which is always on the host that was set.

        A mirror passes on what the API says of itself: its public address is taken for ours. A
        place that is named without a query is asked what we asked.
        """
        try:
            target = url.join(URL(location))
            if str(target.origin()) == self._config.public_origin:
                target = self._base.join(URL(str(target.relative()).lstrip("/")))
            is_ours = bool(location) and target.origin() == self._base.origin()
        except ValueError:
            is_ours = False
        if not is_ours:
            raise Refused(f"{self.host} redirects to elsewhere, which is not followed")
        return target if target.query_string else target.with_query(url.query)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._config.max_body_bytes:
                limit = self._config.max_body_bytes
                raise Refused(f"{self.host} sent more than {limit} bytes in one answer")
        return bytes(body)


def _reply(response: aiohttp.ClientResponse, body: bytes) -> Reply:
    """Read the JSON; where there has to be some and is none, that is a failure."""
    content: Any = None
    try:
        content = json.loads(body) if body else None
    except (ValueError, RecursionError):
        if response.status < 400:
            kind = response.content_type
            raise HostFailed(f"{response.url.host} sent {kind} that is no JSON") from None
    if response.status == 200 and not body:
        raise HostFailed(f"{response.url.host} sent an empty answer")
    return Reply(response.status, response.headers, content)


def _check_status(reply: Reply, host: str, question: Question) -> None:
    if reply.status >= 500:
        raise HostFailed(f"{host} answered {reply.status}")
    if reply.status in {404, 410, 451}:
        raise Gone(f"{host} has no {question.path} (status {reply.status})")
    if reply.status not in {200, 304}:
        raise Refused(f"{host} refuses {question.path} (status {reply.status})")


def _common_limit(reply: Reply, now: datetime) -> Pause | None:
    """What every HTTP server may say with 429 or 503."""
    if reply.status not in {429, 503}:
        return None
    seconds = retry_after_s(reply, now)
    if seconds is None and reply.status == 503:
        return None
    return Pause(now + timedelta(seconds=60.0 if seconds is None else seconds))


def retry_after_s(reply: Reply, now: datetime) -> float | None:
    """Seconds in the `Retry-After` header, given as a number or as a date; None without one."""
    text = reply.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
