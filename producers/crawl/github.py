"""Bug-labelled issues of chosen GitHub repositories, and how the closed ones were solved.

A query is `owner/name` or `owner/name=label`. Pull requests in the lists are no bug reports. Texts
of issues carry no licence of their own, so none is claimed for them.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from multidict import CIMultiDict

from fixstream.producers.crawl.failures import Gone, HostFailed, Refused
from fixstream.producers.crawl.github_items import (
    SOURCE,
    FixText,
    IssueItem,
    best_fix,
    fixes_in_timeline,
    is_pull_request,
    read_comment,
    read_issue,
)
from fixstream.producers.crawl.host_client import Question, Reply
from fixstream.producers.crawl.json_values import objects_in
from fixstream.producers.crawl.links import last_page, next_query
from fixstream.producers.crawl.posts import Answer, solution_id, text_revision
from fixstream.producers.crawl.source import Harvest, HttpSource
from fixstream.producers.crawl.trail import Seen, Trail, Walk
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import InvalidRecord

log = structlog.get_logger(__name__)

_DEFAULT_LABEL = "bug"
_PAGE_SIZE = "100"
_MAX_TIMELINE_PAGES = 5
_SOLUTION_PREFIX = "solution/"
_CHECK_EVERY_S = 7 * 24 * 3600
_TRY, _MAX_TRIES = "?", 3
"""Stamp of an issue whose details could not be read, once for each run that tried."""
_MAX_UNANSWERED = 3
"""Issues of a page after which the host is believed to fail as a whole."""
_MAX_CHECKED = 5
"""Each costs two requests of the sixty an hour that a crawler without a token has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubConfig:
    """What to read, and as whom."""

    repositories: tuple[str, ...]
    token: str | None = None
    max_pages: int = 50
    quarantine: timedelta = timedelta(hours=24)


