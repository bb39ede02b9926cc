"""WSGI middleware (Flask, Django, Pyramid): reports what a request raises, and raises it again.

It neither reads the body nor holds the response back; errors while the response is iterated count
as the request's too. What Django and Flask answer 500 for is told by their signals.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fixstream.producers import host_log
from fixstream.producers.framework_signals import watch_frameworks
from fixstream.producers.installation import current_reporter
from fixstream.producers.middleware import SUGGESTION_HEADER, scrubbed_path
from fixstream.producers.reporter import ErrorReporter, Sighting, own_reporter
from fixstream.producers.request_body import CapturedBody, TeedInput
from fixstream.producers.request_in_flight import Headers, current_request
from fixstream.producers.sinks import EventSink
from fixstream.schemas.enums import EventSource

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_HEADERS = (
    ("HTTP_TRACEPARENT", b"traceparent"),
    ("HTTP_X_CORRELATION_ID", b"x-correlation-id"),
    ("HTTP_X_REQUEST_ID", b"x-request-id"),
    ("CONTENT_TYPE", b"content-type"),
)
_SEEN = Sighting(source=EventSource.MIDDLEWARE)


class WsgiErrorLearningMiddleware:
    """Wraps a WSGI app; the arguments are those of `ErrorLearningMiddleware`."""

    def __init__(
        self,
        app: WSGIApp,
        sink: EventSink | None = None,
        service: str | None = None,
        *,
        reporter: ErrorReporter | None = None,
    ) -> None:
        self._app = app
        self._own_reporter = reporter or own_reporter(sink, service)
        self._service = service
        self._is_watching = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Run the app; report what it raises, and raise it again."""
        reporter = self._own_reporter or current_reporter(self._service)
        if not self._is_watching:
            self._is_watching = True
            watch_frameworks()
        request = _WsgiRequest(reporter, environ, start_response)
        if reporter.max_body_bytes and "wsgi.input" in environ:
            request.body = CapturedBody(reporter.max_body_bytes)
            environ["wsgi.input"] = TeedInput(environ["wsgi.input"], request.body)
        token = current_request.set(request)
        try:
            body = self._app(environ, request.start_response)
        except Exception as error:
            request.report(error)
            raise
        finally:
            current_request.reset(token)
        if isinstance(body, list | tuple) or _is_sent_as_a_file(body, environ):
            return body
        return _WatchedBody(body, request)


def _is_sent_as_a_file(body: object, environ: Environ) -> bool:
    """Whether the server knows a quicker way to send the body than to iterate over it."""
    file_wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(file_wrapper, type) and isinstance(body, file_wrapper)


class _WsgiRequest:
    """A `RequestInFlight`: what is known of the request, and of the response to it."""

    def __init__(
        self, reporter: ErrorReporter, environ: Environ, start_response: StartResponse
    ) -> None:
        self._reporter = reporter
        self._environ = environ
        self._start_response = start_response
        self._error: Exception | None = None
        self._status: str | None = None
        self.body: CapturedBody | None = None

    @property
    def headers(self) -> Headers:
        """Those that are of use to an event, named as ASGI names them."""
        return [
            (name, str(self._environ[key]).encode("latin-1", "replace"))
            for key, name in _HEADERS
            if key in self._environ
        ]

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        """Pass the start on; with a known fix in it, where the host asked for that."""
        if status.startswith("500") and self._reporter.has_advice:
            headers = self._with_suggestion(headers)
        self._status = status
        return self._start_response(status, headers, *exc_info)

    def report(self, error: Exception) -> None:
        """Report what escapes from the application, once."""
        if error is self._error:
            return
        self._error = error
        # The body is iterated after the call has returned, and with it the context.
        token = current_request.set(self)
        try:
            self._reporter.report_exception(error, _SEEN)
        except Exception as failure:  # noqa: BLE001 -- it would take the place of the host's error
            host_log.swallowed("the middleware", failure)
        finally:
            current_request.reset(token)

    def attributes(self) -> dict[str, str]:
        """As an event of this request carries them."""
        environ, status = self._environ, self._status
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        attributes = {
            "url.path": scrubbed_path(path),
            "http.request.method": str(environ.get("REQUEST_METHOD", "GET")),
            "http.response.started": str(status is not None).lower(),
            "http.response.status_code": status.split(" ", 1)[0] if status else "500",
        }
        return attributes if self.body is None else attributes | self.body.attributes(self.headers)

    def _with_suggestion(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        error = self._error or sys.exception()
        advice = self._reporter.advice_header(error) if isinstance(error, Exception) else None
        return headers if advice is None else [*headers, (SUGGESTION_HEADER, advice)]


class _WatchedBody:
    """The response's body, which may fail while it is sent."""

    def __init__(self, body: Iterable[bytes], request: _WsgiRequest) -> None:
        self._body = body
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except Exception as error:
            self._request.report(error)
            raise

    def close(self) -> None:
        """Pass the server's close on."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
