"""Shapes of Stack Exchange that are rare and real: encodings, owners, entities, pages, limits."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from support.crawl import NOW_S, ApiServer
from support.crawl_stackoverflow import QUESTIONS, answer, bench, question, wrapper


@pytest.mark.parametrize("wbits", [zlib.MAX_WBITS, -zlib.MAX_WBITS], ids=["zlib", "raw"])
async def test_deflated_answers_are_read(api: ApiServer, tmp_path: Path, wbits: int) -> None:
    packer = zlib.compressobj(wbits=wbits)
    content = json.dumps({"items": [question(1, NOW_S, answer_count=0)], "has_more": False})
    body = packer.compress(content.encode()) + packer.flush()
    api.on(QUESTIONS, lambda _: web.Response(body=body, headers={"Content-Encoding": "deflate"}))
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert len(crawl.event_ids) == 1


async def test_owners_entities_and_closed_questions_are_read(
    api: ApiServer, tmp_path: Path
) -> None:
    listed = [
        question(1, NOW_S, owner={"user_type": "does_not_exist", "display_name": "user&amp;1"}),
        question(2, NOW_S, owner={"user_type": "does_not_exist"}, content_license=None),
        question(3, NOW_S, closed_reason="Duplicate", closed_date=NOW_S, locked_date=NOW_S,
                 title="List&lt;T&gt; error &quot;x&quot;", accepted_answer_id=12, score=-7),
        {key: value for key, value in question(4, NOW_S).items()
         if key not in {"owner", "link", "body", "tags", "answer_count", "content_license"}},
    ]  # fmt: skip
    api.on(QUESTIONS, lambda _: wrapper(*listed, type="question", page=1, total=4))
    api.on(f"{QUESTIONS}/1;2;3;4/answers", lambda _: wrapper())
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    first, second, third, fourth = crawl.publisher.events
    assert first.provenance is not None and second.provenance is not None  # noqa: PT018
    assert (first.provenance.author, second.provenance.author) == ("user&1", None)
    assert (first.provenance.license, second.provenance.license) == ("CC BY-SA 4.0", None)
    assert third.message.startswith('List<T> error "x"')
    assert fourth.provenance is not None
    assert fourth.provenance.url == "https://stackoverflow.com/q/4"


async def test_tags_with_signs_reach_the_host_as_they_are(api: ApiServer, tmp_path: Path) -> None:
    api.on(QUESTIONS, lambda _: wrapper())
    crawl = bench(api, tmp_path, stackoverflow_tags=("c++", "c#", ".net", "node.js"))
    assert (await crawl.crawl()).failures == []
    assert [one["tagged"] for one in api.asked(QUESTIONS)] == ["c++", "c#", ".net", "node.js"]


@pytest.mark.parametrize("items", [[], [question(1, NOW_S, answer_count=0)]], ids=["none", "same"])
async def test_pages_that_do_not_get_on_end(
    api: ApiServer, tmp_path: Path, items: list[Any]
) -> None:
    api.on(QUESTIONS, lambda _: wrapper(*items, has_more=True))
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert len(api.requests) <= 3
    assert len(crawl.event_ids) == len(items)


@pytest.mark.parametrize(
    ("limit", "wait_s"),
    [({"quota_remaining": 0}, 13 * 3600), ({"backoff": 600}, 601)],
)
async def test_what_a_limited_answer_holds_is_taken(
    api: ApiServer, tmp_path: Path, limit: dict[str, int], wait_s: int
) -> None:
    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S), **limit))
    api.on(f"{QUESTIONS}/1/answers", lambda _: wrapper(answer(2, 1), **limit))
    crawl = bench(api, tmp_path, stackoverflow_tags=("python", "java"))
    assert len((await crawl.crawl()).failures) >= 1
    assert len(crawl.event_ids) == 1
    assert (await crawl.crawl()).failures

    crawl.clock.advance(wait_s)
    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S)))
    api.on(f"{QUESTIONS}/1/answers", lambda _: wrapper(answer(2, 1)))
    assert (await crawl.crawl()).failures == []
    assert (len(crawl.event_ids), crawl.solution_ids) == (1, ["stackoverflow:answer/2"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: web.Response(status=500),
        lambda: web.Response(text="<html>", content_type="text/html"),
        lambda: wrapper(error_id=400, error_name="bad_parameter"),
        lambda: web.json_response([]),
    ],
)
async def test_answers_that_fail_leave_the_questions(
    api: ApiServer, tmp_path: Path, make: Any
) -> None:
    api.on(QUESTIONS, lambda _: wrapper(question(1, NOW_S), question(2, NOW_S)))
    api.on(f"{QUESTIONS}/1;2/answers", lambda _: make())
    crawl = bench(api, tmp_path, max_attempts=2)
    assert len((await crawl.crawl()).failures) == 1
    assert len(crawl.event_ids) == 2
    api.on(f"{QUESTIONS}/1;2/answers", lambda _: wrapper(answer(3, 1), {"answer_id": 4}))
    crawl.clock.advance(301)
    report = await crawl.crawl()
    assert (report.failures, report.left_out("stackoverflow")) == ([], {"bad_item": 1})
    assert (len(crawl.event_ids), crawl.solution_ids) == (2, ["stackoverflow:answer/3"])


async def test_a_throttled_address_is_left_alone_as_long_as_it_says(
    api: ApiServer, tmp_path: Path
) -> None:
    error = {"error_id": 502, "error_name": "throttle_violation",
             "error_message": "too many requests from this IP"}  # fmt: skip
    throttled = web.json_response(error, status=400)
    listed = wrapper(question(1, NOW_S, answer_count=0))
    api.on(QUESTIONS, lambda _: throttled if len(api.requests) == 1 else listed)
    crawl = bench(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert (crawl.slept, len(crawl.event_ids)) == ([60.0], 1)
