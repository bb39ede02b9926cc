"""Reddit through praw: events, the comment that helped, tombstones, and no waiting inside praw."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import Misconfigured
from support.crawl import ApiServer, CrawlBench
from support.crawl_reddit import INFO, NEW, TOKEN, bench, comment, listing, post

SAMPLES = Path("/work/shared/data/api_samples")


async def test_it_is_off_without_credentials(api: ApiServer, tmp_path: Path) -> None:
    crawl = CrawlBench(EventSource.REDDIT, tmp_path, reddit_base_url=api.url)
    with pytest.raises(Misconfigured, match="FIXSTREAM_CRAWL_REDDIT_CLIENT_ID"):
        await crawl.crawl()
    assert api.requests == []


async def test_posts_about_errors_become_events_once(api: ApiServer, tmp_path: Path) -> None:
    chat = post("c", 10, title="What is your favourite region?", selftext="Tell me.")
    api.on(NEW, lambda _: listing(post("b", 5), chat, post("a", 20)))
    crawl = bench(api, tmp_path)
    report = await crawl.crawl()
    assert report.failures == []
    first, second = crawl.publisher.events
    assert first.event_id.startswith("reddit:t3_a@")
    assert second.event_id.startswith("reddit:t3_b@")
    assert first.error_type == "AccessDeniedException"
    assert first.domain_hint == "cloud"
    assert first.provenance is not None
    assert first.provenance.url == "https://www.reddit.com/r/aws/comments/a/lambda_fails/"
    assert report.counts["reddit"]["no_error"] == 1
    asked = next(one for one in api.requests if one.path == NEW)
    assert asked.headers["User-Agent"].startswith("fixstream-crawler/")

    await crawl.crawl()
    assert len(crawl.event_ids) == 2


async def test_pages_are_read_back_to_where_the_last_run_was(
    api: ApiServer, tmp_path: Path
) -> None:
    pages = {
        None: listing(post("d", 100), post("c", 200), after="t3_c"),
        "t3_c": listing(post("b", 3 * 86400), post("a", 8 * 86400), after="t3_a"),
    }
    first = listing(post("z", 6 * 86400))
    api.on(NEW, lambda request: first)
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    api.requests.clear()
    crawl.publisher.events.clear()

    api.on(NEW, lambda request: pages[request.query.get("after")])
    await crawl.crawl()
    assert [one[:11] for one in crawl.event_ids] == ["reddit:t3_b", "reddit:t3_c", "reddit:t3_d"]
    await crawl.crawl()
    assert len(crawl.event_ids) == 3
    assert len(api.asked(NEW)) == 4


async def test_deleted_posts_are_taken_back_at_first_sight_and_later(
    api: ApiServer, tmp_path: Path
) -> None:
    removed = post("r", 30, selftext="[removed]", removed_by_category="moderator")
    api.on(NEW, lambda _: listing(post("a"), post("b"), removed, post("d", selftext="[deleted]")))
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    assert sorted(crawl.publisher.tombstones) == ["reddit:t3_d", "reddit:t3_r"]
    await crawl.crawl()
    assert len(crawl.publisher.tombstones) == 2

    api.on(NEW, lambda _: listing())
    api.on(INFO, lambda _: listing(post("a", author="[deleted]", selftext="[deleted]")))
    crawl.clock.advance(25 * 3600)
    await crawl.crawl()
    assert sorted(crawl.publisher.tombstones[2:]) == ["reddit:t3_a", "reddit:t3_b"]


async def test_the_best_comment_becomes_the_solution_and_leaves_with_its_author(
    api: ApiServer, tmp_path: Path
) -> None:
    api.on(NEW, lambda _: listing(post("a")))
    crawl = bench(api, tmp_path)
    await crawl.crawl()

    api.on(NEW, lambda _: listing())
    api.on(INFO, lambda _: listing(post("a", num_comments=3)))
    comments = (
        comment("x", "Attach the policy to the role, not to the user.", 9),
        comment("y", "Have you tried turning it off and on again?", 4),
        comment("z", "[deleted]", 90),
        comment("s", "Welcome! Please read the rules of this place.", 99, stickied=True),
    )
    api.on("/comments/a/", lambda _: [listing(post("a")), listing(*comments)])
    crawl.clock.advance(25 * 3600)
    await crawl.crawl()
    (solution,) = crawl.publisher.solutions
    assert (solution.solution_id, solution.votes) == ("reddit:t3_a", 9)
    assert solution.provenance.author == "helper"
    assert solution.usable_after == solution.created_at + timedelta(hours=24)

    api.on(INFO, lambda _: listing(post("a", num_comments=2)))
    crawl.clock.advance(25 * 3600)
    await crawl.crawl()
    assert crawl.publisher.tombstones == ["reddit:t3_a"]
    assert len(crawl.publisher.solutions) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: web.Response(text="<html>blocked</html>", content_type="text/html"),
        lambda: web.Response(text=""),
        lambda: web.json_response({"message": "oops"}, status=500),
        lambda: web.json_response({"data": None}),
        lambda: web.json_response([1, 2]),
        lambda: web.json_response(listing(after="x")["data"]),
        lambda: web.Response(status=302, headers={"Location": "http://elsewhere.test/"}),
        lambda: web.json_response({"message": "Forbidden"}, status=403),
        lambda: web.json_response({"message": "Unauthorized", "error": 401}, status=401),
    ],
)
async def test_unusable_answers_end_the_query_and_keep_the_cursor(
    api: ApiServer, tmp_path: Path, make: Any
) -> None:
    api.on(NEW, lambda _: make())
    crawl = bench(api, tmp_path)
    (failure,) = (await crawl.crawl()).failures
    assert "fault" not in failure
    api.on(NEW, lambda _: listing(post("a")))
    await crawl.crawl()
    assert len(crawl.event_ids) == 1


async def test_wrong_credentials_are_told(api: ApiServer, tmp_path: Path) -> None:
    api.on(TOKEN, lambda _: web.json_response({"message": "Unauthorized"}, status=401))
    (failure,) = (await bench(api, tmp_path).crawl()).failures
    assert "FIXSTREAM_CRAWL_REDDIT" in failure


@pytest.mark.parametrize("status", [200, 429])
async def test_a_spent_limit_is_told_and_not_slept_through(
    api: ApiServer, tmp_path: Path, status: int
) -> None:
    headers = {"x-ratelimit-remaining": "0.0", "x-ratelimit-reset": "500", "x-ratelimit-used": "99"}
    api.on(NEW, lambda _: web.json_response(listing(post("a")), status=status, headers=headers))
    crawl = bench(api, tmp_path, reddit_subreddits=("aws", "azure"))
    report = await crawl.crawl()
    assert "12:08:20" in report.failures[-1]
    assert len(crawl.event_ids) == (1 if status == 200 else 0)
    assert api.asked("/r/azure/new") == []


async def test_odd_items_are_counted(api: ApiServer, tmp_path: Path) -> None:
    odd = [
        post("a", title=None),
        post("b", created_utc="now"),
        {"kind": "t9", "data": {}},
        comment("x", "a comment", 1),
    ]
    api.on(NEW, lambda _: listing(*odd, post("c", selftext="\ud800\x00 error")))
    crawl = bench(api, tmp_path)
    counts = (await crawl.crawl()).counts["reddit"]
    assert counts["bad_item"] == len(odd)
    assert len(crawl.event_ids) == 1


async def test_a_recorded_listing_is_read(api: ApiServer, tmp_path: Path) -> None:
    path = SAMPLES / "reddit_subreddit_search.json"
    if not path.exists():
        pytest.skip(f"{path} is not here: recorded answers of Reddit")
    token, found = json.loads(path.read_text())["interactions"]
    api.on(TOKEN, lambda _: json.loads(token["response"]["body"]["string"]))
    recorded = json.loads(found["response"]["body"]["string"])
    api.on(NEW, lambda _: recorded)
    crawl = bench(api, tmp_path)
    report = await crawl.crawl()
    assert report.failures == []
    counts = report.counts["reddit"]
    assert counts["bad_item"] == 0
    assert len(crawl.event_ids) + counts["no_error"] == len(recorded["data"]["children"])
    assert len(crawl.event_ids) > 0
