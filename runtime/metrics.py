"""The small HTTP server beside each service: `/metrics` for Prometheus and `/healthz`.

Each part defines its own metrics in its own `metrics` module, named
`fixstream_<part>_<noun>_total` and so on. This module serves them; it knows none of them.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from fixstream.schemas.errors import Misconfigured

log = structlog.get_logger(__name__)

REQUEST_TIMEOUT_S = 2.0
"""How long a client may take over its request; it also bounds how long closing takes."""


@dataclass(frozen=True, slots=True)
class Health:
    """What `/healthz` says: 200 if healthy, 503 if not, with the details as JSON."""

    is_healthy: bool = True
    details: Mapping[str, object] = field(default_factory=dict)


HealthCheck = Callable[[], Health]


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """A running server's address."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://{self.host}:{self.port}"


@contextmanager
def serve_metrics(
    port: int,
    host: str = "127.0.0.1",
    health: HealthCheck | None = None,
    registry: CollectorRegistry = REGISTRY,
) -> Iterator[MetricsServer]:
    """Serves `/metrics` and `/healthz` from a thread of its own until the block ends.

    Args:
        port: 0 takes any free one.
        host: The address to listen on.
        health: Asked on each `/healthz`; None always says healthy.
        registry: Whose metrics to show.

    Raises:
        Misconfigured: The port cannot be listened on.
    """
    try:
        server = _Server((host, port), health or Health, registry)
    except OSError as error:
        raise Misconfigured(f"metrics port {port} on {host}: {error.strerror}") from error
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="metrics", daemon=True
    )
    thread.start()
    try:
        yield MetricsServer(host, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    # Threads per request keep one slow client from blocking the health check; they are joined at
    # the end, which REQUEST_TIMEOUT_S bounds.
    daemon_threads = False

    def __init__(
        self, address: tuple[str, int], health: HealthCheck, registry: CollectorRegistry
    ) -> None:
        self.health = health
        self.registry = registry
        super().__init__(address, _Requests)

    def handle_error(self, request: object, client_address: object) -> None:
        # Called inside an exception handler; a client that hangs up is no news.
        log.debug("metrics request failed", error=repr(sys.exc_info()[1]))


class _Requests(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT_S
    server: _Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, content_type, encode(self.server.registry))
        elif path == "/healthz":
            health = self._health()
            body = {"status": "ok" if health.is_healthy else "failing", **health.details}
            status = 200 if health.is_healthy else 503
            self._answer(status, "application/json", json.dumps(body, default=str).encode())
        else:
            self._answer(404, "text/plain", b"only /metrics and /healthz live here\n")

    def _health(self) -> Health:
        try:
            return self.server.health()
        except Exception:  # A check that fails is an answer: not healthy.
            log.warning("health check failed", exc_info=True)
            return Health(is_healthy=False)

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
        """Says nothing: probes come every few seconds."""
