"""What every source has to do alike, whatever its host does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fixstream.schemas.validation import validate
from support.crawl import NOW, ApiServer, CrawlBench, api_server
from support.crawl_hosts import ALL_HOSTS, NUM_POSTS

Host = Callable[[ApiServer, Path], CrawlBench]
pytestmark = pytest.mark.parametrize("host", ALL_HOSTS.values(), ids=ALL_HOSTS)


async def test_posts_become_valid_events_that_say_where_they_are_from(
    api: ApiServer, tmp_path: Path, host: Host
) -> None:
    crawl = host(api, tmp_path)
    assert (await crawl.crawl()).failures == []
    assert len(set(crawl.event_ids)) == NUM_POSTS
    for event in crawl.publisher.events:
        validate(event)
        assert event.source == crawl.source
        assert event.event_id.startswith(f"{crawl.source}:")
        assert event.environment == "crawl"
        assert event.scrubber
        assert event.provenance is not None
        assert event.provenance.url.startswith("https://")
        assert event.provenance.author is not None
        assert event.provenance.retrieved_at == NOW
        assert event.attributes["fixstream.train_after"] > NOW.isoformat()


async def test_a_restart_repeats_nothing(api: ApiServer, tmp_path: Path, host: Host) -> None:
    crawl = host(api, tmp_path)
    for _ in range(3):
        assert (await crawl.crawl()).failures == []
    assert len(crawl.event_ids) == NUM_POSTS


async def test_what_kafka_did_not_take_comes_again_under_the_same_id(
    api: ApiServer, tmp_path: Path, host: Host
) -> None:
    crawl = host(api, tmp_path)
    crawl.publisher.is_down = True
    assert len((await crawl.crawl()).failures) == 1
    crawl.publisher.is_down = False
    await crawl.crawl()
    assert len(crawl.event_ids) == NUM_POSTS


async def test_a_run_that_is_full_is_gone_on_with(
    api: ApiServer, tmp_path: Path, host: Host
) -> None:
    crawl = host(api, tmp_path)
    crawl.settings = crawl.settings.model_copy(update={"max_posts_per_run": 1})
    for _ in range(NUM_POSTS + 1):
        await crawl.crawl()
    assert len(crawl.event_ids) == len(set(crawl.event_ids)) == NUM_POSTS


@pytest.mark.parametrize(
    "make",
    [
        lambda: web.Response(text="<html>Sorry</html>", content_type="text/html"),
        lambda: web.Response(body=b""),
        lambda: web.json_response("what"),
        lambda: web.json_response(None),
        lambda: web.json_response({"items": 7, "error": "no"}),
        lambda: web.Response(text='{"items": [{"question_id"', content_type="application/json"),
        lambda: web.Response(status=500),
        lambda: web.Response(status=403, text="blocked"),
        lambda: web.Response(status=429, headers={"Retry-After": "86000"}),
    ],
    ids=["html", "empty", "text", "null", "types", "half", "500", "403", "429"],
)
async def test_an_odd_host_is_told_and_costs_nothing_but_time(
    api: ApiServer, tmp_path: Path, host: Host, make: Callable[[], Any]
) -> None:
    crawl = host(api, tmp_path)
    good = dict(api.handlers)
    for path in api.handlers:
        api.on(path, lambda _: make())
    (failure,) = (await crawl.crawl()).failures
    assert "fault" not in failure
    assert crawl.event_ids == []

    api.handlers.update(good)
    crawl.clock.advance(2 * 86_400)
    await crawl.crawl()
    assert len(crawl.event_ids) == NUM_POSTS


async def test_no_redirect_leads_elsewhere(api: ApiServer, tmp_path: Path, host: Host) -> None:
    crawl = host(api, tmp_path)
    async with api_server() as other:
        moved = {"Location": f"{other.url}/x"}
        for path in api.handlers:
            api.on(path, lambda _: web.Response(status=302, headers=moved))
        assert len((await crawl.crawl()).failures) == 1
        assert other.requests == []
