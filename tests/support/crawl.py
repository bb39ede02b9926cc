"""Stand-ins for the hosts that are crawled: small real servers, and what collects the results."""

from __future__ import annotations

import gzip
import inspect
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from fixstream.producers.crawl.crawler import CrawlReport
from fixstream.producers.crawl.delivery import Delivery, Topics
from fixstream.producers.crawl.pacing import Timing
from fixstream.producers.crawl.service import open_crawler
from fixstream.producers.crawl.settings import CrawlSettings
from fixstream.runtime.clock import SettableClock
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import RetryLater
from fixstream.schemas.records import ErrorEvent, Record, Solution
from fixstream.triage.scrub import Scrubber

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())

Handler = Callable[[web.Request], Any]


@dataclass
class ApiServer:
    """Answers by path and remembers what it was asked."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)
    url: str = ""

    def on(self, path: str, handler: Handler) -> None:
        """Answer requests for `path` with what `handler` makes of them: JSON or a response."""
        self.handlers[path] = handler

    def asked(self, path: str) -> list[dict[str, str]]:
        """The queries of all requests for `path`."""
        return [dict(one.query) for one in self.requests if one.path == path]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        self.requests.append(request)
        handler = self.handlers.get(request.path)
        if handler is None:
            return web.json_response({"message": "Not Found"}, status=404)
        made = handler(request)
        if inspect.isawaitable(made):
            made = await made
        return made if isinstance(made, web.StreamResponse) else web.json_response(made)


@asynccontextmanager
async def api_server() -> AsyncIterator[ApiServer]:
    """A server on a free port of this machine."""
    server = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as running:
        server.url = str(running.make_url("/")).rstrip("/")
        yield server


def gzipped(content: Any) -> web.Response:
    """JSON as Stack Exchange sends it, whatever was asked for."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json; charset=utf-8"}
    return web.Response(body=gzip.compress(json.dumps(content).encode()), headers=headers)


class CollectingPublisher:
    """Keeps what was acknowledged."""

    def __init__(self) -> None:
        self.events: list[ErrorEvent] = []
        self.solutions: list[Solution] = []
        self.tombstones: list[str] = []
        self._waiting: list[Record | str] = []
        self.is_down = False

    def publish(self, topic: str, key: str, record: Record) -> None:
        """Take a record."""
        self._waiting.append(record)

    def publish_bytes(self, topic: str, key: str, value: bytes | None) -> None:
        """Take a tombstone."""
        assert (topic, value) == ("solutions", None)
        self._waiting.append(key)

    def flush(self, timeout_s: float) -> None:
        """Acknowledge everything, or nothing while it is down."""
        waiting, self._waiting = self._waiting, []
        if self.is_down:
            raise RetryLater("nothing was delivered")
        for record in waiting:
            if isinstance(record, ErrorEvent):
                self.events.append(record)
            elif isinstance(record, Solution):
                self.solutions.append(record)
            else:
                assert isinstance(record, str)
                self.tombstones.append(record)


class CrawlBench:
    """Runs the real crawler against a server; only sleeping moves its clock."""

    def __init__(self, source: EventSource, folder: Path, **settings: Any) -> None:
        self.source = source
        self.clock = SettableClock(NOW)
        self.slept: list[float] = []
        self.publisher = CollectingPublisher()
        self.settings = CrawlSettings(data_folder=folder, **settings)

    async def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.slept.append(seconds)
        self.clock.advance(seconds)

    async def crawl(self) -> CrawlReport:
        """One run of a new process: nothing but the folder is kept between two."""
        delivery = Delivery(self.publisher, Topics("events", "solutions"), Scrubber())
        timing = Timing(self.clock, self.sleep, lambda: 1.0)
        async with open_crawler([self.source], self.settings, delivery, timing) as crawler:
            return await crawler.crawl_once()

    @property
    def event_ids(self) -> list[str]:
        """Ids of the events that were published."""
        return [event.event_id for event in self.publisher.events]

    @property
    def solution_ids(self) -> list[str]:
        """Ids of the solutions that were published."""
        return [solution.solution_id for solution in self.publisher.solutions]
