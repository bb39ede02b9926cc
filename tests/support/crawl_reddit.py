"""Reddit's answers, as a stand-in for it gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fixstream.schemas.enums import EventSource
from support.crawl import NOW_S, ApiServer, CrawlBench

TOKEN = "/api/v1/access_token"
NEW = "/r/aws/new"
INFO = "/api/info/"


def post(post_id: str, age_s: int = 0, **fields: Any) -> dict[str, Any]:
    """A post of r/aws, as it stands in listings."""
    data = {
        "name": f"t3_{post_id}",
        "id": post_id,
        "title": "Lambda fails with AccessDeniedException",
        "selftext": "Since today:\n\n    AccessDeniedException: not authorized\n\nAny idea?",
        "author": "builder",
        "created_utc": float(NOW_S - age_s),
        "edited": False,
        "permalink": f"/r/aws/comments/{post_id}/lambda_fails/",
        "num_comments": 0,
        "score": 5,
        "subreddit": "aws",
        "removed_by_category": None,
        **fields,
    }
    return {"kind": "t3", "data": data}


def comment(comment_id: str, body: str, votes: int, **fields: Any) -> dict[str, Any]:
    """A comment on a post."""
    data = {
        "name": f"t1_{comment_id}",
        "id": comment_id,
        "body": body,
        "author": "helper",
        "score": votes,
        "created_utc": float(NOW_S),
        "permalink": f"/r/aws/comments/a/_/{comment_id}/",
        "replies": "",
        "subreddit": "aws",
        **fields,
    }
    return {"kind": "t1", "data": data}


def listing(*things: Any, after: str | None = None) -> dict[str, Any]:
    """A page of things."""
    return {"kind": "Listing", "data": {"children": list(things), "after": after, "before": None}}


def bench(api: ApiServer, folder: Path, **settings: Any) -> CrawlBench:
    """A crawler of one subreddit, with a token endpoint that works."""
    api.handlers.setdefault(
        TOKEN,
        lambda _: {"access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": "*"},
    )
    return CrawlBench(
        EventSource.REDDIT,
        folder,
        reddit_base_url=api.url,
        reddit_oauth_url=api.url,
        reddit_client_id="id",
        reddit_client_secret="secret",
        **{"reddit_subreddits": ("aws",), "max_attempts": 2, **settings},
    )
