"""Any order of posts, edits, deletions, limits and crashes: nothing skipped, nothing twice.

The hosts are in this process and keep time, order and pages as the real ones do. A crash is an
exception that nobody catches, at any request, any record, any acknowledgement or any saved file.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fixstream.producers.crawl.crawler import CrawlConfig, TechnicalDataCrawler
from fixstream.producers.crawl.delivery import Delivery, Topics
from fixstream.producers.crawl.failures import Gone, HostBusy
from fixstream.producers.crawl.github import GitHubConfig, GitHubSource
from fixstream.producers.crawl.host_client import Question, Reply
from fixstream.producers.crawl.stackoverflow import StackExchangeConfig, StackExchangeSource
from fixstream.producers.crawl.store import FolderStore
from fixstream.runtime.clock import SettableClock
from fixstream.triage.scrub import Scrubber
from support.crawl import NOW, CollectingPublisher

PAGE = 3
NUMBERS = st.integers(1, 7)
SCRUBBER = Scrubber()


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fuse:
    """Kills after a number of steps."""

    steps_left: int = -1

    def step(self) -> None:
        if self.steps_left == 0:
            raise Killed
        self.steps_left -= 1


@dataclass
class Post:
    """One question or issue, with the text that solves it if there is one."""

    changed_at: int
    edited_at: int
    fix: int = 0
    """Revision of the fix; 0 is none."""
    fix_at: int = 0


@dataclass
class Host:
    """Posts by number, as both APIs list them."""

    fuse: Fuse
    now: Callable[[], int]
    posts: dict[int, Post] = field(default_factory=dict)
    limited_after: int = -1
    host: str = "host.test"

    async def ask(self, question: Question) -> Reply:
        self.fuse.step()
        await asyncio.sleep(0)
        if self.limited_after == 0:
            raise HostBusy(self.host, NOW, "a limit of the test")
        self.limited_after -= 1
        return self.reply(question)

    def reply(self, question: Question) -> Reply:
        raise NotImplementedError

    def listed(self, since: int, page: int) -> tuple[list[tuple[int, Post]], bool]:
        newer = [one for one in self.posts.items() if one[1].changed_at >= since]
        newer.sort(key=lambda one: (one[1].changed_at, one[0]))
        start = PAGE * (page - 1)
        return newer[start : start + PAGE], len(newer) > start + PAGE


class StackHost(Host):
    """Questions with at most one answer."""

    def reply(self, question: Question) -> Reply:
        _, _, rest = question.path.partition("/")
        if question.path == "questions":
            since, page = int(question.params["min"]), int(question.params["page"])
            listed, has_more = self.listed(since, page)
            items = [self._question(number, post) for number, post in listed]
            return Reply(200, {}, {"items": items, "has_more": has_more})
        ids = [int(one) for one in rest.split("/")[0].split(";")]
        known = [(one, self.posts[one]) for one in ids if one in self.posts]
        items = [self._answer(one, post) for one, post in known if post.fix]
        return Reply(200, {}, {"items": items, "has_more": False})

    def _question(self, number: int, post: Post) -> dict[str, Any]:
        return {
            "question_id": number,
            "title": f"ConnectionError {number}",
            "body": f"edited {post.edited_at}",
            "owner": {"display_name": f"user {number}"},
            "creation_date": post.edited_at,
            "last_activity_date": post.changed_at,
            "answer_count": int(bool(post.fix)),
        }

    def _answer(self, number: int, post: Post) -> dict[str, Any]:
        return {
            "answer_id": number,
            "question_id": number,
            "is_accepted": True,
            "body": f"fix {post.fix}",
            "owner": {"display_name": f"helper {number}"},
            "creation_date": post.fix_at,
        }


class GitHost(Host):
    """Issues, closed when they have a fix."""

    def reply(self, question: Question) -> Reply:
        parts = question.path.split("/")
        if parts[-1] == "issues":
            since = int(datetime.fromisoformat(question.params["since"]).timestamp())
            page = int(question.params.get("page", "1"))
            listed, has_more = self.listed(since, page)
            link = f'<https://api.test/x?page={page + 1}>; rel="next"'
            items = [self._issue(number, post) for number, post in listed]
            etag = f'"{since} {[(n, p.changed_at) for n, p in listed]}"'
            if question.headers.get("If-None-Match") == etag:
                return Reply(304, {}, None)
            return Reply(200, {"ETag": etag, **({"Link": link} if has_more else {})}, items)
        post = self.posts.get(int(parts[4]))
        if post is None:
            raise Gone("no such issue")
        if parts[-1] == "timeline":
            return Reply(200, {}, [self._comment(post)])
        return Reply(200, {}, self._issue(int(parts[4]), post))

    def _issue(self, number: int, post: Post) -> dict[str, Any]:
        closed = {"state": "closed", "closed_at": _iso(post.fix_at)} if post.fix else {}
        return {
            "number": number,
            "title": f"ConnectionError {number}",
            "body": f"edited {post.edited_at}",
            "user": {"login": f"user{number}"},
            "created_at": _iso(post.edited_at),
            "updated_at": _iso(post.changed_at),
            **closed,
        }

    def _comment(self, post: Post) -> dict[str, Any]:
        return {
            "event": "commented",
            "body": f"this is what to do: fix {post.fix}",
            "html_url": f"https://github.com/a/b/{post.fix}",
            "created_at": _iso(post.fix_at),
        }


class FragilePublisher(CollectingPublisher):
    """May be killed at each record and right before and after the acknowledgement."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse
        self.kept: dict[str, str | None] = {}

    def publish(self, topic: str, key: str, record: Any) -> None:
        self._fuse.step()
        super().publish(topic, key, record)

    def flush(self, timeout_s: float) -> None:
        self._fuse.step()
        num_solutions, num_tombstones = len(self.solutions), len(self.tombstones)
        super().flush(timeout_s)
        for one in self.solutions[num_solutions:]:
            self.kept[one.solution_id] = one.text.split("fix ")[-1]
        self.kept |= dict.fromkeys(self.tombstones[num_tombstones:])
        self._fuse.step()


