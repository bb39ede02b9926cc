"""The request that is being handled here and now, for whichever hook sees an error in it.

Most is read only when something fails. It keeps no body unless the host asked for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fixstream.producers.request_body import CapturedBody

Headers = Iterable[tuple[bytes, bytes]]
"""ASGI's raw headers: lower-case names."""


class RequestInFlight(Protocol):
    """What a middleware knows of its request."""

    @property
    def headers(self) -> Headers:
        """The raw headers that are of use: trace context, correlation ids, content type."""
        ...

    @property
    def body(self) -> CapturedBody | None:
        """What the application has read of the body, where the host wants that kept."""
        ...

    def attributes(self) -> Mapping[str, str]:
        """Path, method, route and status, as an event carries them."""
        ...

    def report(self, error: Exception) -> None:
        """Report an error of this request in the middleware's own name. Never raises."""
        ...


current_request: ContextVar[RequestInFlight | None] = ContextVar("fixstream_request", default=None)
"""Set by the middlewares; threads and tasks that a request starts with its context see it too."""
