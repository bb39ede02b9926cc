"""Reddit through praw, as plain dictionaries; every call blocks and belongs off the event loop.

praw signs in and asks. It makes no objects here: one post that is not as praw wants it (without an
author, say) would cost the whole listing. It also waits and retries for as long as a host says;
here requests are bounded in time and size, follow no redirect, and a limit is told to the caller.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import praw
import prawcore
import requests
from praw.exceptions import PRAWException

from fixstream.producers.crawl.failures import Gone, HostBusy, HostFailed, Refused
from fixstream.producers.crawl.host_client import HttpConfig
from fixstream.producers.crawl.pacing import MAX_PAUSE
from fixstream.runtime.clock import Clock

HOST = "reddit"
_CHUNK_BYTES = 65_536
_DEFAULT_PAUSE_S = 60.0
_POSTS, _COMMENTS = "t3", "t1"
_REASON = re.compile(r"[a-z_]{1,40}")
# What praw raises on JSON that is not of Reddit's shape.
_MISSHAPEN = (
    *(AttributeError, AssertionError, KeyError, TypeError, ValueError, IndexError),
    PRAWException,
)

Fields = Mapping[str, Any]
OnPause = Callable[[datetime], None]
T = TypeVar("T")

PAGE_SIZE = 100
"""The most that Reddit lists or looks up at once."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of posts or comments."""

    things: list[Fields]
    after: str
    """Where the next page begins; empty on the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedditAccess:
    """Where Reddit is, and who asks."""

    client_id: str
    client_secret: str
    oauth_url: str = "https://oauth.reddit.com"
    base_url: str = "https://www.reddit.com"
    http: HttpConfig
    use_proxy_environment: bool = False


class BoundedRequestor(prawcore.Requestor):  # type: ignore[misc,unused-ignore]
    """praw's way to the network, which keeps limits by itself and never sleeps."""

    def __init__(
        self,
        *,
        http: HttpConfig,
        clock: Clock,
        on_pause: Callable[[datetime], None],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._config = http
        self._clock = clock
        self._on_pause = on_pause
        self._not_before: datetime | None = None

    def request(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """One request.

        Raises:
            HostBusy: Reddit's limit is used up.
            HostFailed: No usable answer.
            Refused: An answer that is too large.
        """
        if self._not_before is not None and self._clock.now() < self._not_before:
            raise HostBusy(HOST, self._not_before, "its limit is used up")
        kwargs["allow_redirects"] = False
        kwargs["stream"] = True
        kwargs["timeout"] = (self._config.connect_timeout_s, self._config.read_timeout_s)
        try:
            with self._http.request(*args, **kwargs) as response:
                response._content = self._body(response)  # noqa: SLF001 -- requests has no setter
        except (requests.RequestException, OSError) as problem:
            raise HostFailed(f"{HOST}: {type(problem).__name__}") from None
        self._check(response)
        return response

    def _body(self, response: requests.Response) -> bytes:
        body = bytearray()
        deadline_s = time.monotonic() + self._config.total_timeout_s
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._config.max_body_bytes:
                raise Refused(f"{HOST} sent more than {self._config.max_body_bytes} bytes")
            if time.monotonic() > deadline_s:
                raise HostFailed(f"{HOST}: an answer took over {self._config.total_timeout_s} s")
        return bytes(body)

    def _check(self, response: requests.Response) -> None:
        """Note limits, and keep their headers from praw, which would sleep on them."""
        headers = response.headers
        remaining = _seconds(headers.pop("x-ratelimit-remaining", ""))
        reset_s = _seconds(headers.pop("x-ratelimit-reset", ""))
        headers.pop("x-ratelimit-used", None)
        if response.status_code == 429:
            after_s = _seconds(headers.get("retry-after", "")) or reset_s or _DEFAULT_PAUSE_S
            self._pause(after_s)
            raise HostBusy(HOST, self._not_before or self._clock.now(), "too many requests")
        if remaining is not None and remaining < 1:
            self._pause(reset_s or _DEFAULT_PAUSE_S)
        if response.status_code == 200 and not response.content:
            raise HostFailed(f"{HOST} sent an empty answer")
        if response.status_code == 401 and not response.url.endswith("/access_token"):
            # praw would ask for a new token after seconds of sleep; a new client does so at once.
            raise HostFailed(f"{HOST} does not take its own token any more")
        if response.status_code >= 500:
            raise HostFailed(f"{HOST} answered {response.status_code}")

    def _pause(self, seconds: float) -> None:
        bounded = min(seconds, MAX_PAUSE.total_seconds())
        self._not_before = self._clock.now() + timedelta(seconds=bounded)
        self._on_pause(self._not_before)


class RedditClient:
    """Lists, looks up and reads; one thread at a time. A context manager: it holds connections."""

    def __init__(self, access: RedditAccess, clock: Clock) -> None:
        self._access = access
        self._clock = clock
        self._session = requests.Session()
        self._session.trust_env = access.use_proxy_environment
        self._reddit: Any = None
        self.paused_until: datetime | None = None
        """Until when Reddit asked to be left alone, last it did."""

    def close(self) -> None:
        """Give back the connections."""
        self._session.close()

    def new_posts(self, subreddit: str, after: str = "") -> Listing:
        """A page of a subreddit's posts, newest first."""
        params: dict[str, str | int] = {"limit": PAGE_SIZE}
        if after:
            params["after"] = after
        return self._call(lambda: _listing(self._get(f"r/{subreddit}/new", params), {_POSTS}))

    def look_up(self, fullnames: Sequence[str]) -> dict[str, Fields]:
        """Posts (`t3_...`) and comments (`t1_...`) by name; what is gone for good is left out.

        At most `PAGE_SIZE` of them.
        """
        params: dict[str, str | int] = {"id": ",".join(fullnames)}
        found = self._call(lambda: _listing(self._get("api/info/", params), {_POSTS, _COMMENTS}))
        return {str(one.get("name")): one for one in found.things}

    def comments(self, post_id: str) -> list[Fields]:
        """The first comments of a post (`t3_...`), best first, without what answers them."""
        path = f"comments/{post_id.removeprefix('t3_')}/"

        def read() -> list[Fields]:
            _, listing = self._get(path, {"sort": "top", "limit": 50})
            return _listing(listing, {_COMMENTS}).things

        return self._call(read)

    def _get(self, path: str, params: dict[str, str | int]) -> Any:
        return self._praw().request(method="GET", path=path, params=params)

    def _praw(self) -> Any:
        if self._reddit is None:
            access = self._access
            self._reddit = praw.Reddit(
                client_id=access.client_id,
                client_secret=access.client_secret,
                user_agent=access.http.user_agent,
                oauth_url=access.oauth_url.rstrip("/"),
                reddit_url=access.base_url.rstrip("/"),
                check_for_updates=False,
                requestor_class=BoundedRequestor,
                requestor_kwargs={
                    "session": self._session,
                    "http": access.http,
                    "clock": self._clock,
                    "on_pause": partial(setattr, self, "paused_until"),
                },
            )
        return self._reddit

    def _call(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except HostFailed:
            self._reddit = None
            raise
        except (prawcore.NotFound, prawcore.Redirect) as problem:
            kind = type(problem).__name__
            raise Gone(f"{HOST} has no such place ({kind}{_reason(problem)})") from None
        except (prawcore.ServerError, prawcore.RequestException, prawcore.BadJSON) as problem:
            raise HostFailed(f"{HOST}: {type(problem).__name__}") from None
        except prawcore.PrawcoreException as problem:
            told = f"{HOST} refuses ({type(problem).__name__}{_reason(problem)})"
            raise Refused(f"{told}; look at FIXSTREAM_CRAWL_REDDIT_*") from None
        except _MISSHAPEN as problem:
            raise HostFailed(f"{HOST} sent something odd: {type(problem).__name__}") from None


def _listing(content: Any, kinds: AbstractSet[str]) -> Listing:
    """What stands in a listing; of what is of another kind, or of none, the fields are empty.

    Raises:
        KeyError, TypeError: It is no listing.
    """
    data = content["data"]
    children, after = data["children"], data.get("after")
    if not isinstance(children, list):
        raise TypeError("a listing holds no list")
    return Listing(
        [_fields(child, kinds) for child in children], after if isinstance(after, str) else ""
    )


def _fields(thing: Any, kinds: AbstractSet[str]) -> Fields:
    """The fields of a thing; an author who left is none."""
    if not isinstance(thing, dict) or thing.get("kind") not in kinds:
        return {}
    fields = thing.get("data")
    if not isinstance(fields, dict):
        return {}
    return {**fields, "author": None} if fields.get("author") == "[deleted]" else fields


def _reason(problem: prawcore.PrawcoreException) -> str:
    """Reddit's own word for it, such as private, quarantined or banned."""
    try:
        reason = getattr(problem, "response").json()["reason"]  # noqa: B009 -- some have none
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
    is_word = isinstance(reason, str) and _REASON.fullmatch(reason)
    return f": {reason}" if is_word else ""


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e9 else None
