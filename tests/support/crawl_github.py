"""GitHub's answers, as a stand-in for it gives them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from fixstream.schemas.enums import EventSource
from support.crawl import NOW, ApiServer, CrawlBench

LIST = "/repos/acme/shop/issues"


def stamp(seconds: int = 0) -> str:
    """A time as the API writes it."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def issue(number: int, changed_s: int = 0, **fields: Any) -> dict[str, Any]:
    """An open issue of acme/shop, as it stands in lists."""
    return {
        "number": number,
        "title": f"Order {number} fails with TypeError",
        "body": "It fails:\r\n```\nTypeError: x is undefined\n    at f (/srv/a.js:1:2)\n"
        "    at g (/srv/b.js:3:4)\n```\n<!-- please fill in -->",
        "html_url": f"https://github.com/acme/shop/issues/{number}",
        "user": {"login": f"user{number}", "type": "User"},
        "labels": [{"name": "bug"}],
        "state": "open",
        "comments": 0,
        "created_at": stamp(-5000),
        "updated_at": stamp(changed_s),
        "closed_at": None,
        **fields,
    }


def closed(number: int, changed_s: int = 0, **fields: Any) -> dict[str, Any]:
    """One that was closed a minute ago."""
    return issue(number, changed_s, state="closed", closed_at=stamp(-60), **fields)


def comment(text: str, at_s: int, login: str = "someone", **fields: Any) -> dict[str, Any]:
    """A comment in a timeline."""
    return {
        "event": "commented",
        "body": text,
        "user": {"login": login, "type": "User"},
        "html_url": f"https://github.com/acme/shop/issues/1#issuecomment-{abs(at_s)}",
        "created_at": stamp(at_s),
        **fields,
    }


def merged(title: str, at_s: int) -> dict[str, Any]:
    """A merged pull request that names the issue."""
    return {
        "event": "cross-referenced",
        "source": {
            "issue": {
                "title": title,
                "body": "Look before the leap.",
                "html_url": "https://github.com/acme/shop/pull/9",
                "user": {"login": "fixer"},
                "pull_request": {"merged_at": stamp(at_s)},
            }
        },
    }


def bench(api: ApiServer, folder: Path, **settings: Any) -> CrawlBench:
    """A crawler of one repository."""
    return CrawlBench(
        EventSource.GITHUB,
        folder,
        github_base_url=api.url,
        **{"github_repositories": ("acme/shop",), **settings},
    )
