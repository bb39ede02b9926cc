"""The first bytes of a request's body, as the application itself reads them. Off by default.

Nothing is read ahead and nothing is held back: what the application never reads is never seen.
Only text is kept, and it is scrubbed like all else before it leaves the process.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from fixstream.producers.request_in_flight import Headers

BODY: Final = "http.request.body"
"""Attribute: what was captured."""
BODY_SIZE: Final = "http.request.body.size"
"""Attribute: how many bytes the application read, as decimal digits."""

_TEXT: Final = re.compile(
    rb"(?i)\s*(?:text/|application/(?:[\w.+-]{0,80}(?:json|xml|yaml|graphql)|x-www-form-urlencoded))"
)
_BREAKS: Final = ",&;\n}]> "

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class CapturedBody:
    """Grows with what passes by, up to its limit."""

    __slots__ = ("_kept", "_max_bytes", "num_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept = bytearray()
        self.num_bytes = 0

    def add(self, piece: bytes) -> None:
        """See one more piece."""
        self.num_bytes += len(piece)
        room = self._max_bytes - len(self._kept)
        if room > 0:
            self._kept += piece[:room]

    def attributes(self, headers: Headers) -> dict[str, str]:
        """The attributes of an event; no text where the body is none, or says it is none."""
        if not self.num_bytes:
            return {}
        size = {BODY_SIZE: str(self.num_bytes)}
        kind = next((value for name, value in headers if name == b"content-type"), b"")
        if not _TEXT.match(kind):
            return size
        text = self._kept.decode("utf-8", "replace")
        if self.num_bytes > len(self._kept):
            text = _without_its_end(text)
        return {BODY: text, **size}


def _without_its_end(text: str) -> str:
    """Up to the last whole value: of half a secret nobody could tell that it is one."""
    end = max(text.rfind(mark) for mark in _BREAKS)
    return f"{text[: max(end, 0)]}[... cut ...]"


def teed_receive(receive: Receive, body: CapturedBody) -> Receive:
    """An ASGI `receive` whose pieces of the body are seen by `body` as well."""

    async def receive_and_see() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            body.add(message.get("body", b""))
        return message

    return receive_and_see


class TeedInput:
    """A `wsgi.input` whose bytes are seen by a `CapturedBody` as they are read."""

    def __init__(self, stream: Any, body: CapturedBody) -> None:
        self._stream = stream
        self._body = body

    def read(self, *size: int) -> bytes:
        """As the stream's own."""
        return self._seen(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        """As the stream's own."""
        return self._seen(self._stream.readline(*size))

    def readlines(self, *hint: int) -> list[bytes]:
        """As the stream's own."""
        lines: list[bytes] = self._stream.readlines(*hint)
        for line in lines:
            self._seen(line)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return map(self._seen, self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _seen(self, piece: bytes) -> bytes:
        self._body.add(piece)
        return piece
