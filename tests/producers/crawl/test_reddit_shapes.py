"""Shapes of Reddit that are rare and real: no author, other kinds, crossposts, limits, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from support.crawl import NOW_S, ApiServer
from support.crawl_reddit import INFO, NEW, TOKEN, bench, comment, listing, post


async def test_one_odd_post_costs_none_of_its_neighbours(api: ApiServer, tmp_path: Path) -> None:
    odd: list[Any] = [
        post("w", author=["a"]),
        post("n", name=None),
        post("t", title=7),
        post("c", created_utc=float("1e300")),
        comment("x", "a comment", 1),
        {"kind": "more", "data": {"children": ["a"], "count": 3, "name": "t1__", "id": "_"}},
        {"kind": "t5", "data": {"display_name": "aws"}},
        {"kind": "t3"},
        {"kind": "t3", "data": None},
        None,
        7,
    ]
    good = [
        post("a", author=None),
        post("b", author="[deleted]"),
        post("d", subreddit="AWS", over_18=True, stickied=True, edited=float(NOW_S)),
        post("e", selftext="", crosspost_parent_list=[{"selftext": "original"}]),
        post("f", is_gallery=True, gallery_data=None, media_metadata=None, selftext=""),
    ]
    for one in good:
        # Fields that make praw build other objects than posts, and ask for more.
        one["data"] |= {"poll_data": None, "author_fullname": None, "approved_at_utc": None}
    api.on(NEW, lambda _: listing(*odd, *good))
    crawl = bench(api, tmp_path)
    report = await crawl.crawl()
    assert report.failures == []
    assert report.left_out("reddit") == {"bad_item": len(odd)}
    authors = {one.event_id[7:11]: one.provenance.author for one in crawl.publisher.events}  # type: ignore[union-attr]
    assert authors == {"t3_a": None, "t3_b": None} | dict.fromkeys(
        ("t3_d", "t3_e", "t3_f"), "builder"
    )
    assert {one.provenance.license for one in crawl.publisher.events} == {None}  # type: ignore[union-attr]
    assert {one.path for one in api.requests} == {TOKEN, NEW}


async def test_comments_of_other_kinds_are_passed(api: ApiServer, tmp_path: Path) -> None:
    api.on(NEW, lambda _: listing(post("a"), post("b", 9)))
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    api.on(NEW, lambda _: listing())
    api.on(INFO, lambda _: listing(post("a", num_comments=9), post("b", 9, num_comments=9)))
    more = {"kind": "more", "data": {"children": ["q"], "count": 1}}
    good = comment("x", "Attach the policy to the role, not the user.", 9, author=None)
    odd = comment("y", "A comment whose score is hidden from us.", 0, score=None)
    api.on("/comments/a/", lambda _: [listing(post("a")), listing(more, None, odd, good)])
    api.on("/comments/b/", lambda _: web.Response(text="<html>", content_type="text/html"))
    crawl.clock.advance(25 * 3600)
    report = await crawl.crawl()
    assert crawl.solution_ids == ["reddit:t3_a"]
    assert report.left_out("reddit") == {"unanswered": 1}
    assert len(report.failures) == 1


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, {"reason": "private", "message": "Forbidden", "error": 403}, "private"),
        (403, {"reason": "quarantined", "message": "Forbidden", "error": 403}, "quarantined"),
        (404, {"reason": "banned", "message": "Not Found", "error": 404}, "banned"),
        (404, {"message": "Not Found", "error": 404}, "no such place"),
        (400, {"message": "Bad Request", "error": 400}, "BadRequest"),
        (400, {"fields": ["a", "b"], "reason": "X"}, "odd"),
        (451, {"message": "x"}, "Legal"),
    ],
)
async def test_a_closed_subreddit_is_told_and_leaves_the_others(
    api: ApiServer, tmp_path: Path, status: int, body: Any, told: str
) -> None:
    api.on(NEW, lambda _: web.json_response(body, status=status))
    api.on("/r/azure/new", lambda _: listing(post("a")))
    crawl = bench(api, tmp_path, reddit_subreddits=("aws", "azure"))
    (failure,) = (await crawl.crawl()).failures
    assert told in failure
    assert len(crawl.event_ids) == 1


async def test_a_short_limit_is_sat_out_and_a_long_one_outlives_the_process(
    api: ApiServer, tmp_path: Path
) -> None:
    limited = web.json_response({"message": "Too Many Requests", "error": 429}, status=429,
                                headers={"x-ratelimit-reset": "30"})  # fmt: skip
    api.on(NEW, lambda _: limited if len(api.asked(NEW)) == 1 else listing(post("a")))
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert (crawl.slept, len(crawl.event_ids)) == ([30.0], 1)

    spent = {"x-ratelimit-remaining": "0.0", "x-ratelimit-reset": "400"}
    api.on(NEW, lambda _: web.json_response(listing(post("b")), headers=spent))
    assert (await crawl.crawl()).failures == []
    assert len(crawl.event_ids) == 2
    num_requests = len(api.requests)
    assert len((await crawl.crawl()).failures) == 1
    assert len(api.requests) == num_requests
    crawl.clock.advance(401)
    await crawl.crawl()
    assert len(api.requests) == num_requests + 2


async def test_the_token_is_asked_for_again_when_it_ends(api: ApiServer, tmp_path: Path) -> None:
    def new(request: web.Request) -> Any:
        if len(api.asked(NEW)) == 1:
            return web.json_response({"message": "Unauthorized", "error": 401}, status=401)
        return listing(post("a"))

    api.on(NEW, new)
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert len(crawl.event_ids) == 1
    assert [one.path for one in api.requests] == [TOKEN, NEW, TOKEN, NEW]


@pytest.mark.parametrize(
    "make",
    [
        lambda: web.Response(text="<html>", content_type="text/html"),
        lambda: web.json_response([]),
        lambda: web.json_response({"error": "unsupported_grant_type"}),
        lambda: web.json_response({"access_token": "x"}),
        lambda: web.Response(status=503),
        lambda: web.Response(status=429, headers={"retry-after": "800"}),
    ],
)
async def test_a_token_endpoint_that_is_odd_ends_the_query(
    api: ApiServer, tmp_path: Path, make: Any
) -> None:
    api.on(TOKEN, lambda _: make())
    crawl = bench(api, tmp_path)
    (failure,) = (await crawl.crawl()).failures
    assert "fault" not in failure


async def test_a_listing_that_goes_round_ends(api: ApiServer, tmp_path: Path) -> None:
    api.on(NEW, lambda _: listing(post("a")))
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    turns = {"": "t3_a", "t3_a": "t3_b", "t3_b": "t3_a"}
    api.on(NEW, lambda request: listing(post("b"), after=turns[request.query.get("after", "")]))
    report = await crawl.crawl()
    assert report.failures == []
    assert len(api.asked(NEW)) == 1 + 10
    assert len(crawl.event_ids) == 2
