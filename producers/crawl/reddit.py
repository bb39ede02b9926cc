"""Posts about errors in technical subreddits, and after a day the comment that helped.

The user's own credentials are used; without them this source is not made. A post has one solution,
under the post's own id, so that a deleted post can always be taken back by a tombstone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from fixstream.producers.crawl.attempts import Attempts
from fixstream.producers.crawl.daemon_calls import in_daemon_thread
from fixstream.producers.crawl.failures import HostBusy, HostFailed, Refused
from fixstream.producers.crawl.json_values import MAX_CHARS, epoch_time
from fixstream.producers.crawl.pacing import WHOLE_HOST, Pauses, Timing
from fixstream.producers.crawl.posts import (
    Answer,
    Post,
    event_of,
    solution_id,
    solution_of,
    text_revision,
)
from fixstream.producers.crawl.reddit_client import HOST, Fields, RedditClient
from fixstream.producers.crawl.rich_text import text_of_markdown
from fixstream.producers.crawl.rules import is_about_error
from fixstream.producers.crawl.source import Harvest
from fixstream.producers.crawl.trail import Seen, Trail
from fixstream.producers.line_fields import LineFields
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import InvalidRecord

log = structlog.get_logger(__name__)

T = TypeVar("T")

SOURCE = EventSource.REDDIT
_REMOVED = frozenset({"[deleted]", "[removed]"})
_OVERLAP_S = 24 * 3600
"""How far each run looks back: a post that moderators let through appears among older ones."""
_MAX_PAGES = 10
"""Reddit lists a thousand posts of a subreddit at most."""
_CHECK_EVERY_S = 24 * 3600
_MAX_CHECKED = 100
_MAX_COMMENT_LISTS = 25
_MIN_COMMENT_CHARS = 30
_OPEN, _SOLVED, _GONE, _PASSED = "open", "solved", "deleted", "passed over"
_POST, _COMMENT = "t3_", "t1_"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedditConfig:
    """What to read, and which comments count as fixes."""

    subreddits: tuple[str, ...]
    min_score: int = 2
    max_attempts: int = 4
    quarantine: timedelta = timedelta(hours=24)


class RedditSource:
    """One query for each subreddit."""

    def __init__(
        self, client: RedditClient, config: RedditConfig, pauses: Pauses, timing: Timing
    ) -> None:
        self._client = client
        self._config = config
        self._pauses = pauses
        self._clock = timing.clock
        self._attempts = Attempts(HOST, pauses, timing, config.max_attempts)

    @property
    def name(self) -> EventSource:
        """Reddit."""
        return SOURCE

    @property
    def queries(self) -> Sequence[str]:
        """The subreddits."""
        return self._config.subreddits

    async def crawl(self, query: str, trail: Trail) -> AsyncGenerator[Harvest, None]:
        """New posts, oldest first; then known ones are looked after.

        Raises:
            HostBusy, HostFailed, Refused, Gone: As the client raises them.
        """
        listed, is_whole = await self._listed(query, trail)
        if not is_whole:
            log.warning("the listing ends before the last run", subreddit=query)
            yield Harvest(skipped=Counter(gap=1))
        newest = trail.since
        for fields in reversed(listed):
            harvest, created_at = self._found(fields, trail)
            newest = max(newest, created_at)
            yield harvest
        trail.since = max(trail.since, newest - _OVERLAP_S)
        yield Harvest()
        async for harvest in self._look_after(trail):
            yield harvest

    async def _listed(self, subreddit: str, trail: Trail) -> tuple[list[Fields], bool]:
        """Posts that are not older than the trail, newest first; whether it got back that far.

        A first run takes what stands on the first page, however old.
        """
        is_first = not trail.ids("")
        listed: list[Fields] = []
        after = ""
        for _ in range(1 if is_first else _MAX_PAGES):
            page = await self._ask(partial(self._client.new_posts, subreddit, after))
            listed += page.things
            # A post without a time tells nothing of the others.
            times = [when for one in page.things if (when := _whole(one.get("created_utc")))]
            after = page.after if page.things and page.after != after else ""
            if not after or min(times, default=trail.since) < trail.since:
                after = ""
                break
        if is_first:
            trail.since = min(times, default=trail.since)
            return listed, True
        times_of = [(one, _whole(one.get("created_utc"))) for one in listed]
        return [one for one, when in times_of if when is None or when >= trail.since], not after

    def _found(self, fields: Fields, trail: Trail) -> tuple[Harvest, int]:
        """What a listed post becomes, and when it was made."""
        try:
            post = _post(fields)
        except InvalidRecord as problem:
            log.warning("post cannot be read", reason=str(problem))
            return Harvest(skipped=Counter(bad_item=1)), 0
        created_at = int(post.created_at.timestamp())
        key, now = post.post_id, self._clock.now()
        seen = trail.get(key)
        if _is_gone(fields):
            return self._taken_back(key, trail), created_at
        if seen is not None and seen.revision == post.revision:
            return Harvest(), created_at
        if not is_about_error(post.title, post.body.text, post.body.code_blocks):
            trail.note(key, Seen(_PASSED, post.revision))
            return Harvest(skipped=Counter(no_error=1)), created_at
        trail.note(key, Seen(_OPEN, post.revision, int(now.timestamp())))
        event = event_of(post, retrieved_at=now, quarantine=self._config.quarantine)
        return Harvest(events=(event,)), created_at

    def _taken_back(self, post_id: str, trail: Trail) -> Harvest:
        """A tombstone, once."""
        seen = trail.get(post_id)
        if seen is not None and seen.stamp == _GONE:
            return Harvest()
        trail.note(post_id, Seen(_GONE))
        return Harvest(tombstones=(solution_id(SOURCE, post_id),), skipped=Counter(deleted=1))

    async def _look_after(self, trail: Trail) -> AsyncGenerator[Harvest, None]:
        now_s = int(self._clock.now().timestamp())
        before = now_s - _CHECK_EVERY_S
        due = trail.due_for_check(_COMMENT, before, _MAX_CHECKED // 2)
        due += trail.due_for_check(_POST, before, _MAX_CHECKED - len(due))
        if not due:
            return
        there = await self._ask(partial(self._client.look_up, due))
        num_lists = 0
        failure: HostFailed | Refused | None = None
        for key in due:
            fields = there.get(key)
            seen = trail.get(key)
            if seen is None:
                continue
            if fields is None or _is_gone(fields):
                yield self._lost(key, seen, trail)
                continue
            answer = None
            wants_answer = seen.stamp == _OPEN and fields.get("num_comments")
            if wants_answer and num_lists < _MAX_COMMENT_LISTS:
                num_lists += 1
                try:
                    answer = await self._answer(fields)
                except (HostFailed, Refused) as problem:
                    failure = problem  # Its turn comes again; the others do not wait for it.
                    yield Harvest(skipped=Counter(unanswered=1))
            yield self._kept(key, seen, answer, trail)
        if failure is not None:
            raise failure

    def _lost(self, key: str, seen: Seen, trail: Trail) -> Harvest:
        if key.startswith(_POST):
            return self._taken_back(key, trail)
        trail.forget(key)  # A comment that was the solution of the post in its stamp.
        return Harvest(tombstones=(solution_id(SOURCE, seen.stamp),), skipped=Counter(deleted=1))

    def _kept(
        self, key: str, seen: Seen, found: tuple[str, Answer] | None, trail: Trail
    ) -> Harvest:
        now = self._clock.now()
        now_s = int(now.timestamp())
        stamp = seen.stamp
        solutions: tuple[Answer, ...] = ()
        if found is not None:
            name, answer = found
            trail.note(name, Seen(key, "", now_s))
            stamp, solutions = _SOLVED, (answer,)
        trail.note(key, Seen(stamp, seen.revision, now_s))
        quarantine = self._config.quarantine
        fixes = (solution_of(one, retrieved_at=now, quarantine=quarantine) for one in solutions)
        return Harvest(solutions=tuple(fixes))

    async def _answer(self, fields: Fields) -> tuple[str, Answer] | None:
        """The best comment of a post by its score, with its name; None when none is good."""
        try:
            post = _post(fields)
        except InvalidRecord:
            return None
        comments = await self._ask(partial(self._client.comments, post.post_id))
        read = [one for one in (_comment(fields, post) for fields in comments) if one is not None]
        good = [one for one in read if (one[1].votes or 0) >= self._config.min_score]
        return max(good, key=lambda one: one[1].votes or 0, default=None)

    async def _ask(self, call: Callable[[], T]) -> T:
        """What a call of the client returns, again after failures and pauses.

        Raises:
            HostBusy, HostFailed, Refused, Gone: As the client raises them.
        """

        async def attempt() -> T | None:
            try:
                return await in_daemon_thread(call)
            except HostBusy:
                return None
            finally:
                # An answer may tell that it was the last one for now.
                if self._client.paused_until is not None:
                    self._pauses.note(WHOLE_HOST, self._client.paused_until)

        return await self._attempts.answer(WHOLE_HOST, attempt)


def _is_gone(fields: Fields) -> bool:
    if fields.get("removed_by_category") is not None:
        return True
    text = fields.get("selftext", fields.get("body"))
    return text in _REMOVED


def _post(fields: Fields) -> Post:
    values = LineFields(fields)
    name = values.required_text("name", 40)
    title = values.required_text("title", MAX_CHARS)
    text = values.text("selftext", MAX_CHARS) or ""
    created_at = epoch_time(_whole(fields.get("created_utc")), "created_utc")
    edited = _whole(fields.get("edited"))
    return Post(
        source=SOURCE,
        post_id=name,
        revision=text_revision(title, text),
        title=title,
        body=text_of_markdown(text),
        url=f"https://www.reddit.com{values.text('permalink', MAX_CHARS) or '/' + name}",
        author=values.text("author", MAX_CHARS),
        created_at=created_at,
        revised_at=epoch_time(edited, "edited") if edited else created_at,
        tags=(values.text("subreddit", 100) or "reddit",),
    )


def _comment(fields: Fields, post: Post) -> tuple[str, Answer] | None:
    try:
        values = LineFields(fields)
        name = values.required_text("name", 40)
        text = values.text("body", MAX_CHARS) or ""
        created_at = epoch_time(_whole(fields.get("created_utc")), "created_utc")
        edited = _whole(fields.get("edited"))
        revised_at = epoch_time(edited, "edited") if edited else created_at
        score = values.whole_number("score")
        url = f"https://www.reddit.com{values.text('permalink', MAX_CHARS) or '/' + name}"
        author = values.text("author", MAX_CHARS)
    except InvalidRecord:
        return None
    if _is_gone(fields) or fields.get("stickied") is True or len(text) < _MIN_COMMENT_CHARS:
        return None
    answer = Answer(
        solution_id=solution_id(SOURCE, post.post_id),
        post=post,
        body=text_of_markdown(text),
        url=url,
        author=author,
        votes=score,
        created_at=created_at,
        revised_at=revised_at,
    )
    return name, answer


def _whole(value: object) -> int | None:
    """Reddit's times are floats; `edited` is false where there was no edit."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < 1e11 else None
