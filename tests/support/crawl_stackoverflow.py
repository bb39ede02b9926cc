"""Stack Exchange's answers, as a stand-in for it gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from fixstream.schemas.enums import EventSource
from support.crawl import NOW_S, ApiServer, CrawlBench, gzipped

QUESTIONS = "/2.3/questions"
TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/srv/app/orders.py", line 12, in load\n'
    "    return rows[key]\n"
    "KeyError: 'sku'"
)


def question(number: int, changed_at: int, **fields: Any) -> dict[str, Any]:
    """A question about an error."""
    return {
        "question_id": number,
        "title": f"KeyError &#39;sku&#39; when loading order {number}",
        "body": f"<p>It fails:</p><pre><code>{TRACE}</code></pre><p>Why?</p>",
        "tags": ["python"],
        "owner": {"display_name": f"Asker{number} O&#39;Neil"},
        "link": f"https://stackoverflow.com/questions/{number}/keyerror",
        "creation_date": changed_at - 100,
        "last_activity_date": changed_at,
        "answer_count": 1,
        "content_license": "CC BY-SA 4.0",
        **fields,
    }


def answer(number: int, question_id: int, **fields: Any) -> dict[str, Any]:
    """An answer to a question."""
    return {
        "answer_id": number,
        "question_id": question_id,
        "is_accepted": False,
        "score": 3,
        "body": "<p>Use <code>rows.get(key)</code>.</p>",
        "owner": {"display_name": "Helper"},
        "creation_date": NOW_S - 50,
        "content_license": "CC BY-SA 3.0",
        **fields,
    }


def wrapper(*items: Any, **fields: Any) -> web.Response:
    """Items in the API's wrapper object."""
    return gzipped({"items": items, "has_more": False, "quota_remaining": 299, **fields})


def bench(api: ApiServer, folder: Path, **settings: Any) -> CrawlBench:
    """A crawler of one tag."""
    return CrawlBench(
        EventSource.STACKOVERFLOW,
        folder,
        stackoverflow_base_url=f"{api.url}/2.3",
        **{"stackoverflow_tags": ("python",), **settings},
    )
