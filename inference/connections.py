"""Bounds what a connection may cost before it has become a request.

uvicorn waits for ever for the first byte and for the end of the headers, and keeps headers of any
size, so a few thousand clients could hold a few thousand sockets and all memory. Here a connection
that does not get its headers together in time or in size is closed, and one too many is told so at
once. Bodies are the gate's business.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fixstream.inference import metrics
from fixstream.inference.problems import problem_document

log = structlog.get_logger(__name__)


def _closing_answer(status: bytes, code: int, detail: str, *headers: bytes) -> bytes:
    body = problem_document(code, detail)
    lines = [
        b"HTTP/1.1 " + status,
        b"content-type: application/problem+json",
        b"content-length: " + str(len(body)).encode(),
        b"connection: close",
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


TOO_MANY = _closing_answer(
    b"503 Service Unavailable", 503, "Too many connections are open.", b"retry-after: 1"
)
TOO_SLOW = _closing_answer(b"408 Request Timeout", 408, "The headers did not come in time.")
TOO_LARGE = _closing_answer(
    b"431 Request Header Fields Too Large", 431, "The headers are too large."
)
NOT_HTTP = _closing_answer(b"400 Bad Request", 400, "This is no HTTP request.")


MAX_HEAD_BYTES = 65_536
"""Of a request beside its body, and of what comes in the read that it begins in."""
ROOM_FOR_CHUNKS = 16
"""Bytes of framing that each byte of a body may bring along: a chunk of one byte needs five."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on headers (time, size) and on connections."""

    max_connections = 10_000
    header_deadline_s = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As uvicorn calls it, with whatever arguments it has."""
        super().__init__(*args, **kwargs)
        self._headers_due: asyncio.TimerHandle | None = None
        self._num_bytes_left = MAX_HEAD_BYTES

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, or closes it."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refuse("too_many", TOO_MANY)
            return
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the deadline with the connection."""
        self._got_headers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on, unless the connection is being closed."""
        if self.transport.is_closing():
            return
        self._num_bytes_left -= len(data)
        super().data_received(data)
        if self._num_bytes_left < 0 and not self.transport.is_closing():
            self._refuse("large_headers", TOO_LARGE)

    def on_message_begin(self) -> None:
        """The first byte of a request's head."""
        super().on_message_begin()
        self._num_bytes_left = MAX_HEAD_BYTES
        self._expect_headers()

    def on_body(self, body: bytes) -> None:
        """Some of a body, which the gate bounds: here it counts for nothing."""
        self._num_bytes_left += (1 + ROOM_FOR_CHUNKS) * len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """The last byte of it."""
        self._got_headers()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP at all."""
        self.transport.write(NOT_HTTP)
        self.transport.close()

    def _expect_headers(self) -> None:
        if self._headers_due is None:
            self._headers_due = self.loop.call_later(self.header_deadline_s, self._give_up)

    def _got_headers(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _give_up(self) -> None:
        self._headers_due = None
        self._refuse("slow_headers", TOO_SLOW)

    def _refuse(self, reason: str, answer: bytes) -> None:
        metrics.CONNECTIONS_REFUSED.labels(reason).inc()
        self.transport.write(answer)
        self.transport.close()


def bounded_protocol(max_connections: int, header_deadline_s: float) -> type[BoundedProtocol]:
    """uvicorn's `http` option, with these bounds."""
    bounds = {"max_connections": max_connections, "header_deadline_s": header_deadline_s}
    return type("Bounded", (BoundedProtocol,), bounds)


def allow_open_files(wanted: int) -> int:
    """Raises this process's limit of open files as far as it may go; returns the limit.

    Args:
        wanted: Connections and other files that may be open at once.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    if most < wanted:
        log.warning("fewer open files than wanted", allowed=most, wanted=wanted)
    return max(soft, most)
