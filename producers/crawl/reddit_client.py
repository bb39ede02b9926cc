"""Reddit through praw, as plain dictionaries; every call blocks and belongs off the event loop.

praw waits and retries by itself for as long as a host says. Here requests are bounded in time and
size, follow no redirect, and a limit is told to the caller instead of being slept through.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, TypeVar

import praw
import prawcore
import requests
from praw.exceptions import PRAWException
from praw.models import Comment, Submission

from fixstream.producers.crawl.failures import Gone, HostBusy, HostFailed, Refused
from fixstream.producers.crawl.host_client import HttpConfig
from fixstream.producers.crawl.metrics import REQUESTS
from fixstream.producers.crawl.pacing import MAX_PAUSE
from fixstream.runtime.clock import Clock

HOST = "reddit"
_CHUNK_BYTES = 65_536
_DEFAULT_PAUSE_S = 60.0
_FIELDS = (
    *("name", "id", "title", "body", "selftext", "author", "created_utc", "edited", "permalink"),
    *("score", "num_comments", "removed_by_category", "subreddit", "stickied"),
)
# What praw raises on JSON that is not of Reddit's shape.
_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError, IndexError, PRAWException)

Fields = Mapping[str, Any]
T = TypeVar("T")


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

    def __init__(self, *, http: HttpConfig, clock: Clock, **options: Any) -> None:
        super().__init__(**options)
        self._config = http
        self._clock = clock
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
            REQUESTS.labels(HOST, "failed").inc()
            raise HostFailed(f"{HOST}: {type(problem).__name__}") from None
        self._check(response)
        REQUESTS.labels(HOST, "answered").inc()
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
            REQUESTS.labels(HOST, "limited").inc()
            raise HostBusy(HOST, self._not_before or self._clock.now(), "too many requests")
        if remaining is not None and remaining < 1:
            self._pause(reset_s or _DEFAULT_PAUSE_S)
        if response.status_code == 200 and not response.content:
            REQUESTS.labels(HOST, "failed").inc()
            raise HostFailed(f"{HOST} sent an empty answer")
        if response.status_code == 401 and not response.url.endswith("/access_token"):
            # praw would ask for a new token after seconds of sleep; a new client does so at once.
            raise HostFailed(f"{HOST} does not take its own token any more")
        if response.status_code >= 500:
            REQUESTS.labels(HOST, "failed").inc()
            raise HostFailed(f"{HOST} answered {response.status_code}")

    def _pause(self, seconds: float) -> None:
        bounded = min(seconds, MAX_PAUSE.total_seconds())
        self._not_before = self._clock.now() + timedelta(seconds=bounded)


class RedditClient:
    """Lists, looks up and reads; one thread at a time. A context manager: it holds connections."""

    def __init__(self, access: RedditAccess, clock: Clock) -> None:
        self._access = access
        self._clock = clock
        self._session = requests.Session()
        self._session.trust_env = access.use_proxy_environment
        self._reddit: Any = None

    def close(self) -> None:
        """Give back the connections."""
        self._session.close()

    def new_posts(self, subreddit: str, since: int, max_posts: int) -> list[Fields]:
        """Posts of a subreddit that are not older than `since`, newest first."""

        def read() -> list[Fields]:
            listing = self._praw().subreddit(subreddit).new(limit=max_posts)
            return list(takewhile(lambda one: _created(one) >= since, map(_fields, listing)))

        return self._call(read)

    def look_up(self, fullnames: Iterable[str]) -> dict[str, Fields]:
        """Posts (`t3_...`) and comments (`t1_...`) by name; what is gone for good is left out."""

        def read() -> dict[str, Fields]:
            found = map(_fields, self._praw().info(fullnames=list(fullnames)))
            return {str(one.get("name")): one for one in found}

        return self._call(read)

    def comments(self, post_id: str) -> list[Fields]:
        """The first comments of a post (`t3_...`), best first, without what answers them."""

        def read() -> list[Fields]:
            post = self._praw().submission(id=post_id.removeprefix("t3_"))
            post.comment_sort = "top"
            post.comment_limit = 50
            return [_fields(one) for one in post.comments if isinstance(one, Comment)]

        return self._call(read)

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
            raise Gone(f"{HOST} has no such place ({type(problem).__name__})") from None
        except (prawcore.ServerError, prawcore.RequestException, prawcore.BadJSON) as problem:
            raise HostFailed(f"{HOST}: {type(problem).__name__}") from None
        except prawcore.PrawcoreException as problem:
            told = f"{HOST} refuses ({type(problem).__name__}); look at FIXSTREAM_CRAWL_REDDIT_*"
            raise Refused(told) from None
        except _MISSHAPEN as problem:
            raise HostFailed(f"{HOST} sent something odd: {type(problem).__name__}") from None


def _fields(thing: Any) -> Fields:
    """What came with a thing; asking praw for what did not come would send a request."""
    if not isinstance(thing, Submission | Comment):
        return {}
    known = vars(thing)
    fields = {name: known[name] for name in _FIELDS if name in known}
    for name in ("author", "subreddit"):
        if fields.get(name) is not None:
            fields[name] = str(fields[name])
    if fields.get("author") == "[deleted]":
        fields["author"] = None
    return fields


def _created(fields: Fields) -> float:
    # What has no time is passed on, to be counted as a bad item.
    created = fields.get("created_utc")
    if isinstance(created, int | float) and math.isfinite(created):
        return float(created)
    return math.inf


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e9 else None
