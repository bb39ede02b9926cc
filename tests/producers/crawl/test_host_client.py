"""The client of one host: bad answers are told, retried or refused, and none hangs."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from fixstream.producers.crawl.failures import Gone, HostBusy, HostFailed, Refused
from fixstream.producers.crawl.host_client import HostClient, HttpConfig, Question
from fixstream.producers.crawl.pacing import Pauses, Timing, full_jitter
from fixstream.runtime.clock import SettableClock
from support.crawl import NOW, ApiServer, api_server

ASK = Question("thing", method="thing")


class Bench:
    """A client whose clock only sleeping moves."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.clock = SettableClock(NOW)
        self.slept: list[float] = []
        timing = Timing(self.clock, self.sleep, lambda: 0.5)
        config = HttpConfig(
            "fixstream-crawler/test",
            read_timeout_s=0.2,
            total_timeout_s=0.5,
            max_body_bytes=100_000,
            max_attempts=3,
        )
        pauses = Pauses("host", timing, 120)
        self.client = HostClient(session, url, config, pauses=pauses, timing=timing)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)


@pytest_asyncio.fixture
async def bench(api: ApiServer) -> AsyncIterator[Bench]:
    async with aiohttp.ClientSession() as session:
        yield Bench(session, f"{api.url}/base")


def raw(
    body: bytes, headers: Mapping[str, str] | None = None, *, status: int = 200
) -> web.Response:
    return web.Response(body=body, status=status, headers=headers)


HALF = gzip.compress(b'{"items": [' + b"1," * 5000 + b"1]}")[:-20]


@pytest.mark.parametrize(
    "make",
    [
        lambda: raw(b"<html>Sorry</html>", {"Content-Type": "text/html"}),
        lambda: raw(b""),
        lambda: raw(b'{"a": '),
        lambda: raw(b"\xff\xfe\xfa"),
        lambda: raw(b"[" * 90_000),
        lambda: raw(b"9" * 5_000),
        lambda: raw(HALF, {"Content-Encoding": "gzip"}),
        lambda: raw(b"no gzip at all", {"Content-Encoding": "gzip"}),
        lambda: raw(b"{}", status=500),
        lambda: raw(b"<html>bad gateway</html>", status=502),
    ],
)
async def test_an_unusable_answer_is_asked_for_again_and_then_told(
    api: ApiServer, bench: Bench, make: Any
) -> None:
    api.on("/base/thing", lambda _: make())
    with pytest.raises(HostFailed):
        await bench.client.ask(ASK)
    assert len(api.requests) == 3
    assert bench.slept == [0.5, 1.0]

    api.on("/base/thing", lambda _: {"ok": 1})
    assert (await bench.client.ask(ASK)).content == {"ok": 1}


@pytest.mark.parametrize(
    ("status", "failure"),
    [(404, Gone), (410, Gone), (400, Refused), (403, Refused), (418, Refused)],
)
async def test_a_refusal_is_not_asked_for_again(
    api: ApiServer, bench: Bench, status: int, failure: type[Exception]
) -> None:
    api.on("/base/thing", lambda _: raw(b"<p>no</p>", status=status))
    with pytest.raises(failure):
        await bench.client.ask(ASK)
    assert len(api.requests) == 1


async def test_redirects_stay_on_the_host(api: ApiServer, bench: Bench) -> None:
    moved = {"Location": "/base/other"}
    api.on("/base/thing", lambda _: raw(b"", status=301, headers=moved))
    api.on("/base/other", lambda _: [1])
    assert (await bench.client.ask(ASK)).content == [1]

    api.on("/base/other", lambda _: raw(b"", headers={"Location": "/base/thing"}, status=302))
    with pytest.raises(Refused, match="circles"):
        await bench.client.ask(ASK)


@pytest.mark.parametrize(
    "location", ["", "https://127.0.0.1/x", "//evil.test/x", "http://[", "ftp:x"]
)
async def test_redirects_elsewhere_are_refused(api: ApiServer, bench: Bench, location: str) -> None:
    api.on("/base/thing", lambda _: raw(b"", headers={"Location": location}, status=302))
    with pytest.raises(Refused, match="elsewhere"):
        await bench.client.ask(ASK)
    assert len(api.requests) == 1


async def test_another_port_is_elsewhere_and_never_asked(api: ApiServer, bench: Bench) -> None:
    async with api_server() as other:
        api.on(
            "/base/thing",
            lambda _: raw(b"", headers={"Location": f"{other.url}/thing"}, status=302),
        )
        with pytest.raises(Refused, match="elsewhere"):
            await bench.client.ask(ASK)
        assert other.requests == []


async def test_a_bomb_is_not_unpacked(api: ApiServer, bench: Bench) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    api.on("/base/thing", lambda _: raw(bomb, {"Content-Encoding": "gzip"}))
    with pytest.raises(Refused, match="100000 bytes"):
        await bench.client.ask(ASK)


async def test_a_host_that_says_nothing_or_drips_is_given_up(api: ApiServer, bench: Bench) -> None:
    ended = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not ended.is_set():
            await response.write(b" ")
            await asyncio.wait({asyncio.ensure_future(ended.wait())}, timeout=0.05)
        return response

    async def silence(request: web.Request) -> web.StreamResponse:
        await ended.wait()
        return web.Response()

    for handler in (silence, drip):
        api.on("/base/thing", handler)
        with pytest.raises(HostFailed, match="Timeout"):
            await bench.client.ask(ASK)
    ended.set()


async def test_a_host_that_keeps_failing_is_left_alone_for_a_while(
    api: ApiServer, bench: Bench
) -> None:
    api.on("/base/thing", lambda _: raw(b"", status=503))
    for _ in range(2):
        with pytest.raises(HostFailed):
            await bench.client.ask(ASK)
    with pytest.raises(HostBusy, match="6 failures in a row"):
        await bench.client.ask(ASK)
    assert len(api.requests) == 6

    bench.clock.advance(301)
    api.on("/base/thing", lambda _: [])
    await bench.client.ask(ASK)
    assert len(api.requests) == 7


async def test_nobody_listening_is_a_failure(bench: Bench) -> None:
    async with aiohttp.ClientSession() as session:
        alone = Bench(session, "http://127.0.0.1:9")
        with pytest.raises(HostFailed):
            await alone.client.ask(ASK)


async def test_absurd_pauses_are_bounded(api: ApiServer, bench: Bench) -> None:
    api.on("/base/thing", lambda _: raw(b"", headers={"Retry-After": "9" * 30}, status=429))
    with pytest.raises(HostBusy, match="2026-03-02 13:00:00"):
        await bench.client.ask(ASK)


async def test_a_clock_that_goes_back_prolongs_no_pause(api: ApiServer, bench: Bench) -> None:
    api.on("/base/thing", lambda _: raw(b"", headers={"Retry-After": "3600"}, status=429))
    with pytest.raises(HostBusy):
        await bench.client.ask(ASK)
    bench.clock.set(NOW.replace(year=2020))
    api.on("/base/thing", lambda _: [])
    await bench.client.ask(ASK)


def test_jitter_spans_from_zero_to_a_bound_that_doubles() -> None:
    assert [full_jitter(attempt, 1.0) for attempt in (0, 1, 2, 30, 10**6)] == [1, 2, 4, 60, 60]
    assert full_jitter(5, 0.0) == 0
