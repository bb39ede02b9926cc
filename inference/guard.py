"""Lets a request pass that shows a key for what it asks: pure ASGI, behind the gate.

Everything but the probes needs a key, and what is not listed here needs the scope `admin`, so a
new route is closed until somebody opens it. It logs no key and tells a stranger nothing.
"""

from __future__ import annotations

import base64
import binascii

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fixstream.inference import metrics
from fixstream.inference.api import PREFIX
from fixstream.inference.api_keys import ApiKey, KeyRing
from fixstream.inference.api_keys import Scope as KeyScope
from fixstream.inference.problems import Problem, problem_response
from fixstream.inference.rate_limit import RateLimiter

log = structlog.get_logger(__name__)

REFUSED = "refused"
"""The kind of call that a wrong key counts as, for the rate limiter."""
OPEN = frozenset({"/healthz", "/readyz"})
FOR_ANY_KEY = frozenset({"/docs", "/openapi.json", "/asyncapi.json"})
SCOPES = {
    ("POST", f"{PREFIX}/errors"): KeyScope.INGEST,
    ("POST", f"{PREFIX}/predict"): KeyScope.PREDICT,
    ("GET", f"{PREFIX}/suggest-fix"): KeyScope.PREDICT,
    ("POST", f"{PREFIX}/feedback"): KeyScope.FEEDBACK,
    ("POST", "/feedback"): KeyScope.FEEDBACK,
}
CHALLENGE = 'Bearer realm="fixstream", Basic realm="fixstream"'
"""Basic, so that a browser asks: the password is the key, the name does not matter."""


class Guard:
    """The layer that knows keys."""

    def __init__(self, app: ASGIApp, keys: KeyRing, limiter: RateLimiter) -> None:
        """Stores its collaborators."""
        self._app = app
        self._keys = keys
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            key = await self._holder(scope)
        except Problem as refused:
            answer = problem_response(
                refused.status_code, str(refused.detail), headers=refused.headers
            )
            await answer(scope, receive, send)
            return
        scope.setdefault("state", {})["key_id"] = key.key_id
        with structlog.contextvars.bound_contextvars(key_id=key.key_id):
            await self._app(scope, receive, send)

    async def _holder(self, scope: Scope) -> ApiKey:
        """The key that a request shows. Raises Problem: 401, 403 or 429."""
        presented = _presented(Headers(scope=scope))
        key = self._keys.holder_of(presented) if presented else None
        if key is None:
            metrics.KEYS_REFUSED.labels("unknown" if presented else "missing").inc()
            client = scope.get("client")
            await self._limiter.check(REFUSED, client[0] if client else "local")
            raise Problem(
                401, "This call needs an API key.", headers={"WWW-Authenticate": CHALLENGE}
            )
        wanted = SCOPES.get((scope["method"], scope["path"]), KeyScope.ADMIN)
        if scope["path"] not in FOR_ANY_KEY and not key.may(wanted):
            metrics.KEYS_REFUSED.labels("scope").inc()
            raise Problem(403, f"This key has not the scope {wanted}.")
        return key


def _presented(headers: Headers) -> str:
    """The key in `Authorization: Bearer`, in `X-API-Key`, or as the password of Basic."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return "?"  # Something was shown: it counts as a wrong key, not as none.
    return headers.get("x-api-key", "")
