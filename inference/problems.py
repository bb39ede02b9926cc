"""Errors as RFC 9457 problem documents. No stack trace and no text of the caller's ever leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from fixstream.inference.predictor import Overloaded
from fixstream.schemas.errors import InvalidRecord, RetryLater, TooLarge

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_NAMED_ERRORS = 20
RETRY_AFTER_S = 1

_DETAILS = {
    404: "There is nothing at this address; /docs lists what there is.",
    405: "This address does not take this method.",
}


class Problem(HTTPException):
    """A refusal that a route or middleware raises on purpose."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))


def problem_response(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Response:
    """A problem document with the status' own title; `members` are added to it."""
    body = problem_document(status, detail, **members)
    return Response(body, status, dict(headers or {}), MEDIA_TYPE)


def problem_document(status: int, detail: str, **members: object) -> bytes:
    """The document of `problem_response`, as JSON."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **members,
    }
    return json.dumps(document, ensure_ascii=True).encode()


def install(app: FastAPI) -> None:
    """Makes every error that a route can end in a problem document."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RetryLater, _later)
    app.add_exception_handler(InvalidRecord, _unfit)
    app.add_exception_handler(TooLarge, _unfit)
    # Starlette answers with this one and raises the error again, for the gate to log.
    app.add_exception_handler(Exception, _failed)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    named = [
        # Never the input itself: it may be a megabyte, or a secret.
        {"where": "/".join(_printable(part) for part in item["loc"]), "problem": item["msg"]}
        for item in error.errors()[:MAX_NAMED_ERRORS]
    ]
    return problem_response(422, "The request does not fit; see `errors`.", errors=named)


def _printable(part: object) -> str:
    return str(part)[:80].encode("ascii", "backslashreplace").decode()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _DETAILS.get(error.status_code, "") or error.detail
    return problem_response(error.status_code, detail, headers=error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    return problem_response(500, "Something went wrong on our side.")


async def _later(request: Request, error: Exception) -> Response:
    detail, wait_s = str(error), RETRY_AFTER_S
    if isinstance(error, Overloaded):
        detail, wait_s = "Too many predictions are waiting.", error.retry_after_s
    return problem_response(503, detail, headers={"Retry-After": str(wait_s)})


async def _unfit(request: Request, error: Exception) -> Response:
    return problem_response(413 if isinstance(error, TooLarge) else 422, str(error))
