"""The crawler in five lines, without Kafka."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fixstream.producers import TechnicalDataCrawler
from fixstream.producers.crawl.settings import CrawlSettings
from fixstream.schemas.errors import Misconfigured
from support.crawl import NOW_S, ApiServer

STORY = {"id": 1, "type": "story", "by": "x", "time": NOW_S, "title": "Kafka outage postmortem"}


async def test_a_crawl_is_collected_in_memory_and_leaves_no_cursor(
    api: ApiServer, tmp_path: Path
) -> None:
    api.on("/topstories.json", lambda _: [1, 2])
    api.on("/item/1.json", lambda _: STORY)
    api.on("/item/2.json", lambda _: {"id": 2, "deleted": True})
    settings = CrawlSettings(hackernews_base_url=api.url, data_folder=tmp_path)
    for _ in range(2):
        found = await TechnicalDataCrawler.collect("hackernews", settings=settings)
        assert [event.message for event in found.events] == ["Kafka outage postmortem"]
        assert found.events[0].scrubber
        assert found.tombstones == ["hackernews:2"]
        assert found.report.left_out("hackernews") == {"deleted": 1}
    assert os.listdir(tmp_path) == []  # noqa: PTH208 -- not to block, as ruff has it


async def test_what_cannot_be_crawled_is_told() -> None:
    with pytest.raises(ValueError, match="usenet"):
        await TechnicalDataCrawler.collect("usenet")
    with pytest.raises(Misconfigured, match="Reddit is off"):
        await TechnicalDataCrawler.collect("reddit", settings=CrawlSettings())


def test_the_example_of_the_guide_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """With an address where nobody listens, it ends and tells of the failure."""
    guide = Path(__file__).parents[3] / "docs" / "crawling.md"
    example = guide.read_text().split("```python\n")[1].split("```")[0]
    before = dict(os.environ)
    os.environ |= {
        "FIXSTREAM_CRAWL_HACKERNEWS_BASE_URL": "http://127.0.0.1:9",
        "FIXSTREAM_CRAWL_MAX_ATTEMPTS": "1",
    }
    try:
        exec(compile(example, "docs/crawling.md", "exec"), {})  # noqa: S102 -- our own guide
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert "hackernews topstories: 127.0.0.1" in capsys.readouterr().out
