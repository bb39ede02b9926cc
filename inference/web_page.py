"""The web page: one server-rendered page with live numbers, and the API's documentation.

No build step and nothing from the internet. Whatever comes from errors or fixes is escaped by
Jinja2, or set as text by the page's script; it never becomes markup.
"""

from __future__ import annotations

from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from fixstream.inference.api import RestParts
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.observations import GroupSeen, SuggestionSeen
from fixstream.inference.statistics import statistics
from fixstream.schemas.records import Fix

_ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
MAX_GROUPS = 30
MAX_SUGGESTIONS = 10


def safe_link(url: str) -> str | None:
    """The address if a browser may follow it from our page: http or https; else None."""
    try:
        return url if urlsplit(url).scheme in {"http", "https"} else None
    except ValueError:
        return None


def page_routes(app: FastAPI, parts: RestParts) -> APIRouter:
    """The page, its data and its assets."""
    router = APIRouter(include_in_schema=False)
    # Not a folder on disk: a wheel's resources are found wherever they lie.
    environment = Environment(
        loader=PackageLoader("fixstream.inference", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    @router.get("/")
    async def page() -> Response:
        return _rendered(environment, "page.html", live=live(parts))

    @router.get("/live")
    async def live_data() -> dict[str, Any]:
        return live(parts)

    @router.get("/docs")
    async def documentation() -> Response:
        return _rendered(environment, "docs.html", api=app.openapi())

    @router.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise HTTPException(404)
        content = (resources.files("fixstream.inference") / "page" / name).read_bytes()
        headers = {"Cache-Control": "public, max-age=300"}
        return Response(content, media_type=_ASSETS[name], headers=headers)

    return router


def live(parts: RestParts) -> dict[str, Any]:
    """What the page shows, as JSON values."""
    seen = parts.sources.observations
    return {
        "stats": statistics(parts.sources, parts.reading()),
        "groups": [_group(one) for one in seen.groups(MAX_GROUPS)],
        "suggestions": [
            _suggestion(one, parts.sources.knowledge) for one in seen.suggestions(MAX_SUGGESTIONS)
        ],
    }


def _rendered(environment: Environment, name: str, **values: object) -> Response:
    return HTMLResponse(environment.get_template(name).render(**values))


def _group(group: GroupSeen) -> dict[str, Any]:
    return {
        "fingerprint": group.fingerprint,
        "title": group.title,
        "service": group.service,
        "severity": group.severity,
        "domain": group.domain,
        "category": group.category,
        "occurrences": group.occurrences,
        "last_seen": group.last_seen.isoformat(),
    }


def _suggestion(seen: SuggestionSeen, knowledge: KnowledgeBase) -> dict[str, Any]:
    suggestion = seen.suggestion
    return {
        "id": suggestion.suggestion_id,
        "error_id": suggestion.event_id,
        "title": seen.title,
        "service": suggestion.service,
        "severity": suggestion.severity.value,
        "category": suggestion.category.value,
        "model_version": suggestion.model_version,
        "created_at": suggestion.created_at.isoformat(),
        # Whoever opens the page is nobody's service: private fixes are left out, removed ones too.
        "fixes": [_fix(one) for one in suggestion.fixes if knowledge.is_public(one.solution_id)],
    }


def _fix(fix: Fix) -> dict[str, Any]:
    source = fix.provenance
    return {
        "solution_id": fix.solution_id,
        "title": fix.title,
        "text": fix.text,
        "score": fix.score,
        "matched_on": list(fix.matched_on),
        "warnings": list(fix.warnings),
        "url": source.url,
        "link": safe_link(source.url),
        "author": source.author,
        "license": source.license,
    }
