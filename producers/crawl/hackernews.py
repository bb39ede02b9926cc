"""Technical stories among the top ones of Hacker News, by its Firebase API.

A story is an event without a fix. Stories that are deleted or dead become tombstones, lest a
solution that was made of one stay.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any

import structlog

from fixstream.producers.crawl.failures import Gone, HostFailed, Refused
from fixstream.producers.crawl.host_client import Question
from fixstream.producers.crawl.json_values import (
    MAX_CHARS,
    epoch_time,
    fields_of,
    objects_in,
    required_id,
)
from fixstream.producers.crawl.posts import Post, solution_id, text_revision
from fixstream.producers.crawl.rich_text import text_of_html
from fixstream.producers.crawl.rules import is_technical
from fixstream.producers.crawl.source import Harvest, HttpSource
from fixstream.producers.crawl.trail import Seen, Trail
from fixstream.producers.line_fields import LineFields
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import InvalidRecord

log = structlog.get_logger(__name__)

SOURCE = EventSource.HACKERNEWS
_QUERY = "topstories"
_ITEM = "item"
_AT_ONCE = 5
_CHECK_EVERY_S = 6 * 3600
_MAX_CHECKED = 50
_MAX_UNANSWERED = 10
"""Failed items after which the host is believed to fail as a whole."""
_DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class HackerNewsConfig:
    """How much to read."""

    max_stories: int = 200
    quarantine: timedelta = timedelta(hours=24)


class HackerNewsSource(HttpSource[HackerNewsConfig]):
    """One query: the top stories."""

    @property
    def name(self) -> EventSource:
        """Hacker News."""
        return SOURCE

    @property
    def queries(self) -> Sequence[str]:
        """The list of top stories."""
        return (_QUERY,)

    async def crawl(self, query: str, trail: Trail) -> AsyncGenerator[Harvest, None]:
        """Top stories that are new, and known ones that are looked after.

        Raises:
            HostBusy, HostFailed, Refused: As the client raises them.
        """
        reply = await self._client.ask(Question(f"{query}.json", method=query))
        listed = objects_in(reply.content, self._client.host)[: self._config.max_stories]
        ids = [str(one) for one in listed if type(one) is int and one > 0]
        if len(ids) < len(listed):
            yield Harvest(skipped=Counter(bad_item=len(listed) - len(ids)))
        now_s = int(self._clock.now().timestamp())
        wanted = [one for one in ids if trail.get(one) is None]
        wanted += trail.due_for_check("", now_s - _CHECK_EVERY_S, _MAX_CHECKED)
        unanswered: list[BaseException] = []
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            items = await asyncio.gather(*map(self._item, some), return_exceptions=True)
            for item_id, item in zip(some, items, strict=True):
                if not isinstance(item, BaseException):
                    yield self._harvest(item_id, item, trail)
            failures = [item for item in items if isinstance(item, BaseException)]
            unanswered += failures
            if failures:
                yield Harvest(skipped=Counter(unanswered=len(failures)))
            _stop_at(failures, len(unanswered))
        if unanswered:
            # The others were read; these are asked for again in the next run.
            raise HostFailed(f"{len(unanswered)} items not answered; the first: {unanswered[0]}")

    async def _item(self, item_id: str) -> Any:
        try:
            return (await self._client.ask(Question(f"item/{item_id}.json", method=_ITEM))).content
        except Gone:
            return None

    def _harvest(self, item_id: str, item: Any, trail: Trail) -> Harvest:
        if item is None:  # Not there yet, or not any more: asked for again while it is listed.
            return Harvest(skipped=Counter(absent=1))
        now = self._clock.now()
        try:
            fields = fields_of(item)
            if fields.flag("deleted") or fields.flag("dead"):
                return _tombstone(item_id, trail)
            post = _story(fields, item_id)
        except InvalidRecord as problem:
            log.warning("item cannot be read", item=item_id, reason=str(problem))
            trail.note(item_id, Seen("bad"))
            return Harvest(skipped=Counter(bad_item=1))
        if post is None or not is_technical(post.title, post.body.text):
            trail.note(item_id, Seen("passed over"))
            return Harvest(skipped=Counter({"no_story" if post is None else "not_technical": 1}))
        is_known = trail.has_revision(item_id, post.revision)
        trail.note(item_id, Seen("story", post.revision, int(now.timestamp())))
        if is_known:
            return Harvest()
        return Harvest(events=(self._event(post),))


def _stop_at(failures: Sequence[BaseException], num_unanswered: int) -> None:
    """Raise what concerns more than single items, or when too many of those failed."""
    for failure in failures:
        is_single = isinstance(failure, HostFailed | Refused)
        if not is_single or num_unanswered >= _MAX_UNANSWERED:
            raise failure


def _tombstone(item_id: str, trail: Trail) -> Harvest:
    trail.note(item_id, Seen(_DELETED))
    return Harvest(tombstones=(solution_id(SOURCE, item_id),), skipped=Counter(deleted=1))


def _story(fields: LineFields, item_id: str) -> Post | None:
    """The story; None for jobs, polls and comments."""
    if str(required_id(fields, "id")) != item_id:
        raise InvalidRecord("the item has another id than it was asked for by")
    if fields.text("type", MAX_CHARS) != "story":
        return None
    title = unescape(fields.required_text("title", MAX_CHARS))
    text = fields.text("text", MAX_CHARS) or ""
    created_at = epoch_time(fields.whole_number("time"), "time")
    return Post(
        source=SOURCE,
        post_id=item_id,
        revision=text_revision(title, text),
        title=title,
        body=text_of_html(text),
        url=f"https://news.ycombinator.com/item?id={item_id}",
        author=fields.text("by", MAX_CHARS),
        created_at=created_at,
        revised_at=created_at,
    )
