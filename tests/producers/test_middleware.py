"""The middleware: the exception goes on, the response is untouched, the circumstances are told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from starlette.responses import StreamingResponse

import fixstream.producers
from fixstream.producers.drops import DropReason
from fixstream.producers.middleware import ErrorLearningMiddleware, scrubbed_path
from fixstream.producers.request_in_flight import current_request
from fixstream.producers.sinks import MemorySink
from fixstream.producers.wsgi import WsgiErrorLearningMiddleware

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def make_app(sink: MemorySink | None, **options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(ErrorLearningMiddleware, sink=sink, service="shop", **options)

    @app.get("/orders/{number}")
    async def order(number: int) -> dict[str, int]:
        if number == 13:
            raise KeyError("thirteen")
        return {"number": number}

    @app.get("/answers/{status}")
    async def answers(status: int) -> None:
        raise HTTPException(status)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> Any:
            yield b"first"
            raise RuntimeError("broke in the middle")

        return StreamingResponse(pieces())

    @app.post("/echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    return app


async def get(app: Any, path: str, *, quiet: bool = True, **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=not quiet)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return await client.get(path, **more)


async def test_what_a_request_raises_is_reported_and_raised_again() -> None:
    sink = MemorySink()
    app = make_app(sink)

    with pytest.raises(KeyError, match="thirteen"):
        await get(app, "/orders/13?card=4111", quiet=False, headers={"traceparent": TRACEPARENT})

    (event,) = sink.events
    assert event.error_type == "KeyError"
    assert event.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert event.attributes["http.route"] == "/orders/{number}"
    assert event.attributes["url.path"] == "/orders/{id}"
    assert event.attributes["http.request.method"] == "GET"
    assert event.attributes["http.response.status_code"] == "500"
    assert event.attributes["http.response.started"] == "false"
    assert "4111" not in repr(event)


async def test_nothing_of_a_request_is_left_for_the_next_one() -> None:
    async def fine(scope: Any, receive: Any, send: Any) -> None:
        request = current_request.get()
        assert request is not None
        assert request.headers == scope["headers"]

    scope = {"type": "http", "path": "/", "method": "GET", "headers": [(b"x-request-id", b"7")]}
    app = ErrorLearningMiddleware(fine, sink=MemorySink(), service="shop")
    await app(scope, None, None)  # type: ignore[arg-type]

    assert current_request.get() is None


async def test_the_response_is_the_one_of_the_app_alone() -> None:
    sink = MemorySink()
    app, bare = make_app(sink), make_app(sink)
    bare.user_middleware.clear()

    for path in (
        "/orders/1",
        "/orders/13",
        "/answers/418",
        "/answers/503",
        "/nowhere",
        "/orders/x",
    ):
        watched, alone = await get(app, path), await get(bare, path)
        assert (watched.status_code, watched.headers, watched.content) == (
            alone.status_code,
            alone.headers,
            alone.content,
        )
    assert len(sink.events) == 1


async def test_a_response_that_had_begun_is_told_apart() -> None:
    sink = MemorySink()
    with pytest.raises(RuntimeError, match="broke in the middle"):
        await get(make_app(sink), "/stream", quiet=False)

    (event,) = sink.events
    assert event.attributes["http.response.started"] == "true"
    assert event.attributes["http.response.status_code"] == "200"


async def test_answers_of_500_and_above_are_reported_when_asked_for() -> None:
    sink = MemorySink()
    await get(make_app(sink, report_5xx=True), "/answers/503")
    await get(make_app(sink, report_5xx=True), "/answers/418")

    assert [event.message for event in sink.events] == ["GET /answers/{status} answered 503"]


async def test_the_body_reaches_the_app_whole() -> None:
    transport = httpx.ASGITransport(make_app(MemorySink()))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        body = {"text": "x" * 100_000}
        assert (await client.post("/echo", json=body)).json() == body


async def test_a_request_that_is_cancelled_is_no_error() -> None:
    sink = MemorySink()

    async def hang(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    scope = {"type": "http", "path": "/", "method": "GET", "headers": []}
    app = ErrorLearningMiddleware(hang, sink=sink, service="shop")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(app(scope, None, None), 0.01)  # type: ignore[arg-type]

    assert sink.events == ()


@pytest.mark.parametrize(
    ("scope", "first"),
    [
        ({"type": "websocket", "path": "/live/7", "headers": []}, "websocket.connect"),
        ({"type": "lifespan"}, "lifespan.startup"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_websockets_and_start_up_are_watched_too(scope: Any, first: str) -> None:
    sink = MemorySink()

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise OSError("no database")

    async def receive() -> dict[str, str]:
        return {"type": first}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    app = ErrorLearningMiddleware(broken, sink=sink, service="shop")
    with pytest.raises(OSError, match="no database"):
        await app(scope, receive, send)

    assert [event.attributes["asgi.scope"] for event in sink.events] == [scope["type"]]


async def test_an_application_without_a_lifespan_is_no_error() -> None:
    sink = MemorySink()

    async def django(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("can only handle HTTP connections, not lifespan")

    app = ErrorLearningMiddleware(django, sink=sink, service="shop")
    with pytest.raises(ValueError, match="not lifespan"):
        await app({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    assert sink.events == ()


async def test_without_a_sink_it_uses_what_init_set_up() -> None:
    sink = MemorySink()
    fixstream.producers.init(service="orders", sink=sink)
    await get(make_app(None), "/orders/13")

    assert [event.service for event in sink.events] == ["orders"]


async def test_without_any_settings_requests_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("FIXSTREAM_SERVICE", "FIXSTREAM_PRODUCERS_SERVICE", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    app = FastAPI()
    app.add_middleware(ErrorLearningMiddleware)

    @app.get("/")
    async def broken() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await get(app, "/", quiet=False)
    assert "error capture is off" in caplog.text


def test_a_sink_without_a_service_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="service"):
        ErrorLearningMiddleware(make_app(None), sink=MemorySink())


async def test_a_sink_that_is_full_costs_the_host_nothing() -> None:
    sink = MemorySink(max_events=0)

    assert (await get(make_app(sink), "/orders/13")).status_code == 500
    assert sink.counts().dropped == {DropReason.QUEUE_FULL: 1}


class BrokenSink(MemorySink):
    """A host's own sink, with bugs."""

    def emit(self, event: Any) -> bool:
        raise RuntimeError("bug in emit")

    def note_drop(self, reason: Any, num_events: int = 1) -> None:
        raise RuntimeError("bug in note_drop")


