"""Real frameworks around real failures: each one is told once, and every answer stays as it was."""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import django
import httpx
import pytest
from django.conf import settings as django_settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from fastapi import BackgroundTasks, FastAPI, HTTPException, WebSocket
from litestar import Litestar, Request
from litestar import get as litestar_get
from litestar import post as litestar_post
from litestar.exceptions import HTTPException as LitestarHTTPException
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.websockets import WebSocketDisconnect

import fixstream.producers
from fixstream.producers import ErrorLearningMiddleware, MemorySink, WsgiErrorLearningMiddleware
from fixstream.schemas.records import ErrorEvent

with warnings.catch_warnings():
    # It would rather have another client than the one that is installed.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

Build = Callable[[MemorySink], Any]


class OwnError(Exception):
    """The host answers this one itself, with 500."""


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture(autouse=True)
def _frameworks_keep_the_loggers(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    # Litestar configures logging anew, and Django would print.
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    caplog.set_level(logging.CRITICAL, logger="django.request")
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def fastapi_app(sink: MemorySink) -> Any:
    app = FastAPI()
    app.add_middleware(ErrorLearningMiddleware, sink=sink, service="shop")
    _add_fastapi_routes(app)
    return app


def fastapi_wrapped(sink: MemorySink) -> Any:
    app = FastAPI()
    _add_fastapi_routes(app)
    return ErrorLearningMiddleware(app, sink=sink, service="shop")


def _add_fastapi_routes(app: FastAPI) -> None:
    @app.exception_handler(OwnError)
    async def answer(request: StarletteRequest, error: Exception) -> Response:
        return JSONResponse({"own": "answer"}, status_code=500)

    @app.get("/orders/{number}")
    async def order(number: int) -> None:
        raise KeyError(number)

    @app.get("/threads/{number}")
    def in_a_thread(number: int) -> None:
        raise KeyError(number)

    @app.get("/own/{number}")
    async def own(number: int) -> None:
        raise OwnError(number)

    @app.get("/refused")
    async def refused() -> None:
        raise HTTPException(503)

    @app.get("/fine")
    async def fine() -> dict[str, bool]:
        return {"fine": True}


def starlette_app(sink: MemorySink) -> Any:
    async def order(request: StarletteRequest) -> Response:
        raise KeyError(request.path_params["number"])

    def in_a_thread(request: StarletteRequest) -> Response:
        raise KeyError(request.path_params["number"])

    async def own(request: StarletteRequest) -> Response:
        raise OwnError

    async def answer(request: StarletteRequest, error: Exception) -> Response:
        return JSONResponse({"own": "answer"}, status_code=500)

    async def fine(request: StarletteRequest) -> Response:
        return JSONResponse({"fine": True})

    async def refused(request: StarletteRequest) -> Response:
        raise HTTPException(503)

    inner = Starlette(
        routes=[
            Route("/orders/{number}", order),
            Route("/threads/{number}", in_a_thread),
            Route("/own/{number}", own),
            Route("/fine", fine),
            Route("/refused", refused),
        ],
        exception_handlers={OwnError: answer},
    )
    app = Starlette(routes=[Mount("/", app=inner)])
    app.add_middleware(ErrorLearningMiddleware, sink=sink, service="shop")
    return app


def _litestar(**options: Any) -> Litestar:
    @litestar_get("/orders/{number:int}", sync_to_thread=False)
    def order(request: Request[Any, Any, Any]) -> None:
        raise KeyError(request.path_params["number"])

    @litestar_get("/threads/{number:int}", sync_to_thread=True)
    def in_a_thread(request: Request[Any, Any, Any]) -> None:
        raise KeyError(request.path_params["number"])

    @litestar_get("/own/{number:int}")
    async def own(request: Request[Any, Any, Any]) -> None:
        raise OwnError(request.path_params["number"])

    @litestar_get("/refused")
    async def refused() -> None:
        raise LitestarHTTPException(status_code=503)

    @litestar_get("/fine")
    async def fine() -> dict[str, bool]:
        return {"fine": True}

    routes = [order, in_a_thread, own, refused, fine]
    return Litestar(routes, openapi_config=None, logging_config=None, **options)


def litestar_inside(sink: MemorySink) -> Any:
    middleware: Any = ErrorLearningMiddleware
    define = DefineMiddleware(middleware, sink=sink, service="shop")
    return _litestar(middleware=[define])


def litestar_wrapped(sink: MemorySink) -> Any:
    return ErrorLearningMiddleware(_litestar(), sink=sink, service="shop")


def django_order(request: HttpRequest, number: int) -> HttpResponse:
    raise KeyError(number)


async def django_own(request: HttpRequest, number: int) -> HttpResponse:
    raise OwnError(number)


def django_fine(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"fine")


def django_refused(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=503)


def django_echo(request: HttpRequest) -> HttpResponse:
    raise ValueError(len(request.body))


def django_stream(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("broke in the middle")

    return StreamingHttpResponse(pieces())


urlpatterns = [
    path("orders/<int:number>", django_order),
    path("threads/<int:number>", django_order),
    path("own/<int:number>", django_own),
    path("fine", django_fine),
    path("refused", django_refused),
    path("echo", django_echo),
    path("stream", django_stream),
]


def _set_up_django() -> None:
    if not django_settings.configured:
        django_settings.configure(
            ROOT_URLCONF=__name__,
            ALLOWED_HOSTS=["*"],
            SECRET_KEY="tests only",
            LOGGING_CONFIG=None,
        )
        django.setup()


def django_asgi(sink: MemorySink) -> Any:
    _set_up_django()
    return ErrorLearningMiddleware(get_asgi_application(), sink=sink, service="shop")


ASGI_APPS: list[Build] = [
    fastapi_app,
    fastapi_wrapped,
    starlette_app,
    litestar_inside,
    litestar_wrapped,
    django_asgi,
]


async def get(app: Any, url: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        headers = {"x-request-id": "req-7"}
        return await client.get(url, headers=headers)


@pytest.mark.parametrize("build", ASGI_APPS, ids=lambda build: build.__name__)
@pytest.mark.parametrize(
    ("url", "error_type"),
    [("/orders/13", "KeyError"), ("/threads/13", "KeyError"), ("/own/13", "OwnError")],
)
async def test_every_framework_tells_each_failure_once(
    build: Build, url: str, error_type: str, sink: MemorySink
) -> None:
    app = build(sink)

    assert (await get(app, url)).status_code == 500
    (event,) = sink.events
    assert (event.error_type or "").endswith(error_type)
    assert event.source == "middleware"
    assert event.attributes["url.path"] == url.replace("13", "{id}")
    assert event.attributes["http.response.status_code"] == "500"
    assert event.correlation_id == "req-7"


@pytest.mark.parametrize("build", ASGI_APPS, ids=lambda build: build.__name__)
async def test_answers_that_are_no_failure_are_left_alone(build: Build, sink: MemorySink) -> None:
    app = build(sink)

    assert (await get(app, "/fine")).status_code == 200
    assert (await get(app, "/refused")).status_code == 503
    assert (await get(app, "/nowhere")).status_code == 404
    assert sink.events == ()


@pytest.mark.parametrize("build", ASGI_APPS, ids=lambda build: build.__name__)
async def test_with_the_log_watched_too_a_failure_is_still_one_event(build: Build) -> None:
    sink = MemorySink()
    fixstream.producers.init("shop", sink=sink)
    app = build(None)  # type: ignore[arg-type]

    await get(app, "/orders/13")
    (event,) = sink.events
    assert event.attributes["url.path"] == "/orders/{id}"


def call_wsgi(app: Any, url: str, body: bytes = b"", kind: str = "") -> tuple[str, bytes]:
    import io

    environ: dict[str, Any] = {"PATH_INFO": url, "REQUEST_METHOD": "POST" if body else "GET"}
    setup_testing_defaults(environ)
    environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    environ["CONTENT_TYPE"] = kind
    started: list[str] = []
    answer = app(environ, lambda status, headers, *exc_info: started.append(status))
    try:
        return "", b"".join(answer)
    finally:
        answer.close()
        started.append("")


def test_django_under_wsgi_tells_what_it_answers_500_for(sink: MemorySink) -> None:
    _set_up_django()
    app = WsgiErrorLearningMiddleware(get_wsgi_application(), sink=sink, service="shop")
    call_wsgi(app, "/orders/13")
    call_wsgi(app, "/fine")
    with pytest.raises(RuntimeError, match="middle"):
        call_wsgi(app, "/stream")

    failed, broke = sink.events
    assert (failed.error_type, failed.attributes["url.path"]) == ("KeyError", "/orders/{id}")
    assert broke.attributes["http.response.started"] == "true"


def test_django_without_a_middleware_is_told_once_init_was_called(sink: MemorySink) -> None:
    _set_up_django()
    fixstream.producers.init("shop", sink=sink, logging=False)
    call_wsgi(get_wsgi_application(), "/orders/13")
    fixstream.producers.shut_down()
    call_wsgi(get_wsgi_application(), "/orders/14")

    assert [event.message for event in sink.events] == ["13"]


def asgi_client(app: Any, sink: MemorySink, **options: Any) -> TestClient:
    app.add_middleware(ErrorLearningMiddleware, sink=sink, service="shop", **options)
    return TestClient(app, raise_server_exceptions=False)


def test_a_stream_that_breaks_and_a_task_after_the_answer_are_told(sink: MemorySink) -> None:
    app = FastAPI()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError("broke in the middle")

        return StreamingResponse(pieces())

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> str:
        def fail() -> None:
            raise LookupError("after the answer")

        tasks.add_task(fail)
        return "done"

    client = asgi_client(app, sink)
    assert client.get("/stream").text == "first"
    assert client.get("/later").json() == "done"

    broke, after = sink.events
    # The server runs a stream in a group of tasks, which wraps what fails in one.
    assert "broke in the middle" in (broke.stack_trace or "")
    assert after.message == "after the answer"
    assert [e.attributes["http.response.started"] for e in sink.events] == ["true", "true"]


def test_a_websocket_that_fails_is_told_and_one_that_is_closed_is_not(sink: MemorySink) -> None:
    app = FastAPI()

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        if await socket.receive_text() == "fail":
            raise ValueError("no such channel")
        await socket.receive_text()

    client = asgi_client(app, sink)

    def fail() -> None:
        with client.websocket_connect("/live") as socket:
            socket.send_text("fail")
            socket.receive_text()

    with pytest.raises(ValueError, match="channel"):
        fail()

    def leave() -> None:
        with client.websocket_connect("/live") as socket:
            socket.send_text("stay")

    with pytest.raises(WebSocketDisconnect):
        leave()

    assert [event.message for event in sink.events] == ["no such channel"]
    assert sink.events[0].attributes["asgi.scope"] == "websocket"


def test_a_start_that_fails_is_told(sink: MemorySink) -> None:
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if app.title:
            raise ConnectionError("no database")
        yield

    app = FastAPI(lifespan=lifespan)
    client = asgi_client(app, sink)
    with pytest.raises(ConnectionError), client:
        raise AssertionError("it must not start")

    # Starlette tells the server of it, and raises it again.
    assert [event.message for event in sink.events] == ["no database"]


async def test_a_client_that_leaves_is_no_error(sink: MemorySink) -> None:
    app = Starlette()

    async def read(request: StarletteRequest) -> Response:
        await request.body()
        return Response()

    app.add_route("/", read, methods=["POST"])
    app.add_middleware(ErrorLearningMiddleware, sink=sink, service="shop")

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        """Nobody listens."""

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    with pytest.raises(ClientDisconnect):
        await app(scope, receive, send)
    assert sink.events == ()


def body_app() -> Any:
    app = FastAPI()

    @app.post("/pay")
    async def pay(request: StarletteRequest) -> None:
        body = await request.body()
        raise ValueError(f"{len(body)} bytes")

    @app.post("/unread")
    async def unread() -> None:
        raise ValueError("never looked")

    return app


async def post(app: Any, url: str, content: Any, kind: str) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        await client.post(url, content=content, headers={"content-type": kind})


def with_bodies(sink: MemorySink, max_body_bytes: int) -> Any:
    fixstream.producers.init("shop", sink=sink, max_body_bytes=max_body_bytes, logging=False)
    app = body_app()
    app.add_middleware(ErrorLearningMiddleware)
    return app


def last_body(sink: MemorySink) -> str | None:
    return sink.events[-1].attributes.get("http.request.body")


async def test_no_body_is_captured_by_default(sink: MemorySink) -> None:
    await post(with_bodies(sink, 0), "/pay", b'{"a": 1}', "application/json")

    assert "http.request.body" not in sink.events[0].attributes
    assert "http.request.body.size" not in sink.events[0].attributes


async def test_a_body_is_captured_as_far_as_it_was_read_and_asked_for(sink: MemorySink) -> None:
    app = with_bodies(sink, 40)
    await post(app, "/pay", b'{"order": 17}', "application/json; charset=utf-8")
    assert last_body(sink) == '{"order": 17}'

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(10):
            yield b"key%d=value, " % number

    await post(app, "/pay", pieces(), "text/plain")
    assert sink.events[-1].message == "120 bytes", "the application gets it whole"
    assert last_body(sink) == "key0=value, key1=value, key2=value,[... cut ...]"
    assert sink.events[-1].attributes["http.request.body.size"] == "120"

    await post(app, "/unread", b'{"order": 17}', "application/json")
    assert last_body(sink) is None, "what the application does not read is not read"
    await post(app, "/pay", b"\x89PNG\x00", "image/png")
    assert last_body(sink) is None
    assert sink.events[-1].attributes["http.request.body.size"] == "5"


async def test_a_body_is_scrubbed_before_it_leaves(sink: MemorySink) -> None:
    from fixstream.triage.scrub import Scrubber

    app = with_bodies(sink, 4096)
    content = json.dumps({"user": "ann", "password": "hunter2-" * 3, "note": "x" * 3000})
    await post(app, "/pay", content, "application/json")
    await post(
        app, "/pay", b"password=hunter2-hunter2&user=ann", "application/x-www-form-urlencoded"
    )
    clean = [Scrubber().scrub_event(event) for event in sink.events]

    assert "hunter2" not in repr(clean)
    assert "ann" in clean[0].attributes["http.request.body"]
    assert len(clean[0].attributes["http.request.body"]) > 3000


def test_the_body_of_a_wsgi_request_is_captured_as_it_is_read(sink: MemorySink) -> None:
    _set_up_django()
    fixstream.producers.init("shop", sink=sink, max_body_bytes=64, logging=False)
    app = WsgiErrorLearningMiddleware(get_wsgi_application())
    call_wsgi(app, "/echo", b'{"order": 17}', "application/json")

    (event,) = sink.events
    assert event.message == "13"
    assert last_body(sink) == '{"order": 17}'


def test_every_way_to_read_a_wsgi_body_is_seen() -> None:
    import io

    from fixstream.producers.request_body import CapturedBody, TeedInput

    for read in (
        lambda stream: stream.read(),
        lambda stream: stream.read(3) + stream.read(),
        lambda stream: b"".join(iter(stream.readline, b"")),
        lambda stream: b"".join(stream.readlines()),
        b"".join,
    ):
        body = CapturedBody(100)
        stream = TeedInput(io.BytesIO(b"one\ntwo\n"), body)
        assert read(stream) == b"one\ntwo\n"
        assert (
            body.attributes([(b"content-type", b"text/plain")])["http.request.body"] == "one\ntwo\n"
        )
        assert stream.tell() == 8


async def test_many_requests_at_once_are_not_mixed_up(sink: MemorySink) -> None:
    app = fastapi_app(sink)
    calls: list[Awaitable[httpx.Response]] = [
        get(app, f"/{kind}/{number}") for number in range(20) for kind in ("orders", "threads")
    ]
    await asyncio.gather(*calls)

    def kinds(events: tuple[ErrorEvent, ...]) -> list[str]:
        return sorted(event.attributes["http.route"].split("/")[1] for event in events)

    assert kinds(sink.events) == ["orders"] * 20 + ["threads"] * 20


async def test_litestar_reads_its_body_through_the_tee(sink: MemorySink) -> None:
    @litestar_post("/pay")
    async def pay(request: Request[Any, Any, Any]) -> None:
        raise ValueError((await request.json())["order"])

    fixstream.producers.init("shop", sink=sink, max_body_bytes=64, logging=False)
    app = ErrorLearningMiddleware(Litestar([pay], openapi_config=None, logging_config=None))
    await post(app, "/pay", b'{"order": 17}', "application/json")

    assert last_body(sink) == '{"order": 17}'
