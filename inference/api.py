"""The REST calls: adapters of a few lines around the advisor and the intake.

Bodies are strict JSON (no NaN, no lone surrogates, bounded depth); every refusal is a problem
document. A caller is known by its key or its address, never as one of the services, so private
fixes are not shown here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

import pydantic_core
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from fixstream.inference import problems
from fixstream.inference.advisor import Advised, Advisor, AskedError
from fixstream.inference.error_ids import fingerprint_in
from fixstream.inference.intake import Intake, Outgoing
from fixstream.inference.known_bodies import KnownBodies
from fixstream.inference.lag import Reading
from fixstream.inference.rate_limit import RateLimiter
from fixstream.inference.receivers import feedback_headers
from fixstream.inference.reporting import ReportScrubber
from fixstream.inference.rest_models import (
    DomainName,
    ErrorsAccepted,
    ErrorsBody,
    ErrorType,
    FeedbackAccepted,
    FeedbackBody,
    FixAnswer,
    FixesAnswer,
    Message,
    NearErrorAnswer,
    PredictAnswer,
    PredictBody,
    PredictedLabel,
    Predictions,
    ProvenanceAnswer,
    TopKOrDefault,
)
from fixstream.inference.statistics import Sources, statistics
from fixstream.inference.suggest import Advice, Suggester
from fixstream.runtime.clock import Clock
from fixstream.schemas.records import Fix, FixFeedback, Label
from fixstream.schemas.topics import DEFAULT_PREFIX

PREFIX = "/api/v1/learning"
JSON_TYPES = ("application/json",)


_SCHEMA = {"$ref": "#/components/schemas/ProblemDocument"}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {problems.MEDIA_TYPE: {"schema": _SCHEMA}}}
    for status, text in {
        401: "The service wants an API key (`Authorization: Bearer`)",
        403: "The key has not the scope of this call",
        408: "The body did not come in time",
        413: "The body is too large",
        415: "The body is not JSON",
        422: "The request does not fit",
        429: "Too many requests; Retry-After says when to come again",
        503: "Not now; Retry-After says when to come again",
    }.items()
}


@dataclass(frozen=True, slots=True)
class RestConfig:
    """What the routes need to know."""

    raw_topic: str
    feedback_topic: str
    submitter_key: bytes
    top_k: int = 3
    topic_prefix: str = DEFAULT_PREFIX


@dataclass(frozen=True, slots=True)
class RestParts:
    """What the routes talk to."""

    advisor: Advisor
    suggester: Suggester
    intake: Intake
    reports: ReportScrubber
    limiter: RateLimiter
    sources: Sources
    reading: Callable[[], Reading]
    clock: Clock


class StrictRequest(Request):
    """A request whose JSON is read by the letter of RFC 8259."""

    async def body(self) -> bytes:
        """The body; who goes away before its end is nobody's fault, and no line in the log."""
        try:
            return await super().body()
        except ClientDisconnect:
            raise HTTPException(400, "The body ends before its end.") from None

    async def json(self) -> Any:
        """The body's value; anything doubtful is a decoding error, which becomes a 422."""
        body = await self.body()
        try:
            return pydantic_core.from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise json.JSONDecodeError(str(error)[:200], "", 0) from None


