"""The servers of other companies that the shop depends on, each with its own bad habit.

They listen on free ports of the loopback interface and speak just enough HTTP for a client
library to fail on its own terms.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fixstream.cli.demo.shop.certificates import (
    Authority,
    client_context,
    expired,
    make_authority,
    server_context,
    valid_now,
)

Respond = Callable[[asyncio.StreamWriter], None]

HOST = "127.0.0.1"
UNRESOLVABLE = "rates.parcel-express.invalid"
"""RFC 6761 keeps `.invalid` from ever resolving."""


@dataclass(frozen=True, slots=True)
class Suppliers:
    """Where they are reached."""

    http: str
    """The one that answers, in its ways, over plain HTTP."""
    refusing: str
    """Nobody listens there."""
    expired_tls: str
    misnamed_tls: str
    self_signed_tls: str
    trust: ssl.SSLContext
    """Verifies certificates as the shop does: by its own authority."""
    taken_port: int
    """A port that is in use."""


@asynccontextmanager
async def open_suppliers(folder: Path) -> AsyncIterator[Suppliers]:
    """Start all of them; `folder` takes their keys."""
    authority = make_authority()
    async with AsyncExitStack() as stack:
        plain = await _serve(stack, None)
        yield Suppliers(
            http=f"http://{HOST}:{plain}",
            refusing=f"http://{HOST}:{_reserved_port(stack)}",
            expired_tls=await _serve_tls(stack, folder, authority, "expired"),
            misnamed_tls=await _serve_tls(stack, folder, authority, "misnamed"),
            self_signed_tls=await _serve_tls(stack, folder, authority, "self_signed"),
            trust=client_context(authority),
            taken_port=plain,
        )


async def _serve_tls(stack: AsyncExitStack, folder: Path, authority: Authority, flaw: str) -> str:
    context = server_context(
        folder,
        "warehouse.example" if flaw == "misnamed" else "localhost",
        expired() if flaw == "expired" else valid_now(),
        None if flaw == "self_signed" else authority,
    )
    return f"https://localhost:{await _serve(stack, context)}"


async def _serve(stack: AsyncExitStack, context: ssl.SSLContext | None) -> int:
    connections = _Connections()
    server = await asyncio.start_server(connections.answer, HOST, 0, ssl=context)
    stack.push_async_callback(connections.close)
    stack.callback(server.close)
    port: int = server.sockets[0].getsockname()[1]
    return port


def _reserved_port(stack: AsyncExitStack) -> int:
    # Bound but not listening: nobody else gets the port, and whoever connects is refused.
    reserved = stack.enter_context(socket.socket())
    reserved.bind((HOST, 0))
    port: int = reserved.getsockname()[1]
    return port


class _Connections:
    """Answers requests, and remembers who is being answered so that closing can end it."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        task.add_done_callback(self._open.pop)
        # A client that hangs up first is no fault of ours.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ", 2)[1].split(b"?")[0].decode("latin-1")
            answer = _ANSWERS.get(path.split("/")[1])
            if answer is None:
                # The one that stalls: it reads on until the client hangs up.
                await reader.read()
            else:
                answer(writer)
                await writer.drain()
        writer.close()

    async def close(self) -> None:
        tasks = list(self._open)
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*tasks)


def _rate_limited(writer: asyncio.StreamWriter) -> None:
    _write(writer, "429 Too Many Requests", b'{"error":"quota exceeded"}', "Retry-After: 30")


def _unavailable(writer: asyncio.StreamWriter) -> None:
    _write(writer, "503 Service Unavailable", b"upstream connect error")


def _forbidden(writer: asyncio.StreamWriter) -> None:
    _write(writer, "403 Forbidden", b'{"error":"missing scope loyalty.write"}')


def _half_json(writer: asyncio.StreamWriter) -> None:
    _write(writer, "200 OK", b'{"items": [{"sku": "A-1", "left": 4}, {"sku": ')


def _maintenance_page(writer: asyncio.StreamWriter) -> None:
    _write(writer, "200 OK", b"<html><body>We are upgrading. Back soon!</body></html>")


def _bad_price(writer: asyncio.StreamWriter) -> None:
    _write(writer, "200 OK", b'{"sku": "A-1", "amount": "twelve", "currency": null}')


def _latin_feed(writer: asyncio.StreamWriter) -> None:
    _write(writer, "200 OK", "sku;name\nB-7;Caf\xe9 press\n".encode("latin-1"))


def _cut_off(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nonly the first")


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    # Zero linger makes the kernel answer with RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


_ANSWERS: dict[str, Respond] = {
    "rates": _rate_limited,
    "stock": _unavailable,
    "points": _forbidden,
    "inventory": _half_json,
    "weather": _maintenance_page,
    "price": _bad_price,
    "feed": _latin_feed,
    "manual": _cut_off,
    "tracking": _reset,
}


def _write(writer: asyncio.StreamWriter, status: str, body: bytes, *headers: str) -> None:
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
