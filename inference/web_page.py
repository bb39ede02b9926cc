"""The web page: groups, one group, the model's history, the state, and the API's documentation.

Rendered here, without a build step and without the internet; a small script refreshes what is
shown, and nothing needs it. Whatever comes from errors or fixes is bounded, has its hidden
characters spelt out and is escaped; none of it becomes markup.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from fixstream.inference.api import RestConfig, RestParts, callers, give_feedback
from fixstream.inference.error_ids import prediction_id
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.observations import SuggestionSeen
from fixstream.inference.page_feedback import (
    FormTokens,
    Verdict,
    check_origin,
    feedback_body,
    read_verdict,
)
from fixstream.inference.page_groups import (
    GroupFilter,
    GroupRow,
    GroupView,
    group_list,
    group_view,
    path_of,
    public_inquiry,
)
from fixstream.inference.page_models import models_view
from fixstream.inference.page_status import StatusView, status_view
from fixstream.inference.page_text import (
    code_spans,
    number,
    one_line,
    percent,
    safe_link,
    split_title,
    visible,
)
from fixstream.inference.problems import Problem
from fixstream.inference.readiness import Readiness
from fixstream.inference.statistics import statistics
from fixstream.schemas.enums import Domain, Severity
from fixstream.schemas.errors import RetryLater
from fixstream.schemas.records import Fix

_ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
MAX_GROUPS = 30
MAX_SUGGESTIONS = 6
MAX_QUERY_CHARS = 200
_HEADERS = {
    # A form posts to ourselves; "no-referrer" would make the browser hide where it comes from.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}

Typed = Annotated[str, Query(max_length=MAX_QUERY_CHARS)]


@dataclass(frozen=True, slots=True)
class PageParts:
    """What the page talks to."""

    rest: RestParts
    config: RestConfig
    readiness: Callable[[], Readiness]
    has_keys: bool
    """Whether callers are known by API keys."""


def page_routes(app: FastAPI, parts: PageParts) -> APIRouter:
    """The pages, their data and their assets."""
    router = APIRouter(include_in_schema=False)
    pages = _Pages(parts)
    _add_pages(router, pages)
    _add_data(router, parts.rest)

    @router.get("/docs")
    async def documentation() -> Response:
        return pages.rendered("docs.html", api=app.openapi())

    return router


def _add_pages(router: APIRouter, pages: _Pages) -> None:
    @router.get("/")
    async def groups(service: Typed = "", severity: Typed = "", domain: Typed = "") -> Response:
        chosen = GroupFilter.of(service, severity, domain)
        return await asyncio.to_thread(pages.groups, chosen)

    @router.get("/groups/{fingerprint}")
    async def group(fingerprint: str, request: Request, said: Typed = "") -> Response:
        return await pages.group(fingerprint, request, said)

    @router.get("/models")
    async def models() -> Response:
        return await asyncio.to_thread(pages.models)

    @router.get("/status")
    async def status() -> Response:
        return await asyncio.to_thread(pages.status)

    @router.post("/feedback")
    async def feedback(request: Request) -> Response:
        return await pages.feedback(request)


def _add_data(router: APIRouter, parts: RestParts) -> None:
    @router.get("/live")
    async def live_data() -> dict[str, Any]:
        return await asyncio.to_thread(live, parts)

    @router.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise HTTPException(404)
        content = (resources.files("fixstream.inference") / "page" / name).read_bytes()
        headers = {"Cache-Control": "public, max-age=300"}
        return Response(content, media_type=_ASSETS[name], headers=headers)


class _Pages:
    """One method a page."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._rest = parts.rest
        self._tokens = FormTokens(parts.config.submitter_key)
        # Not a folder on disk: a wheel's resources are found wherever they lie.
        self._environment = Environment(
            loader=PackageLoader("fixstream.inference", "page"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=visible,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            number=number, percent=percent, one_line=one_line, code_spans=code_spans
        )
        self._environment.globals.update(
            split_title=split_title, path_of=path_of, safe_link=safe_link
        )

    def rendered(self, name: str, code: int = 200, **values: object) -> Response:
        html = self._environment.get_template(name).render(**values)
        return HTMLResponse(html, code, _HEADERS)

    def groups(self, chosen: GroupFilter) -> Response:
        sources, now = self._rest.sources, self._rest.clock.now()
        return self.rendered(
            "groups.html",
            groups=group_list(sources.observations, chosen, now),
            suggestions=[
                _suggestion(one, sources.knowledge)
                for one in sources.observations.suggestions(MAX_SUGGESTIONS)
            ],
            status=self._state(),
            stats=statistics(sources, self._rest.reading()),
            severities=list(Severity),
            domains=list(Domain),
        )

    async def group(self, fingerprint: str, request: Request, said: str) -> Response:
        # It costs a prediction, so it counts as one.
        await self._rest.limiter.check("predict", *callers(request))
        view = await self._view(fingerprint)
        if view is None:
            return self._told(404, "This group is not known here", _FORGOTTEN)
        token = self._tokens.make(callers(request), fingerprint, self._rest.clock.now())
        return await asyncio.to_thread(
            self.rendered, "group.html", view=view, token=token, said=said
        )

    async def _view(self, fingerprint: str) -> GroupView | None:
        rest, now = self._rest, self._rest.clock.now()
        seen = rest.sources.observations.history.seen(fingerprint, now)
        if seen is None:
            return None
        inquiry = await asyncio.to_thread(public_inquiry, seen.record)
        advice = await rest.advisor.advise_group(inquiry)
        return await asyncio.to_thread(
            group_view, rest.sources, rest.suggester, inquiry, advice, now
        )

    def models(self) -> Response:
        return self.rendered(
            "models.html", models=models_view(self._rest.sources, self._rest.clock.now())
        )

    def status(self) -> Response:
        return self.rendered("status.html", status=self._state(), has_keys=self._parts.has_keys)

    async def feedback(self, request: Request) -> Response:
        verdict = None
        try:
            check_origin(request.headers)
            content_type = request.headers.get("content-type", "")
            verdict = read_verdict(content_type, await request.body())
            self._check(verdict, request)
            body = feedback_body(prediction_id(verdict.fingerprint, uuid.uuid4().hex), verdict)
            await give_feedback(self._rest, self._parts.config, body, request)
        except Problem as refused:
            back = verdict.fingerprint if verdict else None
            answer = self._told(refused.status_code, "Not counted", str(refused.detail), back)
            answer.headers.update(refused.headers or {})
            return answer
        except RetryLater:
            later = "Kafka did not take it. Please try again in a moment."
            return self._told(503, "Not counted", later, verdict.fingerprint if verdict else None)
        word = "worked" if verdict.worked else "failed"
        # See other: reloading the page that follows sends nothing again.
        return RedirectResponse(f"{path_of(verdict.fingerprint)}?said={word}#said", 303, _HEADERS)

    def _check(self, verdict: Verdict, request: Request) -> None:
        now, who = self._rest.clock.now(), callers(request)
        if not self._tokens.is_good(verdict.token, who, verdict.fingerprint, now):
            raise Problem(403, "The form is not from this page, or older than a day.")
        if not self._rest.sources.knowledge.is_public(verdict.solution_id):
            raise Problem(404, "This fix is not known any more.")

    def _state(self) -> StatusView:
        rest = self._rest
        return status_view(
            self._parts.readiness(),
            statistics(rest.sources, rest.reading()),
            rest.suggester.bandit.statistics(),
            rest.advisor.num_waiting,
        )

    def _told(self, code: int, title: str, detail: str, back_to: str | None = None) -> Response:
        return self.rendered("told.html", code, title=title, detail=detail, back_to=back_to)


_FORGOTTEN = (
    "It was not seen in the last 24 hours, or others were seen since and took its place. "
    "It comes back with its next error."
)


def live(parts: RestParts) -> dict[str, Any]:
    """What the first page shows, as JSON values."""
    sources, now = parts.sources, parts.clock.now()
    return {
        "stats": statistics(sources, parts.reading()),
        "groups": [
            _group(one)
            for one in group_list(sources.observations, GroupFilter(), now).rows[:MAX_GROUPS]
        ],
        "suggestions": [
            _suggestion(one, sources.knowledge)
            for one in sources.observations.suggestions(MAX_SUGGESTIONS)
        ],
    }


def _group(row: GroupRow) -> dict[str, Any]:
    return {
        "fingerprint": row.name.fingerprint,
        "title": row.name.kind + row.name.title,
        "service": row.service,
        "severity": row.severity,
        "domain": row.domain,
        "category": row.category,
        "occurrences": row.occurrences,
        "last_seen": row.last_seen.isoformat(),
    }


def _suggestion(seen: SuggestionSeen, knowledge: KnowledgeBase) -> dict[str, Any]:
    suggestion = seen.suggestion
    return {
        "id": suggestion.suggestion_id,
        "error_id": suggestion.event_id,
        "fingerprint": suggestion.fingerprint,
        "title": one_line(seen.title),
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
