"""Shapes of GitHub that are rare and real: ghosts, renames, bots, long threads, failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from support.crawl import ApiServer
from support.crawl_github import LIST, bench, closed, comment, issue, merged, stamp

FIX = "Pin urllib3 below version 2."


async def test_ghosts_and_empty_bodies_are_read(api: ApiServer, tmp_path: Path) -> None:
    listed: list[Any] = [
        issue(1, user=None, body=None, labels=["bug", {"name": None}, {"name": "area/x"}, 7]),
        issue(2, body="It fails \U0001f600\r\n\r\n- [ ] done\r\n", state_reason="reopened"),
        issue(3, html_url="javascript:alert(1)", reactions=None, milestone=None, locked=True),
        issue(4, changed_s=0, updated_at="9999-12-31T23:59:59Z"),
        *(None, [], issue(5, title=None), issue(6) | {"number": "6"}, issue(7, updated_at="soon")),
    ]
    api.on(LIST, lambda _: listed)
    crawl = bench(api, tmp_path)
    report = await crawl.crawl()
    assert report.failures == []
    assert report.left_out("github") == {"bad_item": 5}
    ghost, emoji, odd, _ = crawl.publisher.events
    assert ghost.message == "Order 1 fails with TypeError"
    assert ghost.provenance is not None
    assert (ghost.provenance.author, ghost.provenance.license) == (None, None)
    assert ghost.attributes["crawl.tags"] == "bug area/x"
    assert "\U0001f600" in emoji.message
    assert "\r" not in emoji.message
    assert odd.provenance is not None
    assert odd.provenance.url == "https://github.com/acme/shop/issues/3"


@pytest.mark.parametrize("origin", ["", "https://api.github.com"])
@pytest.mark.parametrize("query", ["", "?labels=bug&state=all"])
async def test_a_renamed_repository_is_found_on_the_same_host(
    api: ApiServer, tmp_path: Path, origin: str, query: str
) -> None:
    moved = {"Location": f"{origin}/repositories/7/issues{query}"}
    api.on(LIST, lambda _: web.json_response({"message": "Moved"}, status=301, headers=moved))
    api.on("/repositories/7/issues", lambda _: [issue(1)])
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert len(crawl.event_ids) == 1
    assert api.asked("/repositories/7/issues")[0]["labels"] == "bug"


async def test_pages_by_cursor_are_followed(api: ApiServer, tmp_path: Path) -> None:
    def page(request: web.Request) -> web.Response:
        number = int(request.query.get("after", "c0")[1:]) + 1
        link = f"<https://api.github.com/repositories/1/issues?after=c{number}&page={number + 1}>; "
        headers = {"Link": f'{link}rel="next"'} if number < 3 else {}
        return web.json_response([issue(number)], headers=headers)

    api.on(LIST, page)
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert len(crawl.event_ids) == 3


async def test_of_a_very_long_thread_the_end_is_read(api: ApiServer, tmp_path: Path) -> None:
    def timeline(request: web.Request) -> web.Response:
        number = int(request.query.get("page", "1"))
        items: list[Any] = [comment("I see it as well, any news?", -9000 + number)]
        if number == 50:
            items += [comment(FIX, -90, "m"), {"event": "closed", "actor": {"login": "m"}}]
        at = "https://api.github.com/repositories/1/issues/1/timeline?page="
        links = [f'<{at}{number + 1}>; rel="next"', f'<{at}50>; rel="last"']
        return web.json_response(items, headers={"Link": ", ".join(links)} if number < 50 else {})

    api.on(LIST, lambda _: [closed(1, comments=5000)])
    api.on(f"{LIST}/1/timeline", timeline)
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    assert [one.text for one in crawl.publisher.solutions] == [FIX]
    assert len(api.asked(f"{LIST}/1/timeline")) == 5


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        ([comment("Is this still a problem for all?", -900),
          {"event": "closed", "actor": {"login": "stale[bot]", "type": "Bot"}}], []),
        ([comment(FIX, -900, author_association="MEMBER"), comment("Same here, every day!", -80),
          {"event": "closed", "actor": {"login": "github-actions[bot]"}}], [FIX]),
        ([merged("Mine", -100) | {"source": {"issue": {
            **merged("Buy cheap watches", -100)["source"]["issue"],
            "html_url": "https://github.com/evil/shop/pull/9"}}}], []),
        ([{"event": "locked"}, {"event": "ai_summarised", "actor": 7}, {"event": None}, None, 7,
          {"event": "committed", "author": {"name": "x"}}, {"event": "closed", "actor": None},
          comment("Only for those who look.", -70, body=None),
          {"event": "cross-referenced", "source": {"issue": {"pull_request": None}}},
          comment(FIX, -70, user=None)], [FIX]),
    ],
    ids=["stale bot", "bot after team", "pull request of another repository", "odd kinds"],
)  # fmt: skip
async def test_what_counts_as_the_fix(
    api: ApiServer, tmp_path: Path, timeline: list[Any], expected: list[str]
) -> None:
    api.on(LIST, lambda _: [closed(1, comments=9)])
    api.on(f"{LIST}/1/timeline", lambda _: timeline)
    crawl = bench(api, tmp_path)
    report = await crawl.crawl()
    assert report.failures == []
    assert [one.text for one in crawl.publisher.solutions] == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda: web.Response(status=500),
        lambda: web.Response(status=403, text="no"),
        lambda: web.Response(text="<html>", content_type="text/html"),
        lambda: web.json_response({"message": "?"}),
        lambda: web.Response(status=302, headers={"Location": "https://elsewhere.test/"}),
    ],
)
async def test_details_that_fail_hold_up_nobody_and_are_given_up_in_the_end(
    api: ApiServer, tmp_path: Path, make: Any
) -> None:
    api.on(LIST, lambda _: [closed(1), closed(2), issue(3)])
    api.on(f"{LIST}/1/timeline", lambda _: make())
    api.on(f"{LIST}/2/timeline", lambda _: [comment(FIX, -90)])
    crawl = bench(api, tmp_path, max_attempts=2)
    for num_failures in (1, 1, 0, 0):
        report = await crawl.crawl()
        assert len(report.failures) == num_failures
        assert len(crawl.event_ids) == 3
        assert crawl.solution_ids == ["github:acme/shop#2"]
        crawl.clock.advance(400)
    assert len(api.asked(f"{LIST}/2/timeline")) == 1

    api.on(LIST, lambda _: [closed(1, 60)])
    api.on(f"{LIST}/1/timeline", lambda _: [comment(FIX, -90)])
    await crawl.crawl()
    assert (len(crawl.event_ids), len(crawl.solution_ids)) == (3, 2)


async def test_a_limit_in_the_middle_loses_no_tombstone(api: ApiServer, tmp_path: Path) -> None:
    api.on(LIST, lambda _: [closed(1), closed(2)])
    for number in (1, 2):
        api.on(f"{LIST}/{number}/timeline", lambda _: [comment(FIX, -90)])
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    crawl.clock.advance(8 * 86400)
    limit = web.json_response({"message": "limit"}, status=429, headers={"Retry-After": "3000"})
    del api.handlers[f"{LIST}/1/timeline"]  # What has no answer is a 404.
    api.on(f"{LIST}/2", lambda _: limit)
    assert len((await crawl.crawl()).failures) == 1
    assert crawl.publisher.tombstones == ["github:acme/shop#1"]
    crawl.clock.advance(3001)
    del api.handlers[f"{LIST}/2"]
    await crawl.crawl()
    assert crawl.publisher.tombstones == ["github:acme/shop#1", "github:acme/shop#2"]


@pytest.mark.parametrize(("status", "word"), [(410, "410"), (451, "451")])
async def test_disabled_and_blocked_repositories_are_told(
    api: ApiServer, tmp_path: Path, status: int, word: str
) -> None:
    told = {"message": "Issues are disabled for this repo"}
    api.on(LIST, lambda _: web.json_response(told, status=status))
    (failure,) = (await bench(api, tmp_path).crawl()).failures
    assert word in failure


async def test_abuse_detection_is_a_limit(api: ApiServer, tmp_path: Path) -> None:
    told = {"message": "You have triggered an abuse detection mechanism. Please wait."}
    limited = web.json_response(told, status=403)
    api.on(LIST, lambda _: limited if len(api.requests) == 1 else [issue(1, updated_at=stamp())])
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert (crawl.slept, len(crawl.event_ids)) == ([60.0], 1)
