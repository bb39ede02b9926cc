"""Takes the page's worked / did not work form, and refuses one that our page did not make.

A browser sends its Basic credentials along with any site's form, so a form counts only if the
browser says that it comes from here, and if it carries a token that only a page for this caller and
this group could hold. The word itself goes the way of the REST call: one voice each.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError
from starlette.datastructures import Headers

from fixstream.inference.problems import Problem
from fixstream.inference.rest_models import FeedbackBody

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 8_192
_FIELDS = ("fingerprint", "solution_id", "worked", "token")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody said about a fix of a group."""

    fingerprint: str
    solution_id: str
    worked: bool
    token: str


class FormTokens:
    """Makes and checks the tokens; the same key gives the same tokens on all instances."""

    def __init__(self, key: bytes) -> None:
        """Takes a key that is kept secret; what is used is derived from it."""
        self._key = hmac.digest(key, b"page form", "sha256")

    def make(self, callers: Sequence[str], fingerprint: str, now: datetime) -> str:
        """A token for this caller's form on this group, good for a day at least."""
        text = "\x1f".join((callers[0], fingerprint, now.date().isoformat()))
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]

    def is_good(self, token: str, callers: Sequence[str], fingerprint: str, now: datetime) -> bool:
        """Whether a token was made for this caller and group, today or yesterday."""
        wanted = [self.make(callers, fingerprint, now - timedelta(days=days)) for days in (0, 1)]
        # Both are compared, so that time tells nothing.
        return any([hmac.compare_digest(token.encode(), one.encode()) for one in wanted])  # noqa: C419


def check_origin(headers: Headers) -> None:
    """Refuses a form that another site's page sends.

    Raises:
        Problem: 403.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:
        is_ours = site == "same-origin"
    elif origin is not None:
        is_ours = urlsplit(origin).netloc == headers.get("host", "")
    else:
        is_ours = True  # No browser: it has no credentials of somebody else's to send.
    if not is_ours:
        raise Problem(403, "This form was not sent from this page.")


def read_verdict(content_type: str, body: bytes) -> Verdict:
    """The fields of the form.

    Raises:
        Problem: 413, 415 or 422.
    """
    if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        raise Problem(415, "This address takes the page's form.")
    if len(body) > MAX_FORM_BYTES:
        raise Problem(413, f"A form may have {MAX_FORM_BYTES} bytes.")
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=len(_FIELDS), errors="strict")
        values = [fields[name][0] for name in _FIELDS]
    except (ValueError, KeyError):
        raise Problem(422, "The form does not fit.") from None
    fingerprint, solution_id, worked, token = values
    if worked not in {"yes", "no"}:
        raise Problem(422, "The form does not fit: worked is yes or no.")
    return Verdict(fingerprint, solution_id, worked == "yes", token)


def feedback_body(error_id: str, verdict: Verdict) -> FeedbackBody:
    """The REST call's body for a verdict.

    Raises:
        Problem: 422.
    """
    try:
        return FeedbackBody(
            error_id=error_id, solution_id=verdict.solution_id, solution_worked=verdict.worked
        )
    except ValidationError:
        raise Problem(422, "The form does not fit.") from None
