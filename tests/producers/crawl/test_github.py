"""GitHub: issues become events, what closed them solutions, and its limits are obeyed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from support.crawl import NOW_S, ApiServer
from support.crawl_github import LIST, bench, closed, comment, issue, merged, stamp

SAMPLES = Path("/work/shared/data/api_samples")


async def test_issues_become_events_and_pull_requests_are_skipped(
    api: ApiServer, tmp_path: Path
) -> None:
    pull = issue(2, pull_request={"url": "https://api.github.com/repos/acme/shop/pulls/2"})
    api.on(LIST, lambda _: [issue(1), pull])
    crawl = bench(api, tmp_path, github_token="t0ken")
    report = await crawl.crawl()

    (event,) = crawl.publisher.events
    assert event.event_id.startswith("github:acme/shop#1@")
    assert (event.error_type, event.language) == ("TypeError", "javascript")
    assert event.message == "Order 1 fails with TypeError\n\nIt fails:"
    assert report.counts["github"]["pull_request"] == 1
    request = api.requests[0]
    assert request.headers["Authorization"] == "Bearer t0ken"
    assert request.headers["User-Agent"].startswith("fixstream-crawler/")
    asked = request.query
    assert (asked["labels"], asked["state"], asked["since"]) == ("bug", "all", stamp(-7 * 86400))


async def test_a_label_of_the_repository_is_asked_for(api: ApiServer, tmp_path: Path) -> None:
    api.on(LIST, lambda _: [])
    await bench(api, tmp_path, github_repositories=("acme/shop=kind/bug",)).crawl()
    assert api.asked(LIST)[0]["labels"] == "kind/bug"


@pytest.mark.parametrize(
    ("timeline", "expected_text", "expected_author"),
    [
        ([comment("Restart the worker, then it is gone.", -900),
          merged("Check for undefined", -100)], "Check for undefined", "fixer"),
        ([comment("I see the same thing here too!", -80),
          comment("Upgrade to 2.1, that has the fix.", -900, author_association="MEMBER"),
          {"event": "closed", "actor": {"login": "m"}}], "Upgrade to 2.1", "someone"),
        ([comment("Set retries to 3 and it works.", -70, login="closer"),
          comment("What a nice project you have.", 5000),
          {"event": "closed", "actor": {"login": "closer"}}], "Set retries", "closer"),
    ],
)  # fmt: skip
async def test_the_text_that_closed_an_issue_is_its_solution(
    api: ApiServer,
    tmp_path: Path,
    timeline: list[Any],
    expected_text: str,
    expected_author: str,
) -> None:
    api.on(LIST, lambda _: [closed(1)])
    api.on(f"{LIST}/1/timeline", lambda _: timeline)
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    (solution,) = crawl.publisher.solutions
    assert solution.solution_id == "github:acme/shop#1"
    assert solution.text.startswith(expected_text)
    assert solution.provenance.author == expected_author
    assert solution.usable_after == solution.created_at + timedelta(hours=24)
    assert crawl.publisher.events[0].attributes["fixstream.solution_id"] == solution.solution_id


async def test_comments_serve_where_there_is_no_timeline(api: ApiServer, tmp_path: Path) -> None:
    bot = comment("This was closed by a workflow run.", -50, login="ci[bot]")
    api.on(LIST, lambda _: [closed(1, comments=2)])
    api.on(f"{LIST}/1/comments", lambda _: [comment("Pin urllib3 below version 2.", -90), bot])
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    assert [one.text for one in crawl.publisher.solutions] == ["Pin urllib3 below version 2."]


async def test_not_planned_is_no_solution_and_reopening_takes_it_back(
    api: ApiServer, tmp_path: Path
) -> None:
    listed = [closed(1), closed(2, state_reason="not_planned")]
    api.on(LIST, lambda _: listed)
    for number in (1, 2):
        api.on(f"{LIST}/{number}/timeline", lambda _: [comment("Do it like this instead.", -90)])
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    assert crawl.solution_ids == ["github:acme/shop#1"]

    listed[0] = issue(1, 60)
    await crawl.crawl()
    assert crawl.publisher.tombstones == ["github:acme/shop#1"]
    assert len(crawl.event_ids) == 2


async def test_a_deleted_issue_is_taken_back(api: ApiServer, tmp_path: Path) -> None:
    api.on(LIST, lambda _: [closed(1)])
    api.on(f"{LIST}/1/timeline", lambda _: [comment("Do it like this instead.", -90)])
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    api.on(f"{LIST}/1", lambda _: web.json_response({"message": "gone"}, status=410))
    crawl.clock.advance(8 * 86400)
    await crawl.crawl()
    assert crawl.publisher.tombstones == ["github:acme/shop#1"]


@pytest.mark.parametrize("is_listed", [True, False])
async def test_an_edited_closing_comment_is_published_again(
    api: ApiServer, tmp_path: Path, is_listed: bool
) -> None:
    listed, said = [closed(1)], [comment("Do it like this instead.", -90)]
    api.on(LIST, lambda _: listed)
    api.on(f"{LIST}/1", lambda _: listed[0])
    api.on(f"{LIST}/1/timeline", lambda _: said)
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    await crawl.crawl()
    assert len(crawl.publisher.solutions) == 1

    # Where the edit does not touch the issue, it is seen when the issue is looked after.
    said[:] = [comment("Do it like that, since 2.0.", -90, updated_at=stamp(30))]
    if is_listed:
        listed[:] = [closed(1, 30)]
    else:
        crawl.clock.advance(8 * 86400)
    await crawl.crawl()
    await crawl.crawl()
    texts = [one.text for one in crawl.publisher.solutions]
    assert texts == ["Do it like this instead.", "Do it like that, since 2.0."]
    assert len(set(crawl.solution_ids)) == 1


async def test_an_unchanged_list_is_asked_for_by_its_etag(api: ApiServer, tmp_path: Path) -> None:
    def listed(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == 'W/"v1"':
            return web.Response(status=304, headers={"ETag": 'W/"v1"'})
        return web.json_response([issue(1)], headers={"ETag": 'W/"v1"'})

    api.on(LIST, listed)
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    assert (await crawl.crawl()).failures == []
    assert len(crawl.event_ids) == 1
    assert api.requests[1].headers["If-None-Match"] == 'W/"v1"'
    assert api.requests[1].path_qs == api.requests[0].path_qs


async def test_links_to_next_pages_are_followed_on_the_same_host(
    api: ApiServer, tmp_path: Path
) -> None:
    def page(request: web.Request) -> web.Response:
        number = int(request.query.get("page", "1"))
        link = f'<https://api.github.com/repositories/1/issues?page={number + 1}>; rel="next", '
        link += '<https://api.github.com/repositories/1/issues?page=3>; rel="last"'
        headers = {"Link": link} if number < 3 else {}
        return web.json_response([issue(number)], headers=headers)

    api.on(LIST, page)
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert len(crawl.event_ids) == 3
    assert [one.get("page") for one in api.asked(LIST)] == [None, None, "2", "3"]


@pytest.mark.parametrize(
    ("status", "headers", "message", "expected_wait_s"),
    [
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW_S + 40)}, "API rate", 41),
        (429, {"Retry-After": "30"}, "slow down", 30),
        (403, {}, "You have exceeded a secondary rate limit.", 60),
        (503, {"Retry-After": "Sun, 01 Mar 2026 12:00:20 GMT"}, "", 20),
    ],
)  # fmt: skip
async def test_limits_are_waited_out(
    api: ApiServer,
    tmp_path: Path,
    status: int,
    headers: dict[str, str],
    message: str,
    expected_wait_s: float,
) -> None:
    limited = web.json_response({"message": message}, status=status, headers=headers)
    api.on(LIST, lambda _: limited if len(api.requests) == 1 else [issue(1)])
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert crawl.slept == [expected_wait_s]
    assert len(crawl.event_ids) == 1


async def test_a_spent_hour_ends_the_run_where_it_is(api: ApiServer, tmp_path: Path) -> None:
    def timeline(request: web.Request) -> web.Response:
        left = str(max(0, 3 - len(api.requests)))
        headers = {"X-RateLimit-Remaining": left, "X-RateLimit-Reset": str(NOW_S + 1800)}
        return web.json_response([comment("Do it like this instead.", -90)], headers=headers)

    api.on(LIST, lambda _: [closed(1, -3), closed(2, -2), closed(3, -1)])
    for number in (1, 2, 3):
        api.on(f"{LIST}/{number}/timeline", timeline)
    crawl = bench(api, tmp_path)
    report = await crawl.crawl()
    assert len(report.failures) == 1
    assert len(crawl.event_ids) == 2
    crawl.clock.advance(1802)
    await crawl.crawl()
    assert len(crawl.event_ids) == len(set(crawl.event_ids)) == 3


@pytest.mark.parametrize(("status", "expected"), [(401, "TOKEN"), (403, "403"), (404, "404")])
async def test_one_refused_repository_leaves_the_others(
    api: ApiServer, tmp_path: Path, status: int, expected: str
) -> None:
    api.on(LIST, lambda _: web.json_response({"message": "no"}, status=status))
    api.on("/repos/acme/other/issues", lambda _: [issue(1)])
    crawl = bench(api, tmp_path, github_repositories=("acme/shop", "acme/other"))
    (failure,) = (await crawl.crawl()).failures
    assert expected in failure
    assert crawl.slept == []
    assert len(crawl.event_ids) == 1


def recorded(name: str) -> list[tuple[Any, dict[str, str]]]:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"{path} is not here: recorded answers of GitHub")
    replies = []
    for one in json.loads(path.read_text())["http_interactions"]:
        response = one["response"]
        body = response["body"].get("string") or base64.b64decode(response["body"]["base64_string"])
        headers = {key: values[0] for key, values in response["headers"].items()}
        kept = {
            key: headers[key] for key in ("Link", "Etag", "X-Ratelimit-Remaining") if key in headers
        }
        replies.append((json.loads(body), kept))
    return replies


async def test_a_recorded_list_is_read_whole(api: ApiServer, tmp_path: Path) -> None:
    ((items, headers),) = recorded("github_list_issues.json")
    api.on(
        LIST,
        lambda request: (
            web.json_response([], headers={})
            if "page" in request.query
            else web.json_response(items, headers=headers)
        ),
    )
    crawl = bench(api, tmp_path, max_posts_per_author=100)
    report = await crawl.crawl()
    counts = report.counts["github"]
    assert counts["bad_item"] == 0
    num_pulls = sum("pull_request" in one for one in items)
    assert len(crawl.event_ids) == len(items) - num_pulls > 10
    assert report.failures == []


async def test_recorded_comments_are_read(api: ApiServer, tmp_path: Path) -> None:
    ((items, _),) = recorded("github_issue_comments.json")
    last = datetime.fromisoformat(items[-1]["created_at"]).astimezone(UTC)
    closed_at = (last + timedelta(seconds=5)).isoformat()
    api.on(LIST, lambda _: [closed(1, comments=3) | {"closed_at": closed_at}])
    api.on(f"{LIST}/1/comments", lambda _: items)
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    (solution,) = crawl.publisher.solutions
    assert solution.provenance.url in {one["html_url"] for one in items}