class StrictRoute(APIRoute):
    """A route that takes JSON only, strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps FastAPI's own handler."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if request.method == "POST":
                media_type = request.headers.get("content-type", "").partition(";")[0].strip()
                if media_type.lower() not in JSON_TYPES:
                    raise HTTPException(415, "A body has to be application/json.")
            strictly = StrictRequest(request.scope, request.receive)
            return await self.answer_unread(strictly) or await handler(strictly)

        return strict

    async def answer_unread(self, request: Request) -> Response | None:
        """An answer for which the body need not be read as JSON; None where there is none."""
        return None


def learning_routes(parts: RestParts, config: RestConfig) -> APIRouter:
    """The five calls."""
    router = APIRouter(
        prefix=PREFIX, route_class=StrictRoute, tags=["learning"], responses=_PROBLEMS
    )
    _add_predicting(router, parts, config)
    _add_asking(router, parts, config)
    _add_reporting(router, parts, config)

    @router.get("/stats")
    async def stats() -> dict[str, Any]:
        """What went in, what was learnt, which model serves, and how far behind each part is."""
        found = statistics(parts.sources, parts.reading())
        return {**found, "ordering": parts.suggester.bandit.statistics()}

    return router


def _add_predicting(router: APIRouter, parts: RestParts, config: RestConfig) -> None:
    known = KnownBodies(parts.advisor, parts.clock)

    class PredictRoute(StrictRoute):
        async def answer_unread(self, request: Request) -> Response | None:
            answer = known.answer(await request.body())
            if answer is None:
                return None
            await parts.limiter.check("predict", *callers(request))
            return Response(answer, media_type=JSON_TYPES[0])

    async def predict(body: PredictBody, request: Request) -> Response:
        """Labels and ranked fixes for an error. No fixes: no good fix is known."""
        await parts.limiter.check("predict", *callers(request))
        asked = AskedError(body.error_message, body.error_type, body.stack_trace, body.domain)
        advised = await parts.advisor.advise(asked)
        answer = predict_answer(advised, body.top_k or config.top_k)
        rendered = known.render(await request.body(), advised, answer)
        return Response(rendered, media_type=JSON_TYPES[0])

    router.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        response_model=PredictAnswer,
        route_class_override=PredictRoute,
    )


def _add_asking(router: APIRouter, parts: RestParts, config: RestConfig) -> None:
    @router.get("/suggest-fix")
    async def suggest_fix(
        request: Request,
        error_message: Annotated[Message, Query()],
        error_type: Annotated[ErrorType | None, Query()] = None,
        domain: Annotated[DomainName | None, Query()] = None,
        top_k: Annotated[TopKOrDefault, Query()] = None,
    ) -> FixesAnswer:
        """Ranked fixes for an error."""
        await parts.limiter.check("predict", *callers(request))
        advised = await parts.advisor.advise(AskedError(error_message, error_type, None, domain))
        advice = advised.advice
        fixes = [_fix(one) for one in advice.fixes[: top_k or config.top_k]]
        return FixesAnswer(
            model_version=advice.model_version,
            fixes=fixes,
            nearest_errors=near_errors(advice),
            reason=advice.reason,
        )


def _add_reporting(router: APIRouter, parts: RestParts, config: RestConfig) -> None:
    @router.post("/errors", status_code=202)
    async def errors(body: ErrorsBody, request: Request) -> ErrorsAccepted:
        """Errors to learn from. Accepted means that Kafka has acknowledged all of them."""
        await parts.limiter.check("errors", *callers(request))
        events = await parts.reports.events(body.errors, request.state.correlation_id)
        await parts.intake.send([Outgoing(config.raw_topic, one.service, one) for one in events])
        return ErrorsAccepted(accepted=len(events), event_ids=[one.event_id for one in events])

    @router.post("/feedback", status_code=202)
    async def feedback(body: FeedbackBody, request: Request) -> FeedbackAccepted:
        """Whether a fix worked. Accepted means that Kafka has acknowledged it."""
        return FeedbackAccepted(feedback_id=await give_feedback(parts, config, body, request))


async def give_feedback(
    parts: RestParts, config: RestConfig, body: FeedbackBody, request: Request
) -> str:
    """Sends a caller's word on a fix, and returns its id once Kafka has acknowledged it.

    Raises:
        Problem: 429.
        RetryLater: Kafka did not take it.
    """
    await parts.limiter.check("feedback", *callers(request))
    record = FixFeedback(
        feedback_id=uuid.uuid4().hex,
        error_id=body.error_id,
        solution_id=body.solution_id,
        solution_worked=body.solution_worked,
        comment=parts.reports.scrubbed(body.feedback) if body.feedback else None,
        submitted_at=parts.clock.now(),
        submitter=_submitter(config.submitter_key, callers(request)[0]),
    )
    known = parts.sources.observations.fingerprint_of(body.error_id)
    fingerprint = fingerprint_in(body.error_id) or known
    record = parts.suggester.stamped(record, fingerprint)
    headers = feedback_headers(parts.suggester, record)
    await parts.intake.send([Outgoing(config.feedback_topic, body.error_id, record, headers)])
    return record.feedback_id


def callers(request: Request) -> tuple[str, ...]:
    """Who asks, the surest name first: its API key, if it showed one, and its address."""
    address = request.client.host if request.client else "local"
    key_id = getattr(request.state, "key_id", None)
    return (address,) if key_id is None else (f"key {key_id}", address)


def predict_answer(advised: Advised, top_k: int) -> PredictAnswer:
    """The answer of `/predict`."""
    advice = advised.advice
    return PredictAnswer(
        error_id=advised.error_id,
        model_version=advice.model_version,
        predictions=Predictions(
            category=_label(advice.labels.category),
            domain=_label(advice.labels.domain),
            severity=_label(advice.labels.severity),
        ),
        fixes=[_fix(one) for one in advice.fixes[:top_k]],
        nearest_errors=near_errors(advice),
        reason=advice.reason,
        cached=advised.is_cached,
    )


def near_errors(advice: Advice) -> list[NearErrorAnswer]:
    """The errors most like the one asked about, where it has no fix."""
    return [
        NearErrorAnswer(
            fingerprint=one.fingerprint,
            title=one.title,
            score=one.score,
            occurrences=one.occurrences,
        )
        for one in advice.nearest
    ]


def _label(label: Label) -> PredictedLabel:
    confidence = round(label.confidence, 4)
    return PredictedLabel(value=label.value, confidence=confidence, source=label.source.value)


def _fix(fix: Fix) -> FixAnswer:
    source = fix.provenance
    return FixAnswer(
        solution_id=fix.solution_id,
        title=fix.title,
        text=fix.text,
        score=fix.score,
        origin=fix.origin.value,
        provenance=ProvenanceAnswer(
            url=source.url,
            author=source.author,
            license=source.license,
            retrieved_at=source.retrieved_at.isoformat() if source.retrieved_at else None,
        ),
        matched_on=list(fix.matched_on),
        warnings=list(fix.warnings),
    )


def _submitter(key: bytes, who: str) -> str:
    return hmac.new(key, who.encode(), hashlib.sha256).hexdigest()[:32]