class FragileStore(FolderStore):
    """May be killed right before and after a file is replaced."""

    def __init__(self, folder: Path, fuse: Fuse) -> None:
        super().__init__(folder)
        self._fuse = fuse

    def save(self, source: str, query: str, state: Mapping[str, Any]) -> None:
        self._fuse.step()
        super().save(source, query, state)
        self._fuse.step()


class CrashMachine(RuleBasedStateMachine):
    """Changes a host, crawls it, and kills the crawler."""

    is_github = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = SettableClock(NOW)
        self.fuse = Fuse()
        self.host = (GitHost if self.is_github else StackHost)(self.fuse, self._now)
        self.publisher = FragilePublisher(self.fuse)
        self.num_crashes = 0

    def teardown(self) -> None:
        self.host.limited_after = self.fuse.steps_left = -1
        for _ in range(2):  # What was left open; then what is looked after, once it is due.
            for _ in range(3):
                self._crawl()
            self.clock.advance(8 * 86_400)
        self._crawl()
        newest = {one.message for one in self.publisher.events}
        for number, post in self.host.posts.items():
            told = f"ConnectionError {number}\n\nedited {post.edited_at}"
            assert told in newest, "the last revision of a post was skipped"
        expected = {number: str(post.fix) for number, post in self.host.posts.items() if post.fix}
        held = {
            int(key.split("#")[-1].split("/")[-1]): text
            for key, text in self.publisher.kept.items()
            if text is not None
        }
        assert held == expected, "fixes are not those of the host"
        self.folder.cleanup()

    @rule(number=NUMBERS, seconds=st.sampled_from([0, 0, 1]))
    def write(self, number: int, seconds: int) -> None:
        self.clock.advance(seconds)
        post = self.host.posts.get(number)
        self.host.posts[number] = Post(self._now(), self._now(), *_fix_of(post))

    @rule(number=NUMBERS)
    def solve(self, number: int) -> None:
        self.clock.advance(1)
        post = self.host.posts.get(number)
        if post is not None:
            post.fix, post.fix_at, post.changed_at = post.fix + 1, self._now(), self._now()

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        self.host.posts.pop(number, None)

    @rule(after=st.integers(0, 6))
    def limit(self, after: int) -> None:
        self.host.limited_after = after

    @rule(steps=st.integers(0, 20))
    def crash(self, steps: int) -> None:
        self.fuse.steps_left = steps
        self._crawl()
        self.fuse.steps_left = -1

    @rule(posts=st.sampled_from([1, 2, 500]))
    def crawl(self, posts: int) -> None:
        self._crawl(posts)
        self.host.limited_after = -1

    @invariant()
    def nothing_comes_twice_but_by_a_crash(self) -> None:
        ids = [one.event_id for one in self.publisher.events]
        assert len(ids) - len(set(ids)) <= self.num_crashes * 2 * PAGE

    def _crawl(self, max_posts: int = 500) -> None:
        config = CrawlConfig(
            max_posts_per_run=max_posts, max_posts_per_author=10**6, delivery_size=2
        )
        crawler = TechnicalDataCrawler(
            [self._source()],
            Delivery(self.publisher, Topics("events", "solutions"), SCRUBBER),
            FragileStore(Path(self.folder.name), self.fuse),
            config,
            clock=self.clock,
        )
        try:
            report = asyncio.run(_outcome(crawler))
        except Killed:
            self.num_crashes += 1
            self.publisher._waiting.clear()
        else:
            assert not [one for one in report.failures if "limit of the test" not in one]

    def _source(self) -> Any:
        if self.is_github:
            git = GitHubConfig(repositories=("a/b",))
            return GitHubSource(self.host, git, self.clock)  # type: ignore[arg-type]
        stack = StackExchangeConfig(tags=("python",))
        return StackExchangeSource(self.host, stack, self.clock)  # type: ignore[arg-type]

    def _now(self) -> int:
        return int(self.clock.now().timestamp())


async def _outcome(crawler: TechnicalDataCrawler) -> Any:
    try:
        return await crawler.crawl_once()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def _fix_of(post: Post | None) -> tuple[int, int]:
    return (post.fix, post.fix_at) if post else (0, 0)


def _iso(seconds: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


class GitHubMachine(CrashMachine):
    """The same for GitHub."""

    is_github = True


TestStackOverflowCrashes = CrashMachine.TestCase
TestGitHubCrashes = GitHubMachine.TestCase
for _case in (TestStackOverflowCrashes, TestGitHubCrashes):
    _case.settings = settings(
        max_examples=40,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
del _case
