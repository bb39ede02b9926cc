"""WSGI middleware (Flask, Django, Pyramid): reports what a request raises, and raises it again.

It neither reads the body nor holds the response back; errors while the response is iterated count
as the request's too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fixstream.producers import host_log
from fixstream.producers.installation import current_reporter
from fixstream.producers.middleware import scrubbed_path
from fixstream.producers.reporter import ErrorReporter, Sighting, own_reporter
from fixstream.producers.sinks import EventSink
from fixstream.producers.trace_context import Headers, request_headers
from fixstream.schemas.enums import EventSource

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_HEADERS = (
    ("HTTP_TRACEPARENT", b"traceparent"),
    ("HTTP_X_CORRELATION_ID", b"x-correlation-id"),
    ("HTTP_X_REQUEST_ID", b"x-request-id"),
)


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
        self._reporter = reporter or own_reporter(sink, service)
        self._service = service

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Run the app; report what it raises, and raise it again."""
        status: list[str] = []

        def observing_start(line: str, *args: Any) -> Any:
            status[:] = [line]
            return start_response(line, *args)

        token = request_headers.set(_headers(environ))
        try:
            body = self._app(environ, observing_start)
        except Exception as error:
            self._report(error, environ, status)
            raise
        finally:
            request_headers.reset(token)
        if isinstance(body, list | tuple):
            return body
        return _WatchedBody(body, lambda error: self._report(error, environ, status))

    def _report(self, error: Exception, environ: Environ, status: list[str]) -> None:
        token = request_headers.set(_headers(environ))
        try:
            reporter = self._reporter or current_reporter(self._service)
            reporter.report_exception(error, _sighting(environ, status))
        except Exception as failure:  # noqa: BLE001 -- it would take the place of the host's error
            host_log.swallowed("the middleware", failure)
        finally:
            request_headers.reset(token)


class _WatchedBody:
    """The response's body, which may fail while it is sent."""

    def __init__(self, body: Iterable[bytes], report: Callable[[Exception], None]) -> None:
        self._body = body
        self._report = report

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except Exception as error:
            self._report(error)
            raise

    def close(self) -> None:
        """Pass the server's close on."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


def _headers(environ: Environ) -> Headers:
    return [
        (name, str(environ[key]).encode("latin-1", "replace"))
        for key, name in _HEADERS
        if key in environ
    ]


def _sighting(environ: Environ, status: list[str]) -> Sighting:
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    return Sighting(
        source=EventSource.MIDDLEWARE,
        attributes={
            "url.path": scrubbed_path(path),
            "http.request.method": str(environ.get("REQUEST_METHOD", "GET")),
            "http.response.started": str(bool(status)).lower(),
            "http.response.status_code": status[0].split(" ", 1)[0] if status else "500",
        },
    )
