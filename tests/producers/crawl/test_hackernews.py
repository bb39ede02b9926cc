"""Hacker News: technical stories become events; deleted and dead ones are taken back."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from fixstream.schemas.enums import EventSource
from support.crawl import NOW_S, ApiServer, CrawlBench


def story(
    number: int, title: str = "Postmortem of our DNS outage", **fields: Any
) -> dict[str, Any]:
    return {
        "id": number,
        "type": "story",
        "by": "pg",
        "time": NOW_S - 3600,
        "title": title,
        "score": 100,
        **fields,
    }


def bench(api: ApiServer, folder: Path, **settings: Any) -> CrawlBench:
    return CrawlBench(
        EventSource.HACKERNEWS, folder, hackernews_base_url=f"{api.url}/v0", **settings
    )


def _given(item: Any, _: object) -> Any:
    return item


def serve(api: ApiServer, *items: Any) -> None:
    ids = [item["id"] for item in items]
    api.on("/v0/topstories.json", lambda _: ids)
    for item in items:
        api.on(f"/v0/item/{item['id']}.json", partial(_given, item))


async def test_technical_stories_become_events_once(api: ApiServer, tmp_path: Path) -> None:
    serve(
        api,
        story(1, text="<p>It broke.<p>Then:<pre><code>ERR_NAME\n  x</code></pre>"),
        story(2, "A walk along the sea"),
        story(3, type="job"),
    )
    crawl = bench(api, tmp_path)
    report = await crawl.crawl()
    (event,) = crawl.publisher.events
    assert (
        event.message
        == "Postmortem of our DNS outage\n\nIt broke.\n\nThen:\n\n```\nERR_NAME\n  x\n```"
    )
    assert event.event_id.startswith("hackernews:1@")
    assert event.provenance is not None
    assert event.provenance.url == "https://news.ycombinator.com/item?id=1"
    assert report.left_out("hackernews") == {"not_technical": 1, "no_story": 1}

    await crawl.crawl()
    assert len(crawl.event_ids) == 1
    assert len(api.requests) == 1 + 3 + 1


async def test_deleted_and_dead_items_are_taken_back(api: ApiServer, tmp_path: Path) -> None:
    serve(api, story(1), {"id": 2, "type": "story", "deleted": True}, story(3, dead=True))
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    assert crawl.publisher.tombstones == ["hackernews:2", "hackernews:3"]

    api.on("/v0/item/1.json", lambda _: story(1, dead=True))
    crawl.clock.advance(7 * 3600)
    await crawl.crawl()
    assert crawl.publisher.tombstones[2:] == ["hackernews:1"]
    await crawl.crawl()
    assert len(crawl.publisher.tombstones) == 3


async def test_an_edited_story_is_a_new_revision(api: ApiServer, tmp_path: Path) -> None:
    serve(api, story(1))
    crawl = bench(api, tmp_path)
    await crawl.crawl()
    serve(api, story(1, "Postmortem of our BGP outage"))
    crawl.clock.advance(7 * 3600)
    await crawl.crawl()
    assert len(set(crawl.event_ids)) == 2


async def test_odd_items_are_counted_and_absent_ones_asked_for_again(
    api: ApiServer, tmp_path: Path
) -> None:
    serve(api, story(1), story(2, time="yesterday"), story(3))
    api.on("/v0/topstories.json", lambda _: [1, 2, 3, None, "4", -5, 6, 7])
    api.on("/v0/item/3.json", lambda _: [1])
    api.on("/v0/item/6.json", lambda _: story(1))
    api.on("/v0/item/7.json", lambda _: None)
    crawl = bench(api, tmp_path)
    counts = (await crawl.crawl()).counts["hackernews"]
    assert counts["bad_item"] == 3 + 3
    assert len(crawl.event_ids) == 1

    api.on("/v0/item/7.json", lambda _: story(7))
    await crawl.crawl()
    assert len(crawl.event_ids) == 2


async def test_a_failing_item_loses_none_of_its_neighbours(api: ApiServer, tmp_path: Path) -> None:
    serve(api, *(story(number) for number in range(1, 8)))
    api.on("/v0/item/4.json", lambda _: None)
    api.handlers["/v0/item/4.json"] = lambda _: 1 / 0
    crawl = bench(api, tmp_path, max_attempts=2)
    assert len((await crawl.crawl()).failures) == 1
    serve(api, *(story(number) for number in range(1, 8)))
    await crawl.crawl()
    assert sorted(one.split("@")[0] for one in crawl.event_ids) == [
        f"hackernews:{number}" for number in range(1, 8)
    ]
