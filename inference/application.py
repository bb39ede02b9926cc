"""Puts routes, page, health and documentation together into one ASGI application.

It starts nothing: the service hands it parts that run already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.types import ASGIApp

from fixstream.inference import problems
from fixstream.inference.api import RestConfig, RestParts, learning_routes
from fixstream.inference.api_keys import KeyRing
from fixstream.inference.gate import Gate, GateConfig
from fixstream.inference.guard import Guard
from fixstream.inference.host_names import HostCheck, HostNames
from fixstream.inference.readiness import Readiness
from fixstream.inference.rest_models import ProblemDocument
from fixstream.inference.web_page import PageParts, page_routes
from fixstream.schemas.asyncapi import asyncapi_document

DESCRIPTION = "Report errors, ask for fixes, and say whether they worked."


def create_application(
    parts: RestParts,
    rest: RestConfig,
    gate: GateConfig,
    readiness: Callable[[], Readiness],
    keys: KeyRing | None = None,
    hosts: HostNames | None = None,
) -> ASGIApp:
    """The application.

    Args:
        parts: What the routes talk to.
        rest: What the routes need to know.
        gate: The bounds of every request.
        readiness: Asked on each `/readyz`.
        keys: Who may do what; None lets everybody do everything.
        hosts: For which names a request may be; None takes any.
    """
    app = FastAPI(
        title="fixstream",
        version="1",
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own pages load scripts from the internet; ours need none.
        redoc_url=None,
        redirect_slashes=False,
        # Spans are the gate's. FastAPI's own cost each request, and tell what a caller sent.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    problems.install(app)
    app.include_router(learning_routes(parts, rest))
    app.include_router(page_routes(app, PageParts(parts, rest, readiness, keys is not None)))
    _add_health(app, readiness)
    _add_topics(app, rest.topic_prefix)
    _describe_problems(app)
    _describe_bodies(app, gate.max_body_bytes)
    guarded = app if keys is None else Guard(app, keys, parts.limiter)
    return Gate(guarded if hosts is None else HostCheck(guarded, hosts), gate)


def _add_health(app: FastAPI, readiness: Callable[[], Readiness]) -> None:
    @app.get("/healthz", tags=["operation"])
    async def healthz() -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"])
    async def readyz() -> Response:
        """200 when requests may be sent here, else 503; the state of each part either way."""
        state = readiness()
        status = "ready" if state.is_ready else "starting"
        return JSONResponse(
            {"status": status, **state.details}, status_code=200 if state.is_ready else 503
        )

    @app.get("/metrics", include_in_schema=False)
    async def prometheus(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), media_type=content_type)


def _add_topics(app: FastAPI, prefix: str) -> None:
    document = asyncapi_document(prefix)

    @app.get("/asyncapi.json", tags=["operation"])
    async def asyncapi() -> dict[str, Any]:
        """The AsyncAPI document of the topics, beside this one of REST."""
        return document


def _describe_problems(app: FastAPI) -> None:
    """Adds the problem document to the API's description: no route returns it by type."""
    document = app.openapi()  # Made once, and kept by FastAPI.
    document["components"]["schemas"]["ProblemDocument"] = ProblemDocument.model_json_schema()


def _describe_bodies(app: FastAPI, max_bytes: int) -> None:
    """Adds to each call with a body what is taken: no schema can say it."""
    whole = max_bytes % 2**20 == 0
    size = f"{max_bytes // 2**20} MiB" if whole else f"{max_bytes:,} bytes"
    for methods in app.openapi()["paths"].values():
        for call in methods.values():
            if "requestBody" in call:
                call["description"] += f" The body is application/json only, at most {size}."
