"""The shop as one process: suppliers, web server, customers, and `/_stats` for who watches."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

import fixstream.producers
from fixstream.cli.demo.shop.app import Departments, make_app
from fixstream.cli.demo.shop.ledger import Ledger
from fixstream.cli.demo.shop.office import Office
from fixstream.cli.demo.shop.purchasing import Purchasing
from fixstream.cli.demo.shop.settings import ShopSettings
from fixstream.cli.demo.shop.suppliers import open_suppliers
from fixstream.cli.demo.shop.traffic import Traffic, TrafficConfig
from fixstream.producers.installation import Installation
from fixstream.producers.sinks import KafkaSink
from fixstream.runtime.logs import configure_logging
from fixstream.runtime.stopping import STOP_SIGNALS

_FLUSH_TIMEOUT_S = 10.0


class Tally:
    """ASGI middleware outside of all others: counts requests, and those that raised."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.num_requests = 0
        self.num_faults = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Count; `/_stats` and the like are nobody's visit."""
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception:
            self.num_faults += 1
            raise
        finally:
            self.num_requests += 1


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again, and what waits to be sent be lost."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def stop(self) -> None:
        """End `serve` when the requests under way are answered."""
        self.should_exit = True


@asynccontextmanager
async def open_shop(folder: Path) -> AsyncIterator[FastAPI]:
    """The application with everything it depends on; `folder` has to exist and be empty."""
    async with AsyncExitStack() as stack:
        suppliers = await stack.enter_async_context(open_suppliers(folder))
        ledger = Ledger(folder)
        stack.enter_context(ledger.opened())
        office = Office(folder, suppliers.taken_port)
        stack.callback(office.close)
        yield make_app(Departments(ledger, office, Purchasing(suppliers)))


async def run(settings: ShopSettings) -> None:
    """Serve until SIGTERM or Ctrl-C, with customers if the settings want some."""
    configure_logging("shop")
    # This line is all that an application needs; the middleware finds what it set up.
    capture = fixstream.producers.init(service="shop", environment="demo", release="2026.11")
    try:
        with tempfile.TemporaryDirectory(prefix="fixstream-shop-") as folder:
            async with open_shop(Path(folder)) as app:
                await _serve(app, settings, capture)
    finally:
        fixstream.producers.shut_down()


async def _serve(app: FastAPI, settings: ShopSettings, capture: Installation) -> None:
    tally = Tally(app)
    base_url = f"http://{settings.host}:{settings.port}"
    traffic = Traffic(
        base_url,
        TrafficConfig(settings.requests_per_s, settings.fault_share, settings.seed),
    )
    customers: list[asyncio.Task[None]] = []
    _add_watching_routes(app, tally, capture, (traffic, customers))
    server = _Server(
        uvicorn.Config(
            tally,
            host=settings.host,
            port=settings.port,
            log_config=None,
            # Every fault would fill the log with the trace that capture has anyway.
            log_level="critical",
            timeout_graceful_shutdown=5,
        )
    )
    if settings.requests_per_s > 0:
        customers.append(asyncio.create_task(_arrive_when_open(server, traffic)))
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, server.stop)
    try:
        await server.serve()
    finally:
        traffic.stop()
        for task in customers:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _arrive_when_open(server: uvicorn.Server, traffic: Traffic) -> None:
    while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
        await asyncio.sleep(0.05)
    await traffic.run()


def _add_watching_routes(
    app: FastAPI,
    tally: Tally,
    capture: Installation,
    customers: tuple[Traffic, list[asyncio.Task[None]]],
) -> None:
    def stats() -> dict[str, int]:
        sink = capture.reporter.sink
        counts = sink.counts() if isinstance(sink, KafkaSink) else None
        return {
            "requests": tally.num_requests,
            "faults": tally.num_faults,
            "accepted": counts.accepted if counts else 0,
            "delivered": counts.delivered if counts else 0,
            "dropped": sum(counts.dropped.values()) if counts else 0,
        }

    @app.get("/_stats")
    async def current() -> dict[str, int]:
        return stats()

    @app.post("/_stop")
    async def stop() -> dict[str, int]:
        """Send the customers home, wait until every event is settled, and tell the final counts."""
        traffic, tasks = customers
        traffic.stop()
        await asyncio.gather(*tasks)
        await asyncio.to_thread(capture.reporter.sink.flush, _FLUSH_TIMEOUT_S)
        return stats()
