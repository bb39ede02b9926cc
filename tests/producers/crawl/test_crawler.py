"""The crawler as a whole: cursors, crashes, and the command on a real broker."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fixstream.producers.crawl import TechnicalDataCrawler
from fixstream.producers.crawl.delivery import AuthorQuota, Delivery, Topics
from fixstream.producers.crawl.posts import Post, event_of
from fixstream.producers.crawl.rich_text import text_of_html
from fixstream.producers.crawl.settings import CrawlSettings
from fixstream.producers.crawl.source import Harvest
from fixstream.producers.crawl.store import FolderStore
from fixstream.producers.crawl.trail import MAX_SEEN, Seen, Trail
from fixstream.runtime.clock import SettableClock
from fixstream.runtime.kafka import consume_batch, decode_message, make_consumer
from fixstream.runtime.settings import load_settings
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import Misconfigured
from fixstream.schemas.records import ErrorEvent, Solution
from fixstream.schemas.topics import ERRORS_RAW, SOLUTIONS
from fixstream.triage.scrub import Scrubber
from support.crawl import NOW, NOW_S, ApiServer, CollectingPublisher
from support.deadlines import eventually
from support.kafka import Kafka


def post(number: int, author: str | None = None) -> Post:
    return Post(
        source=EventSource.HACKERNEWS,
        post_id=str(number),
        revision="r",
        title=f"Error {number}",
        body=text_of_html("It fails."),
        url=f"https://news.test/{number}",
        author=author,
        created_at=NOW,
        revised_at=NOW,
    )


class CountingSource:
    """Yields posts 0..9 and breaks before one of them, once."""

    name = EventSource.HACKERNEWS
    queries: tuple[str, ...] = ("all",)

    def __init__(self, breaks_at: int, error: Exception | None = None) -> None:
        self._breaks_at = breaks_at
        self.hangs = asyncio.Event()
        self._error = error

    async def crawl(self, query: str, trail: Trail) -> AsyncGenerator[Harvest, None]:
        for number in range(10):
            if number == self._breaks_at:
                self._breaks_at = -1
                if self._error is not None:
                    raise self._error
                self.hangs.set()
                await asyncio.Event().wait()
            if trail.is_new(str(number), "s"):
                trail.note(str(number), Seen("s"))
                made = post(number, author=f"author{number}")
                event = event_of(made, retrieved_at=NOW, quarantine=NOW - NOW)
                yield Harvest(events=(event,))


def crawler(source: Any, publisher: CollectingPublisher, folder: Path) -> TechnicalDataCrawler:
    delivery = Delivery(publisher, Topics("events", "solutions"), Scrubber())
    return TechnicalDataCrawler([source], delivery, FolderStore(folder), clock=SettableClock(NOW))


@pytest.mark.parametrize("breaks_at", range(10))
async def test_a_fault_of_ours_in_one_post_repeats_and_skips_none(
    tmp_path: Path, breaks_at: int
) -> None:
    publisher = CollectingPublisher()
    crawl = crawler(CountingSource(breaks_at, ZeroDivisionError()), publisher, tmp_path)
    (failure,) = (await crawl.crawl_once()).failures
    assert "fault of fixstream" in failure
    assert len(publisher.events) == breaks_at
    assert (await crawl.crawl_once()).failures == []
    assert [event.event_id for event in publisher.events] == [
        f"hackernews:{number}@r" for number in range(10)
    ]


async def test_a_crawl_that_is_cancelled_repeats_and_skips_none(tmp_path: Path) -> None:
    publisher = CollectingPublisher()
    source = CountingSource(5)
    task = asyncio.create_task(crawler(source, publisher, tmp_path).crawl_once())
    await source.hangs.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await crawler(source, publisher, tmp_path).crawl_once()
    assert len(publisher.events) == len({event.event_id for event in publisher.events}) == 10


async def test_runs_come_at_the_interval(tmp_path: Path) -> None:
    clock, slept = SettableClock(NOW), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    delivery = Delivery(CollectingPublisher(), Topics("events", "solutions"), Scrubber())
    source = CountingSource(-1)
    crawl = TechnicalDataCrawler(
        [source], delivery, FolderStore(tmp_path), clock=clock, sleep=sleep
    )
    with pytest.raises(asyncio.CancelledError):
        await crawl.run(lambda report: clock.advance(100))
    assert slept == [3500.0] * 3


def test_a_trail_survives_its_state_and_stays_bounded() -> None:
    trail = Trail(NOW_S)
    for number in range(MAX_SEEN + 10):
        trail.note(str(number), Seen("s", "r", number))
    assert (trail.get("9"), trail.get("10")) == (None, Seen("s", "r", 10))
    again = Trail.from_state(trail.to_state(), since=0)
    assert again.to_state() == trail.to_state()
    assert again.due_for_check("", 13, 2) == ["10", "11"]
    with pytest.raises(Misconfigured):
        Trail.from_state({"seen": [1]}, since=0)


def test_a_damaged_cursor_is_told_and_not_begun_anew(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.save("github", "a/b=kind/bug", {"since": 1})
    assert store.load("github", "a/b=kind/bug") == {"since": 1}
    assert store.load("github", "a/b=kind_bug") is None
    (path,) = (tmp_path / "github").glob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('{"since": ')
    with pytest.raises(Misconfigured, match=path.name):
        store.load("github", "a/b=kind/bug")


def test_two_crawlers_do_not_share_a_folder(tmp_path: Path) -> None:
    with FolderStore(tmp_path).held("github"):
        with FolderStore(tmp_path).held("reddit"):
            pass
        with (
            pytest.raises(Misconfigured, match="another process"),
            FolderStore(tmp_path).held("github"),
        ):
            pass


def test_quotas_of_authors_begin_anew_each_day() -> None:
    clock = SettableClock(NOW)
    quota = AuthorQuota(2, clock)
    assert [quota.take("a"), quota.take("a"), quota.take("a"), quota.take(None)] == [
        True, True, False, True,
    ]  # fmt: skip
    assert not AuthorQuota(2, clock, quota.to_state()).take("a")
    clock.advance(86_400)
    assert AuthorQuota(2, clock, quota.to_state()).take("a")


def test_settings_keep_secrets_from_open_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIXSTREAM_CRAWL_GITHUB_TOKEN", "secret")
    monkeypatch.setenv("FIXSTREAM_CRAWL_GITHUB_BASE_URL", "http://127.0.0.1:1")
    load_settings(CrawlSettings)
    monkeypatch.setenv("FIXSTREAM_CRAWL_GITHUB_BASE_URL", "http://github.test")
    with pytest.raises(Misconfigured, match="https") as caught:
        load_settings(CrawlSettings)
    assert "secret" not in str(caught.value).replace("a secret is", "")


STORY = {"id": 1, "type": "story", "by": "x", "time": NOW_S, "title": "Kafka outage postmortem"}
DEAD = {"id": 2, "type": "story", "dead": True}


def serve_stories(api: ApiServer) -> None:
    api.on("/topstories.json", lambda _: [1, 2])
    api.on("/item/1.json", lambda _: STORY)
    api.on("/item/2.json", lambda _: DEAD)


async def command(
    api: ApiServer, folder: Path, *options: str, source: str = "hackernews", **env: str
) -> Any:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fixstream.cli", "crawl", source, *options,
        env={
            **os.environ,
            "FIXSTREAM_CRAWL_HACKERNEWS_BASE_URL": api.url,
            "FIXSTREAM_CRAWL_DATA_FOLDER": str(folder),
            **env,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.kafka
async def test_the_command_publishes_to_a_real_broker(
    kafka_topics: Kafka, api: ApiServer, tmp_path: Path
) -> None:
    serve_stories(api)
    settings = kafka_topics.settings
    env = {
        "FIXSTREAM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "FIXSTREAM_TOPIC_PREFIX": settings.topic_prefix,
    }
    for expected in (b"1 events, 0 fixes published, 1 taken back", b"0 events, 0 fixes published"):
        process = await command(api, tmp_path, "--once", **env)
        out, err = await process.communicate()
        assert process.returncode == 0, err
        assert expected in out

    consumer = make_consumer(settings, "test")
    consumer.subscribe([settings.topic(ERRORS_RAW), settings.topic(SOLUTIONS)])
    messages: list[Any] = []

    def received() -> bool:
        messages.extend(consume_batch(consumer, 10, 0.1))
        return len(messages) >= 2

    try:
        await asyncio.to_thread(eventually, received, 30.0)
    finally:
        consumer.close()
    by_topic = Counter(message.topic() for message in messages)
    assert by_topic == {settings.topic(ERRORS_RAW): 1, settings.topic(SOLUTIONS): 1}
    for message in messages:
        if message.topic() == settings.topic(ERRORS_RAW):
            event = decode_message(message, Codec(), ErrorEvent)
            assert event.message == "Kafka outage postmortem"
            assert event.scrubber
        else:
            assert (message.key(), message.value()) == (b"hackernews:2", None)


async def test_the_hourly_command_ends_when_it_is_asked_to(api: ApiServer, tmp_path: Path) -> None:
    api.on("/topstories.json", lambda _: [])
    process = await command(api, tmp_path)
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    assert line.startswith(b"0 events")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0


@pytest.mark.parametrize("source", ["reddit", "hackernews"])
async def test_a_stop_in_the_middle_of_a_request_waits_for_no_host(
    api: ApiServer, tmp_path: Path, source: str
) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def silence(request: web.Request) -> web.Response:
        asked.set()
        await ended.wait()
        return web.Response()

    api.on("/topstories.json", silence)
    api.on("/api/v1/access_token", silence)
    reddit = dict.fromkeys(("CLIENT_ID", "CLIENT_SECRET"), "x")
    reddit |= dict.fromkeys(("BASE_URL", "OAUTH_URL"), api.url)
    env = {f"FIXSTREAM_CRAWL_REDDIT_{name}": value for name, value in reddit.items()}
    # Longer than the test waits: only a stop that does not wait for the request is in time.
    env |= {"FIXSTREAM_CRAWL_READ_TIMEOUT_S": "300", "FIXSTREAM_CRAWL_TOTAL_TIMEOUT_S": "900"}
    process = await command(api, tmp_path, source=source, **env)
    await asyncio.wait_for(asked.wait(), 60)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    ended.set()


async def test_a_host_that_is_down_leaves_the_others_alone(api: ApiServer, tmp_path: Path) -> None:
    serve_stories(api)
    settings = CrawlSettings(
        hackernews_base_url=api.url,
        github_base_url="http://127.0.0.1:9",
        github_repositories=("a/b",),
        max_attempts=1,
        data_folder=tmp_path,
    )
    found = await TechnicalDataCrawler.collect("github", "hackernews", settings=settings)
    (failure,) = found.report.failures
    assert failure.startswith("github a/b: 127.0.0.1")
    assert [event.message for event in found.events] == ["Kafka outage postmortem"]


async def test_requests_go_through_the_proxy_of_the_environment_if_they_may(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", api.url)
    monkeypatch.setenv("http_proxy", api.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    serve_stories(api)
    for may, num_failures in ((True, 0), (False, 1)):
        settings = CrawlSettings(
            hackernews_base_url="http://hackernews.invalid",
            use_proxy_environment=may,
            max_attempts=1,
            data_folder=tmp_path,
        )
        found = await TechnicalDataCrawler.collect("hackernews", settings=settings)
        assert len(found.report.failures) == num_failures
    assert {request.host for request in api.requests} == {"hackernews.invalid"}


async def test_a_post_that_two_queries_find_is_published_once(tmp_path: Path) -> None:
    publisher = CollectingPublisher()
    source = CountingSource(-1)
    source.queries = ("one", "two")
    crawl = crawler(source, publisher, tmp_path)
    assert (await crawl.crawl_once()).left_out("hackernews") == {"known": 10}
    assert len(publisher.events) == 10


async def test_the_command_tells_what_it_could_not_finish(api: ApiServer, tmp_path: Path) -> None:
    api.on("/topstories.json", lambda _: {"error": "Permission denied"})
    process = await command(api, tmp_path, "--once", FIXSTREAM_CRAWL_MAX_ATTEMPTS="1")
    out, err = await process.communicate()
    assert process.returncode == 1
    assert b"1 queries not finished" in out
    assert b"where a list belongs" in err
    assert b"Traceback" not in err


def test_a_solution_is_published_under_its_id() -> None:
    publisher = CollectingPublisher()
    delivery = Delivery(publisher, Topics("events", "solutions"), Scrubber())
    solution = Solution(
        solution_id="x",
        title="t" * 501,
        text="fine",
        provenance=event_of(post(1), retrieved_at=NOW, quarantine=NOW - NOW).provenance,  # type: ignore[arg-type]
        created_at=NOW,
    )
    quota = AuthorQuota(9, SettableClock(NOW))
    counts = delivery.deliver("hackernews", [Harvest(solutions=(solution,))], quota)
    assert counts == {"solution": 1}
    assert len(publisher.solutions[0].title) == 500
