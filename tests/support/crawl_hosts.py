"""Each crawled host with a few posts, for cases that every source has to pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fixstream.schemas.enums import EventSource
from support.crawl import NOW, NOW_S, ApiServer, CrawlBench, gzipped

NUM_POSTS = 3
_PERSON = {"login": "someone", "type": "User"}
_TEXT = "It fails with a ConnectionError since the last update."


def _always(item: object, request: object) -> object:
    return item


def stackoverflow(api: ApiServer, folder: Path) -> CrawlBench:
    """Three questions without answers."""
    items = [
        {
            "question_id": number,
            "title": f"ConnectionError {number}",
            "body": f"<p>{_TEXT}</p>",
            "owner": {"display_name": f"user{number}"},
            "link": f"https://stackoverflow.com/questions/{number}",
            "creation_date": NOW_S,
            "last_activity_date": NOW_S + number,
            "answer_count": 0,
        }
        for number in range(1, NUM_POSTS + 1)
    ]
    api.on("/questions", lambda _: gzipped({"items": items, "has_more": False}))
    return CrawlBench(
        EventSource.STACKOVERFLOW,
        folder,
        stackoverflow_base_url=api.url,
        stackoverflow_tags=("python",),
        max_attempts=2,
    )


def github(api: ApiServer, folder: Path) -> CrawlBench:
    """Three open issues."""
    when = NOW.isoformat()
    items = [
        {
            "number": number,
            "title": f"ConnectionError {number}",
            "body": _TEXT,
            "user": {**_PERSON, "login": f"user{number}"},
            "state": "open",
            "created_at": when,
            "updated_at": when,
        }
        for number in range(1, NUM_POSTS + 1)
    ]
    api.on("/repos/a/b/issues", lambda _: items)
    return CrawlBench(
        EventSource.GITHUB,
        folder,
        github_base_url=api.url,
        github_repositories=("a/b",),
        max_attempts=2,
    )


def hackernews(api: ApiServer, folder: Path) -> CrawlBench:
    """Three technical stories."""
    numbers = range(1, NUM_POSTS + 1)
    api.on("/topstories.json", lambda _: list(numbers))
    for number in numbers:
        item = {
            "id": number,
            "type": "story",
            "by": f"user{number}",
            "time": NOW_S,
            "title": f"DNS outage {number}",
        }
        api.on(f"/item/{number}.json", partial(_always, item))
    return CrawlBench(EventSource.HACKERNEWS, folder, hackernews_base_url=api.url, max_attempts=2)


def reddit(api: ApiServer, folder: Path) -> CrawlBench:
    """Three posts about errors."""
    posts: list[dict[str, Any]] = [
        {
            "kind": "t3",
            "data": {
                "name": f"t3_{number}",
                "id": str(number),
                "title": f"ConnectionError {number}",
                "selftext": _TEXT,
                "author": f"user{number}",
                "created_utc": float(NOW_S - number),
                "permalink": f"/r/aws/comments/{number}/",
                "subreddit": "aws",
            },
        }
        for number in range(1, NUM_POSTS + 1)
    ]
    token = {"access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": "*"}
    api.on("/api/v1/access_token", lambda _: token)
    api.on("/r/aws/new", lambda _: {"kind": "Listing", "data": {"children": posts, "after": None}})
    return CrawlBench(
        EventSource.REDDIT,
        folder,
        reddit_base_url=api.url,
        reddit_oauth_url=api.url,
        reddit_client_id="id",
        reddit_client_secret="secret",
        reddit_subreddits=("aws",),
        max_attempts=2,
    )


ALL_HOSTS: dict[str, Callable[[ApiServer, Path], CrawlBench]] = {
    "stackoverflow": stackoverflow,
    "github": github,
    "hackernews": hackernews,
    "reddit": reddit,
}
