"""Refuses a request for a host that is not this service: pure ASGI, behind the gate.

A site can let its own name lead to 127.0.0.1 after its page has loaded (DNS rebinding). To the
browser our page then is that site's, and our own checks of a form's origin agree. What gives it
away is the name in `Host`. An address cannot be led elsewhere, and names that no public registry
gives out cannot be had by a stranger: these always pass. It knows no route but the probes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from fixstream.inference.guard import OPEN
from fixstream.inference.problems import problem_response

ANY = "*"
LOCAL_SUFFIXES = (".localhost", ".local", ".internal")
"""Reserved (RFC 6761, RFC 6762, ICANN 2024); `cluster.local` of Kubernetes is one of them."""
MAX_CHARS = 255 + len(":65535")
_PORT = re.compile(r":\d*\Z")
_DETAIL = (
    "This service does not answer to the name in Host; FIXSTREAM_INFERENCE_ALLOWED_HOSTS adds one."
)


class HostNames:
    """Which names in `Host` are this service's."""

    def __init__(self, names: Iterable[str]) -> None:
        """Takes names beside the local ones; `*.example.com` stands for all below it, `*` for any.

        Raises:
            ValueError: One is no name; the message says which.
        """
        self._names = frozenset(_checked(name) for name in names)
        # The same few names over and over: a look-up, not an address parsed, for each request.
        self._is_known = lru_cache(maxsize=256)(self._is_included)

    def includes(self, host: str) -> bool:
        """Whether a request with this `Host` is for us."""
        return len(host) <= MAX_CHARS and self._is_known(host)

    def _is_included(self, host: str) -> bool:
        name = _PORT.sub("", host.strip().lower()).rstrip(".")
        if ANY in self._names or name in self._names or _is_local(name):
            return True
        # `*.example.com` is for what lies below it: for `a.b.example.com`, too.
        parts = name.split(".")
        return any(f"*.{'.'.join(parts[at:])}" in self._names for at in range(1, len(parts)))


class HostCheck:
    """The layer that looks at `Host`."""

    def __init__(self, app: ASGIApp, names: HostNames) -> None:
        """Stores what it stands before."""
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers 421."""
        if scope["type"] != "http" or scope["path"] in OPEN or self._is_for_us(scope):
            await self._app(scope, receive, send)
        else:
            await problem_response(421, _DETAIL)(scope, receive, send)

    def _is_for_us(self, scope: Scope) -> bool:
        # Without any it is HTTP/1.0: no browser sends that.
        return all(
            self._names.includes(value.decode("latin-1"))
            for name, value in scope["headers"]
            if name == b"host"
        )


def _is_local(name: str) -> bool:
    if name and "." not in name and ":" not in name:
        return True  # `localhost`, or what a container or a cluster calls it.
    if name.endswith(LOCAL_SUFFIXES):
        return True
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _checked(name: str) -> str:
    name = name.strip().lower().rstrip(".")
    if name != ANY and not re.fullmatch(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", name):
        raise ValueError(f"{name[:80]!r} is no host name (without scheme and port)")
    return name
