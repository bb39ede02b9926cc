"""The server beside each service, over real HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from fixstream.runtime.metrics import Health, serve_metrics
from fixstream.schemas.errors import Misconfigured


def get(url: str) -> tuple[int, str, str]:
    response = httpx.get(url, timeout=10)
    return response.status_code, response.headers["Content-Type"], response.text


def test_metrics_are_shown_in_prometheus_words() -> None:
    registry = CollectorRegistry()
    counter = Counter("fixstream_test_things_total", "Things.", registry=registry)
    with serve_metrics(0, registry=registry) as server:
        counter.inc(3)
        status, content_type, body = get(f"{server.url}/metrics?x=1")
    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    assert "fixstream_test_things_total 3.0" in body


@pytest.mark.parametrize(
    ("health", "status", "body"),
    [
        (None, 200, {"status": "ok"}),
        (lambda: Health(details={"lag": 3}), 200, {"status": "ok", "lag": 3}),
        (lambda: Health(is_healthy=False, details={"why": "no broker"}), 503, None),
        (lambda: 1 / 0, 503, {"status": "failing"}),
    ],
)
def test_health_is_asked_each_time(
    health: Callable[[], Health] | None, status: int, body: dict[str, object] | None
) -> None:
    with serve_metrics(0, health=health, registry=CollectorRegistry()) as server:
        answer = get(f"{server.url}/healthz")
    assert answer[:2] == (status, "application/json")
    assert json.loads(answer[2]) == (body or {"status": "failing", "why": "no broker"})


def test_nothing_else_lives_there() -> None:
    with serve_metrics(0, registry=CollectorRegistry()) as server:
        assert get(f"{server.url}/secrets")[0] == 404


def test_a_silent_client_does_not_block_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixstream.runtime.metrics._Requests.timeout", 60.0)
    with (
        serve_metrics(0, registry=CollectorRegistry()) as server,
        socket.create_connection((server.host, server.port)),
    ):
        assert get(f"{server.url}/healthz")[0] == 200


def test_the_port_is_free_again_afterwards() -> None:
    with serve_metrics(0, registry=CollectorRegistry()) as first:
        port = first.port
    with serve_metrics(port, registry=CollectorRegistry()) as second:
        assert get(f"{second.url}/healthz")[0] == 200


def test_a_taken_port_is_told_in_one_line() -> None:
    with (
        serve_metrics(0, registry=CollectorRegistry()) as first,
        pytest.raises(Misconfigured, match=f"metrics port {first.port} on 127.0.0.1"),
        serve_metrics(first.port, registry=CollectorRegistry()),
    ):
        pass
