"""The sample shop: every fault is a real one, of the kind that it says."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
from fastapi import FastAPI

import fixstream.producers
from fixstream.cli.demo.shop.service import open_shop
from fixstream.cli.demo.shop.traffic import HEALTHY, Traffic, TrafficConfig, broken
from fixstream.producers.sinks import MemorySink

EXPECTED = {
    "connection refused": ("PaymentFailed", "All connection attempts failed"),
    "name not resolved": ("QuoteUnavailable", "parcel-express.invalid"),
    "certificate expired": ("httpx.ConnectError", "certificate has expired"),
    "certificate for another host": ("ClientConnectorCertificateError", "Hostname mismatch"),
    "certificate self-signed": ("httpx.ConnectError", "self-signed certificate"),
    "forbidden": ("aiohttp.client_exceptions.ClientResponseError", "403"),
    "read timeout": ("httpx.ReadTimeout", "timed out"),
    "time budget spent": ("TimeoutError", "CancelledError"),
    "rate limited": ("httpx.HTTPStatusError", "429 Too Many Requests"),
    "service unavailable": ("StockUnknown", "503 Service Unavailable"),
    "connection reset": ("httpx.ReadError", "Connection reset by peer"),
    "JSON cut off": ("json.decoder.JSONDecodeError", "Expecting value"),
    "HTML for JSON": ("json.decoder.JSONDecodeError", "Expecting value"),
    "payload of the wrong types": ("ValidationError", "unable to parse string as a number"),
    "wrong encoding": ("UnicodeDecodeError", "can't decode byte 0xe9"),
    "download cut off": ("httpx.RemoteProtocolError", "incomplete chunked read"),
    "database locked": ("InvoiceNotWritten", "database is locked"),
    "table missing": ("sqlite3.OperationalError", "no such table: daily_sales"),
    "unique constraint": ("RegistrationFailed", "UNIQUE constraint failed: customers.email"),
    "database full": ("sqlite3.OperationalError", "database or disk is full"),
    "database read-only": ("sqlite3.OperationalError", "attempt to write a readonly database"),
    "token with a bad signature": ("InvalidSignatureError", "Signature verification failed"),
    "token expired": ("ExpiredSignatureError", "Signature has expired"),
    "missing key": ("CheckoutBroken", "KeyError"),
    "none where a list belongs": ("TypeError", "NoneType"),
    "attribute missing": ("AttributeError", "no attribute 'message'"),
    "number that is none": ("ValueError", "invalid literal for int()"),
    "time zone unknown": ("ZoneInfoNotFoundError", "No time zone found"),
    "module not installed": ("ModuleNotFoundError", "No module named 'shop_discounts_"),
    "file not found": ("FileNotFoundError", "No such file or directory"),
    "port in use": ("OSError", "Address already in use"),
    "lock held": ("BlockingIOError", "Resource temporarily unavailable"),
    "recursion": ("RecursionError", "maximum recursion depth exceeded"),
    "division by zero": ("ZeroDivisionError", "by zero"),
    "memory": ("MemoryError", "MemoryError"),
    "disk full": ("ReceiptNotPrinted", "No space left on device"),
}


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[tuple[FastAPI, MemorySink]]:
    sink = MemorySink()
    fixstream.producers.init(service="shop", sink=sink, environment="test")
    async with open_shop(tmp_path) as app:
        yield app, sink
    fixstream.producers.shut_down()


def client_of(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://shop")


async def test_every_fault_is_real_and_is_captured(shop: tuple[FastAPI, MemorySink]) -> None:
    app, sink = shop
    async with client_of(app) as client:
        for fault, visit in broken().items():
            before = len(sink.events)
            method, path = visit(random.Random(1))
            answer = await client.request(method, path)

            assert answer.status_code == 500, fault
            assert len(sink.events) == before + 1, fault
            event = sink.events[-1]
            error_type, words = EXPECTED[fault]
            assert (event.error_type or "").endswith(error_type), (fault, event.error_type)
            assert words in (event.stack_trace or ""), (fault, event.stack_trace)
            assert "{" in event.attributes["http.route"] or event.attributes["http.route"]
    assert len(broken()) >= 30


async def test_what_is_healthy_works(shop: tuple[FastAPI, MemorySink]) -> None:
    app, sink = shop
    async with client_of(app) as client:
        for visit in HEALTHY:
            method, path = visit(random.Random(1))
            assert (await client.request(method, path)).status_code == 200

    assert sink.events == ()


def test_the_customers_are_reproducible() -> None:
    def visits(seed: int) -> list[tuple[str, str]]:
        config = TrafficConfig(requests_per_s=20, fault_share=0.6, seed=seed)
        traffic = Traffic("http://shop", config)
        return [traffic.next_visit() for _ in range(200)]

    assert visits(1) == visits(1)
    assert visits(1) != visits(2)


def test_only_faults_or_none_as_asked() -> None:
    healthy = Traffic("http://shop", TrafficConfig(requests_per_s=1, fault_share=0.0, seed=1))
    paths = {healthy.next_visit()[1].split("/")[1] for _ in range(50)}

    assert paths <= {"", "products", "customers"}
