"""The customers: a steady, seeded stream of requests, most of them to where something is broken."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from fixstream.cli.demo.shop.office import has_full_device

_MAX_CONCURRENT = 64
_TIMEOUT_S = 10.0

Visit = Callable[[random.Random], tuple[str, str]]
"""Chooses one request: its method and path."""


def _get(template: str, low: int = 1_000, high: int = 999_999) -> Visit:
    return lambda chance: ("GET", template.format(chance.randint(low, high)))


def _post(template: str, low: int = 1_000, high: int = 999_999) -> Visit:
    return lambda chance: ("POST", template.format(chance.randint(low, high)))


def _pick(method: str, template: str, *words: str) -> Visit:
    return lambda chance: (method, template.format(chance.choice(words)))


HEALTHY: tuple[Visit, ...] = (
    _pick("GET", "{}", "/"),
    _get("/products/{}"),
    _pick("GET", "{}", "/customers/count"),
)
_ALWAYS_BROKEN: dict[str, Visit] = {
    "connection refused": _post("/checkout/{}"),
    "name not resolved": _get("/shipping/{}"),
    "certificate expired": _post("/loyalty/{}"),
    "certificate for another host": _pick("GET", "/tax/{}", "de", "fr", "nl", "pl"),
    "certificate self-signed": _get("/fraud-check/{}"),
    "forbidden": _post("/loyalty/{}/redeem"),
    "read timeout": _get("/recommendations/{}"),
    "time budget spent": _pick("GET", "/search?q={}", "kettle", "lamp", "teapot"),
    "rate limited": _pick("GET", "/exchange-rate/{}", "USD", "CHF", "SEK"),
    "service unavailable": _get("/stock/SKU-{}"),
    "connection reset": _get("/tracking/{}"),
    "JSON cut off": _get("/inventory/{}", 1, 9),
    "HTML for JSON": _pick("GET", "/weather/{}", "utrecht", "gent", "lyon"),
    "payload of the wrong types": _get("/price/SKU-{}"),
    "wrong encoding": _post("/import-feed/{}", 1, 9),
    "download cut off": _get("/manual/SKU-{}"),
    "database locked": _post("/invoice/{}"),
    "table missing": _get("/reports/2026-11-{}", 10, 28),
    "unique constraint": _post("/register?name=Customer{}"),
    "database full": _post("/archive/{}"),
    "database read-only": _post("/stock-count/SKU-{}"),
    "token with a bad signature": _get("/account/{}"),
    "token expired": _get("/orders/{}"),
    "missing key": _get("/cart/SKU-{}"),
    "none where a list belongs": _post("/wishlist/SKU-{}"),
    "attribute missing": _post("/gift/{}"),
    "number that is none": _get("/coupon/SAVE{}X"),
    "time zone unknown": _pick("GET", "/delivery-window?zone={}", "Europe/Utrecht", "Mars/Base"),
    "module not installed": _pick("GET", "/discounts/{}", "spring", "winter"),
    "file not found": _get("/images/SKU-{}"),
    "port in use": _pick("POST", "{}", "/admin/open"),
    "lock held": _post("/reserve/SKU-{}"),
    "recursion": _get("/categories/{}"),
    "division by zero": _pick("GET", "{}", "/average-basket"),
    "memory": _post("/export?rows={}"),
}


def broken() -> dict[str, Visit]:
    """The faults that this system can show, by what they are."""
    faults = dict(_ALWAYS_BROKEN)
    if has_full_device():
        faults["disk full"] = _post("/receipt/{}")
    return faults


@dataclass(frozen=True, slots=True)
class TrafficConfig:
    """How busy the customers are."""

    requests_per_s: float
    fault_share: float
    seed: int


class Traffic:
    """Sends requests at a steady rate until it is stopped; a slow shop does not slow it down."""

    def __init__(self, base_url: str, config: TrafficConfig) -> None:
        self._base_url = base_url
        self._config = config
        self._chance = random.Random(config.seed)  # noqa: S311 -- customers, not secrets
        self._faults = tuple(broken().values())
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_stopped = asyncio.Event()
        self.num_failed_to_send = 0
        """Requests that got no answer at all."""

    async def run(self) -> None:
        """Send until stopped, then wait for the answers that are still due."""
        limits = httpx.Limits(max_connections=_MAX_CONCURRENT)
        async with httpx.AsyncClient(
            base_url=self._base_url, limits=limits, timeout=_TIMEOUT_S, trust_env=False
        ) as client:
            while not await self._paused():
                if len(self._under_way) < _MAX_CONCURRENT:
                    self._send(client)
            if self._under_way:
                await asyncio.wait(self._under_way)

    def stop(self) -> None:
        """Send nothing more."""
        self._is_stopped.set()

    def next_visit(self) -> tuple[str, str]:
        """Method and path of the next request; the same seed gives the same sequence."""
        is_fault = self._chance.random() < self._config.fault_share
        return self._chance.choice(self._faults if is_fault else HEALTHY)(self._chance)

    async def _paused(self) -> bool:
        pause_s = self._chance.expovariate(self._config.requests_per_s)
        try:
            await asyncio.wait_for(self._is_stopped.wait(), pause_s)
        except TimeoutError:
            return False
        return True

    def _send(self, client: httpx.AsyncClient) -> None:
        method, path = self.next_visit()
        task = asyncio.create_task(self._visit(client, method, path))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _visit(self, client: httpx.AsyncClient, method: str, path: str) -> None:
        try:
            await client.request(method, path)
        except httpx.HTTPError:
            self.num_failed_to_send += 1
