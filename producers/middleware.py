"""ASGI middleware that reports what a request raises. Pure ASGI: no body is read, none held back.

The exception always goes on to the host's own handlers, and the response is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from fixstream.producers import host_log
from fixstream.producers.installation import current_reporter, watch_running_loop
from fixstream.producers.reporter import ErrorReporter, Sighting, own_reporter
from fixstream.producers.sinks import EventSink
from fixstream.producers.trace_context import request_headers
from fixstream.schemas.enums import EventSource

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class ErrorLearningMiddleware:
    """Wraps an ASGI app (FastAPI, Starlette, Litestar, Django): `app.add_middleware(...)`.

    Args:
        app: The application.
        sink: Where events go; None uses what `fixstream.producers.init` set up, or sets that up
            from the environment with the first request.
        service: The service's name; with a `sink` it is required.
        reporter: A reporter made elsewhere, instead of `sink` and `service`.
        report_5xx: Report responses of status 500 and above that no exception explains.
    """

    def __init__(
        self,
        app: ASGIApp,
        sink: EventSink | None = None,
        service: str | None = None,
        *,
        reporter: ErrorReporter | None = None,
        report_5xx: bool = False,
    ) -> None:
        self._app = app
        self._reporter = reporter or own_reporter(sink, service)
        self._service = service
        self._report_5xx = report_5xx

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; report what it raises, and raise it again."""
        if scope["type"] == "lifespan":
            # No headers and no path, but the first moment at which the event loop runs.
            watch_running_loop()
            await self._watched(scope, receive, send, _Response())
            return
        token = request_headers.set(scope.get("headers"))
        response = _Response()

        async def observing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                response.status = message["status"]
            await send(message)

        try:
            await self._watched(scope, receive, observing_send, response)
        finally:
            request_headers.reset(token)

    async def _watched(
        self, scope: Scope, receive: Receive, send: Send, response: _Response
    ) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            self._report(error, scope, response)
            raise
        if self._report_5xx and response.status is not None and response.status >= 500:
            self._report(None, scope, response)

    def _report(self, error: Exception | None, scope: Scope, response: _Response) -> None:
        try:
            reporter = self._reporter or current_reporter(self._service)
            sighting = _sighting(scope, response)
            if error is not None:
                reporter.report_exception(error, sighting)
                return
            answer = f"{scope['method']} {_route(scope) or _path(scope)} answered {response.status}"
            reporter.report_message(lambda: answer, answer, sighting)
        except Exception as failure:  # noqa: BLE001 -- it would take the place of the host's error
            host_log.swallowed("the middleware", failure)


class _Response:
    """What is known of the response: no status means that it has not started."""

    __slots__ = ("status",)

    def __init__(self, status: int | None = None) -> None:
        self.status = status


def _sighting(scope: Scope, response: _Response) -> Sighting:
    attributes = {"asgi.scope": str(scope["type"])}
    if scope["type"] != "lifespan":
        attributes["url.path"] = _path(scope)
        attributes["http.request.method"] = str(scope.get("method", "GET"))
        attributes["http.response.started"] = str(response.status is not None).lower()
        # Unless something was sent already, the host answers 500 for what it did not catch.
        attributes["http.response.status_code"] = str(response.status or 500)
        if route := _route(scope):
            attributes["http.route"] = route
    return Sighting(source=EventSource.MIDDLEWARE, attributes=attributes)


def _route(scope: Scope) -> str | None:
    """The route's template where the framework left one in the scope, as Starlette's do."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else None


def _path(scope: Scope) -> str:
    return scrubbed_path(str(scope.get("path", "")))


_ID_SEGMENT: Final = re.compile(
    r"(?<=/)(?:\d+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{12,}|"
    r"(?=[^/]*\d)[\w.~%+@:-]{16,}|[^/]*@[^/]*)(?=/|$)"
)


def scrubbed_path(path: str) -> str:
    """The path with ids in its segments replaced by `{id}`; it has no query to begin with.

    >>> scrubbed_path("/orders/1234/items/3fa85f64-5717-4562-b3fc-2c963f66afa6")
    '/orders/{id}/items/{id}'
    """
    return _ID_SEGMENT.sub("{id}", path[:2048])