class GitHubSource(HttpSource[GitHubConfig]):
    """One query for each repository."""

    @property
    def name(self) -> EventSource:
        """GitHub."""
        return SOURCE

    @property
    def queries(self) -> Sequence[str]:
        """The repositories with their labels."""
        return self._config.repositories

    async def crawl(self, query: str, trail: Trail) -> AsyncGenerator[Harvest, None]:
        """Changed issues by the time of their change.

        Raises:
            HostBusy, HostFailed, Refused, Gone: As the client raises them.
        """
        repository, _, label = query.partition("=")
        path = f"repos/{repository}/issues"
        walk = Walk(trail, self._config.max_pages)
        params = _list_params(label or _DEFAULT_LABEL, trail.since)
        goes_on = True
        while goes_on:
            is_first = walk.page == 1
            reply = await self._ask(Question(path, params, method="issues"), trail.etag * is_first)
            if reply.status == 304:
                break
            page = _Page.read(objects_in(reply.content, self._client.host), repository)
            yield Harvest(skipped=page.skipped)
            async for harvest in self._news(page, repository, trail):
                yield harvest
            following = next_query(reply)
            goes_on = walk.goes_on(page.changed_at, has_more=following is not None)
            if is_first and following is None:
                trail.etag = reply.headers.get("ETag", "")[:500]
            moved = _list_params(label or _DEFAULT_LABEL, trail.since)
            params = moved if walk.page == 1 else {**params, **(following or {})}
        async for harvest in self._looked_after(trail):
            yield harvest

    async def _news(
        self, page: _Page, repository: str, trail: Trail
    ) -> AsyncGenerator[Harvest, None]:
        """What is new in a page; one issue whose details cannot be read leaves the others alone."""
        failures: list[HostFailed | Refused] = []
        for issue in page.issues:
            if not trail.is_new(issue.post.post_id, issue.stamp):
                continue
            try:
                answer = await self._answer(issue, repository) if issue.is_solved else None
            except (HostFailed, Refused) as problem:
                yield self._unanswered(issue, trail)
                if trail.is_new(issue.post.post_id, issue.stamp):
                    failures.append(problem)
                if len(failures) >= _MAX_UNANSWERED:
                    break
            else:
                yield self._harvest(issue, answer, trail)
        if failures:
            raise failures[0]  # Before the page counts as read: they are asked for again.

    def _harvest(self, issue: IssueItem, answer: Answer | None, trail: Trail) -> Harvest:
        post = issue.post
        now = self._clock.now()
        key = f"{_SOLUTION_PREFIX}{post.post_id}"
        tombstones: tuple[str, ...] = ()
        if answer is not None:
            post = dataclasses.replace(post, solution_id=answer.solution_id)
            # Of the text: a comment is edited, and a pull request is touched, without a new time.
            revision = text_revision(answer.url, answer.post.title, answer.body.text)
            is_new = not trail.has_revision(key, revision)
            trail.note(key, Seen("", revision, int(now.timestamp())))
            answer = answer if is_new else None
        elif trail.get(key) is not None:
            # Opened again, or the text that solved it was deleted: it solves nothing any more.
            trail.forget(key)
            tombstones = (solution_id(SOURCE, post.post_id),)
        is_event = not trail.has_revision(post.post_id, post.revision)
        trail.note(post.post_id, Seen(issue.stamp, post.revision))
        return Harvest(
            events=(self._event(post),) if is_event else (),
            solutions=(self._solution(answer),) if answer else (),
            tombstones=tombstones,
        )

    def _unanswered(self, issue: IssueItem, trail: Trail) -> Harvest:
        """The event stands; how the issue was solved is asked for again, but not for ever."""
        post = issue.post
        seen = trail.get(post.post_id)
        tries = len(seen.stamp) + 1 if seen and not seen.stamp.strip(_TRY) else 1
        is_event = not trail.has_revision(post.post_id, post.revision)
        stamp = _TRY * tries if tries < _MAX_TRIES else issue.stamp
        trail.note(post.post_id, Seen(stamp, post.revision))
        return Harvest(
            events=(self._event(post),) if is_event else (), skipped=Counter(unanswered=1)
        )

    async def _answer(self, issue: IssueItem, repository: str) -> Answer | None:
        """What solved the issue, by its timeline; by its comments where there is none."""
        path = f"repos/{repository}/issues/{issue.number}"
        try:
            timeline = await self._all(Question(f"{path}/timeline", method="timeline"))
        except Gone:
            timeline = []
        if timeline or issue.num_comments == 0:
            return best_fix(fixes_in_timeline(timeline, issue), issue)
        try:
            comments = await self._all(Question(f"{path}/comments", method="comments"))
        except Gone:
            return None
        return best_fix(_comments(comments), issue)

    async def _looked_after(self, trail: Trail) -> AsyncGenerator[Harvest, None]:
        """Solved issues, a few a run: gone ones become tombstones, edited fixes are read anew.

        An edit of a comment need not change the issue, so the list does not tell of it.
        """
        now_s = int(self._clock.now().timestamp())
        for key in trail.due_for_check(_SOLUTION_PREFIX, now_s - _CHECK_EVERY_S, _MAX_CHECKED):
            post_id = key.removeprefix(_SOLUTION_PREFIX)
            seen = trail.get(key) or Seen("")
            repository, _, number = post_id.rpartition("#")
            try:
                question = Question(f"repos/{repository}/issues/{number}", method="issue")
                issue = read_issue((await self._ask(question)).content, repository)
                answer = await self._answer(issue, repository) if issue.is_solved else None
            except Gone:
                trail.forget(key)
                yield Harvest(tombstones=(solution_id(SOURCE, post_id),))
            except InvalidRecord:
                trail.note(key, dataclasses.replace(seen, checked_at=now_s))
                yield Harvest(skipped=Counter(bad_item=1))
            else:
                yield self._harvest(issue, answer, trail)

    async def _all(self, question: Question) -> list[Any]:
        """The items of a list, following its links; of a very long one its beginning and its end.

        The end has the closing, and what was said right before it.
        """
        items: list[Any] = []
        params = {"per_page": _PAGE_SIZE}
        for number in range(1, _MAX_TIMELINE_PAGES + 1):
            reply = await self._ask(dataclasses.replace(question, params=params))
            items += objects_in(reply.content, self._client.host)
            following = next_query(reply)
            if following is None:
                break
            params = {**params, **following}
            last = last_page(reply)
            if number == 1 and last is not None and last > _MAX_TIMELINE_PAGES:
                params["page"] = str(last - _MAX_TIMELINE_PAGES + 2)
        return items

    async def _ask(self, question: Question, etag: str = "") -> Reply:
        headers = CIMultiDict(
            {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        )
        if self._config.token:
            headers["Authorization"] = f"Bearer {self._config.token}"
        if etag:
            headers["If-None-Match"] = etag
        return await self._client.ask(dataclasses.replace(question, headers=headers))


@dataclass(frozen=True, slots=True)
class _Page:
    issues: list[IssueItem]
    changed_at: dict[str, int]
    skipped: Counter[str]

    @classmethod
    def read(cls, items: list[Any], repository: str) -> _Page:
        page = cls([], {}, Counter())
        for item in items:
            try:
                issue = read_issue(item, repository)
            except InvalidRecord as problem:
                log.warning("issue cannot be read", repository=repository, reason=str(problem))
                page.skipped["bad_item"] += 1
                continue
            page.changed_at[issue.post.post_id] = int(issue.changed_at.timestamp())
            if is_pull_request(item):
                page.skipped["pull_request"] += 1
            else:
                page.issues.append(issue)
        return page


def _list_params(label: str, since: int) -> dict[str, str]:
    return {
        "labels": label,
        "state": "all",
        "sort": "updated",
        "direction": "asc",
        "since": datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "per_page": _PAGE_SIZE,
    }


def _comments(items: list[Any]) -> list[FixText]:
    fixes: list[FixText] = []
    for item in items:
        try:
            fix = read_comment(item)
        except InvalidRecord:
            continue
        if fix is not None:
            fixes.append(fix)
    return fixes