async def test_a_sink_with_bugs_does_not_take_the_place_of_the_hosts_error(
    swallowed: list[str],
) -> None:
    with pytest.raises(KeyError, match="thirteen"):
        await get(make_app(BrokenSink()), "/orders/13", quiet=False)

    assert len(swallowed) == 2
    swallowed.clear()


async def test_a_scope_with_surprises_does_not_take_the_place_of_the_hosts_error(
    swallowed: list[str],
) -> None:
    class OddRoute:
        @property
        def path(self) -> str:
            raise RuntimeError("no path")

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("own")

    sink = MemorySink()
    app = ErrorLearningMiddleware(broken, sink=sink, service="shop")
    scope = {"type": "http", "path": "/", "method": "GET", "headers": [], "route": OddRoute()}
    with pytest.raises(KeyError, match="own"):
        await app(scope, None, None)  # type: ignore[arg-type]

    assert [event.message for event in sink.events] == ["'own'"]
    assert swallowed == ["describing the request: RuntimeError: no path"]
    swallowed.clear()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/api/v1/learning/errors", "/api/v1/learning/errors"),
        ("/orders/1234/items/9", "/orders/{id}/items/{id}"),
        ("/u/3fa85f64-5717-4562-b3fc-2c963f66afa6", "/u/{id}"),
        ("/c/9f86d081884c7d65", "/c/{id}"),
        ("/reset/eyJhbGciOiJIUzI1NiJ9.x1", "/reset/{id}"),
        ("/people/ann@example.com/photo", "/people/{id}/photo"),
        ("/continuous-integration-settings", "/continuous-integration-settings"),
        ("/" + "9" * 100_000, "/{id}"),
    ],
)
def test_paths_lose_their_ids(path: str, expected: str) -> None:
    assert scrubbed_path(path) == expected


def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/early/7":
        raise KeyError("early")
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/late":
        return late_body()
    return [b"fine"]


def late_body() -> Iterable[bytes]:
    yield b"first"
    raise RuntimeError("late")


def call_wsgi(sink: MemorySink, path: str) -> bytes:
    app = WsgiErrorLearningMiddleware(wsgi_app, sink=sink, service="shop")
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", "HTTP_TRACEPARENT": TRACEPARENT}
    return b"".join(app(environ, lambda *args: None))


def test_wsgi_errors_are_reported_before_and_after_the_response_began() -> None:
    sink = MemorySink()
    with pytest.raises(KeyError):
        call_wsgi(sink, "/early/7")
    with pytest.raises(RuntimeError):
        call_wsgi(sink, "/late")
    assert call_wsgi(sink, "/fine") == b"fine"

    early, late = sink.events
    assert early.attributes["url.path"] == "/early/{id}"
    assert early.attributes["http.response.started"] == "false"
    assert late.attributes["http.response.started"] == "true"
    assert early.trace_id == late.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
