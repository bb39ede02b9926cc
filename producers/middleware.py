"""ASGI middleware that reports what a request raises, or what the framework answers 500 for.

Pure ASGI: no body is read, none held back. The exception always goes on to the host's own handlers.
The response is never touched, but for one header that a developer may ask for in development.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from fixstream.producers import host_log
from fixstream.producers.framework_signals import watch_frameworks
from fixstream.producers.installation import current_reporter, watch_running_loop
from fixstream.producers.reporter import ErrorReporter, Sighting, own_reporter
from fixstream.producers.request_body import CapturedBody, teed_receive
from fixstream.producers.request_in_flight import Headers, current_request
from fixstream.producers.sinks import EventSink
from fixstream.schemas.enums import EventSource

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
"""Each framework has types of its own for the three."""

SUGGESTION_HEADER: Final = "X-Fixstream-Suggestion"


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
        self._own_reporter = reporter or own_reporter(sink, service)
        self._service = service
        self._report_5xx = report_5xx
        self._is_watching = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; report what it raises, and raise it again."""
        reporter = self._own_reporter or current_reporter(self._service)
        if not self._is_watching:
            self._is_watching = True
            watch_frameworks()
        request = _AsgiRequest(reporter, scope, send)
        if scope["type"] == "lifespan":
            # The first moment at which the event loop runs.
            watch_running_loop()
            receive = request.listening(receive)
        elif reporter.max_body_bytes:
            request.body = CapturedBody(reporter.max_body_bytes)
            receive = teed_receive(receive, request.body)
        if reporter.has_advice:
            _see_the_frameworks_answer(scope, reporter)
        token = current_request.set(request)
        try:
            await self._app(scope, receive, request.send)
        except Exception as error:
            if request.is_taken_on:
                request.report(error)
            raise
        finally:
            current_request.reset(token)
        if self._report_5xx:
            request.report_answer()


class _AsgiRequest:
    """A `RequestInFlight`: what is known of the request, and of the response to it."""

    __slots__ = ("_error", "_reporter", "_scope", "_send", "body", "is_taken_on", "status")

    def __init__(self, reporter: ErrorReporter, scope: Scope, send: Send) -> None:
        self._reporter = reporter
        self._scope = scope
        self._send = send
        self._error: Exception | None = None
        self.body: CapturedBody | None = None
        self.is_taken_on = scope["type"] != "lifespan"
        """False for a lifespan that the application has not listened to: one that knows none, such
        as Django, raises at once, and servers go on without."""
        self.status: int | None = None
        """None as long as the response has not started."""

    @property
    def headers(self) -> Headers:
        """The raw headers; a lifespan has none."""
        headers: Headers = self._scope.get("headers", ())
        return headers

    def listening(self, receive: Receive) -> Receive:
        """Tells by the first message that is asked for that the application takes the scope on."""

        async def listening_receive() -> Message:
            self.is_taken_on = True
            return await receive()

        return listening_receive

    async def send(self, message: Message) -> None:
        """Pass a message on, and see what it says."""
        if message["type"] == "http.response.start":
            status = message["status"]
            if status >= 500:
                message = self._failing(message)
            self.status = status
        await self._send(message)

    def report(self, error: Exception) -> None:
        """Report what escapes from the application, once."""
        if error is self._error:
            return
        self._error = error
        try:
            self._reporter.report_exception(error, _SEEN)
        except Exception as failure:  # noqa: BLE001 -- it would take the place of the host's error
            host_log.swallowed("the middleware", failure)

    def report_answer(self) -> None:
        """Report an answer of 500 and above for which no exception was seen."""
        if self._error is not None or self.status is None or self.status < 500:
            return
        try:
            place = _route(self._scope) or _path(self._scope)
            answer = f"{self._scope['method']} {place} answered {self.status}"
            self._reporter.report_message(lambda: answer, answer, _SEEN)
        except Exception as failure:  # noqa: BLE001 -- the host's response is on its way
            host_log.swallowed("the middleware", failure)

    def attributes(self) -> dict[str, str]:
        """As an event of this request carries them."""
        scope = self._scope
        attributes = {"asgi.scope": str(scope["type"])}
        if scope["type"] == "lifespan":
            return attributes
        attributes["url.path"] = _path(scope)
        attributes["http.request.method"] = str(scope.get("method", "GET"))
        attributes["http.response.started"] = str(self.status is not None).lower()
        # Unless something was sent already, the host answers 500 for what it did not catch.
        attributes["http.response.status_code"] = str(self.status or 500)
        if route := _route(scope):
            attributes["http.route"] = route
        if self.body is not None:
            attributes |= self.body.attributes(self.headers)
        return attributes

    def _failing(self, message: Message) -> Message:
        """The start of an answer of 500 and above; the framework may be handling the exception."""
        error = sys.exception()
        if isinstance(error, Exception) and message["status"] == 500 and not _is_an_answer(error):
            self.report(error)
        return with_suggestion(message, self._reporter, self._error)


_SEEN: Final = Sighting(source=EventSource.MIDDLEWARE)


def _is_an_answer(error: Exception) -> bool:
    """Whether the host raised it to answer with, as the HTTPException of several frameworks."""
    return isinstance(getattr(error, "status_code", None), int)


def with_suggestion(message: Message, reporter: ErrorReporter, error: Exception | None) -> Message:
    """The start of a response, with the header where a fix of `error` is known; never raises."""
    if error is None or not reporter.has_advice:
        return message
    advice = reporter.advice_header(error)
    name = SUGGESTION_HEADER.lower().encode()
    headers = list(message.get("headers", ()))
    if advice is None or any(header[0] == name for header in headers):
        return message
    return {**message, "headers": [*headers, (name, advice.encode("ascii"))]}


def _see_the_frameworks_answer(scope: Scope, reporter: ErrorReporter) -> None:
    """Starlette answers 500 outside of all middlewares: put the header in there, too."""
    app = scope.get("app")
    stack = getattr(app, "middleware_stack", None)
    if type(stack).__name__ == "ServerErrorMiddleware":
        setattr(app, "middleware_stack", _SuggestingStack(stack, reporter))  # noqa: B010


class _SuggestingStack:
    """Around everything that a Starlette application does; adds the header and nothing else."""

    def __init__(self, app: Any, reporter: ErrorReporter) -> None:
        self._app = app
        self._reporter = reporter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def suggesting_send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 500:
                error = sys.exception()
                if isinstance(error, Exception):
                    message = with_suggestion(message, self._reporter, error)
            await send(message)

        await self._app(scope, receive, suggesting_send)


def _route(scope: Scope) -> str | None:
    """The route's template where the framework left one in the scope, as Starlette's do."""
    path = getattr(scope.get("route"), "path", None) or scope.get("path_template")
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
