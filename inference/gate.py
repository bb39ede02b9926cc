"""What every request passes first: pure ASGI, around all routes.

It names the request (correlation id in and out), bounds its body in size and time while it streams
in, refuses it when too many are under way, counts and times it, and turns whatever escapes into a
problem document. HEAD is answered as GET without the body. It knows no route.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fixstream.inference import metrics
from fixstream.inference.problems import problem_response
from fixstream.runtime.tracing import context_from, span

log = structlog.get_logger(__name__)

CORRELATION_HEADER = "x-correlation-id"
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}\Z")
_CORRELATION_NAME = CORRELATION_HEADER.encode()
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            b"connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
)
"""As ASGI wants them: lower case, encoded once."""


@dataclass(frozen=True, slots=True)
class GateConfig:
    """The bounds of a request."""

    max_body_bytes: int = 1_048_576
    body_deadline_s: float = 10.0
    max_requests: int = 1000
    """Requests under way at once; further ones are answered 503."""


class Gate:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp, config: GateConfig | None = None) -> None:
        """Stores the application that it stands before."""
        self._app = app
        self._config = config or GateConfig()
        self._num_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or passes on the lifespan."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:  # Web sockets: there are none here.
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        correlation_id = _correlation_id(headers)
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        is_head = scope["method"] == "HEAD"
        # A copy: the server looks at its own scope to know that no body follows.
        inner = {**scope, "method": "GET"} if is_head else scope
        answer = _Answer(send, correlation_id, is_head)
        started = time.perf_counter()
        self._num_requests += 1
        try:
            with (
                structlog.contextvars.bound_contextvars(correlation_id=correlation_id),
                span("request", parent=context_from(headers), correlation_id=correlation_id) as own,
            ):
                await self._bounded(inner, headers, receive, answer)
                _describe(own, inner, scope["method"], answer.status)
        finally:
            self._num_requests -= 1
            _count(inner, scope["method"], answer.status, time.perf_counter() - started)

    async def _bounded(
        self, scope: Scope, headers: Headers, receive: Receive, answer: _Answer
    ) -> None:
        config = self._config
        if self._num_requests > config.max_requests:
            busy = problem_response(
                503, "Too many requests are under way.", headers={"Retry-After": "1"}
            )
            await busy(scope, receive, answer.send)
            return
        body = _Body(receive, config)
        try:
            body.check_announced(headers)
            await self._app(scope, body.receive, answer.send)
        except HTTPException as refused:
            await answer.problem(scope, receive, refused.status_code, str(refused.detail))
        except Exception:  # The edge: logged here, and told without details.
            log.exception("request failed", path=scope["path"])
            await answer.problem(scope, receive, 500, "Something went wrong on our side.")


class _Body:
    """A request's body, bounded while it comes in."""

    def __init__(self, receive: Receive, config: GateConfig) -> None:
        self._receive = receive
        self._config = config
        self._num_bytes = 0
        self._is_complete = False
        self._deadline = time.monotonic() + config.body_deadline_s

    def check_announced(self, headers: Headers) -> None:
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._config.max_body_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        if self._is_complete:
            return await self._receive()  # Only a disconnect can come now.
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "The body did not come in time.") from None
        if message["type"] == "http.request":
            self._num_bytes += len(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)
            if self._num_bytes > self._config.max_body_bytes:
                raise self._too_large()
        return message

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"A body may have {self._config.max_body_bytes} bytes.")


class _Answer:
    """Wraps `send`: adds our headers, leaves out the body of an answer to HEAD, knows its start."""

    def __init__(self, send: Send, correlation_id: str, is_head: bool) -> None:
        self._send = send
        self._is_head = is_head
        self._correlation_id = correlation_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._headers(message["headers"])}
        elif self._is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _headers(self, own: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """An answer's own headers, which stand, and ours."""
        names = {name for name, _ in own}
        ours = [one for one in _SECURITY_HEADERS if one[0] not in names]
        return [*own, (_CORRELATION_NAME, self._correlation_id.encode()), *ours]

    async def problem(self, scope: Scope, receive: Receive, status: int, detail: str) -> None:
        """Answers with a problem, unless an answer is under way already."""
        if self.status == 0:
            # The rest of the body is unread, so the connection cannot be used again.
            headers = {"Connection": "close"} if status in {408, 413} else {}
            await problem_response(status, detail, headers=headers)(scope, receive, self.send)


def _correlation_id(headers: Headers) -> str:
    given = headers.get(CORRELATION_HEADER, "")
    return given if _CORRELATION_ID.match(given) else uuid.uuid4().hex


def _describe(own: Any, scope: Scope, asked: str, status: int) -> None:
    """Names the request's span by the field's own words, once the route is known."""
    if own is not None:
        own.set_attribute("http.request.method", asked)
        own.set_attribute("http.route", getattr(scope.get("route"), "path", "unknown"))
        own.set_attribute("http.response.status_code", status)


def _count(scope: Scope, asked: str, status: int, seconds: float) -> None:
    # The route's template, not the path: a scanner must not make a metric a path.
    route = getattr(scope.get("route"), "path", "unknown")
    method = asked if asked in {"GET", "POST", "HEAD"} else "other"
    metrics.REQUESTS.labels(route, method, str(status)).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(seconds)
