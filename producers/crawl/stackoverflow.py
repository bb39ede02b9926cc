"""Error questions of Stack Exchange by tag, with their accepted and best answers (API 2.3).

Each text carries its own licence, as the API names it. Nothing is written and no user looked up.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from fixstream.producers.crawl.failures import Gone
from fixstream.producers.crawl.host_client import Question
from fixstream.producers.crawl.json_values import objects_in
from fixstream.producers.crawl.posts import solution_id
from fixstream.producers.crawl.rules import is_about_error
from fixstream.producers.crawl.source import Harvest, HttpSource
from fixstream.producers.crawl.stackoverflow_items import (
    ANSWER_PREFIX,
    SOURCE,
    AnswerItem,
    QuestionItem,
    read_answers,
    read_questions,
)
from fixstream.producers.crawl.trail import Seen, Trail, Walk
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import RetryLater, Stop

log = structlog.get_logger(__name__)

_QUESTIONS = "questions"
_ANSWERS_OF = "questions/{ids}/answers"
_ANSWERS = "answers/{ids}"
_PAGE_SIZE = 100
"""Items a page, and ids a request: the API's most."""
_MAX_ANSWER_PAGES = 20
_CHECK_EVERY_S = 24 * 3600
_MIN_FOR_SUSPICION = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StackExchangeConfig:
    """What to read, and which answers count as fixes."""

    site: str = "stackoverflow"
    tags: tuple[str, ...]
    key: str | None = None
    min_score: int = 1
    max_answers: int = 3
    max_pages: int = 50
    quarantine: timedelta = timedelta(hours=24)


class StackExchangeSource(HttpSource[StackExchangeConfig]):
    """One site; a query is a tag."""

    @property
    def name(self) -> EventSource:
        """Stack Overflow, for other sites of the network too."""
        return SOURCE

    @property
    def queries(self) -> Sequence[str]:
        """The tags."""
        return self._config.tags

    async def crawl(self, query: str, trail: Trail) -> AsyncGenerator[Harvest, None]:
        """Changed questions of a tag by their last activity; then known answers are looked after.

        Raises:
            HostBusy, HostFailed, Refused: As the client raises them.
        """
        walk = Walk(trail, self._config.max_pages)
        goes_on = True
        while goes_on:
            items, has_more = await self._ask(
                Question(_QUESTIONS, self._list_params(query, trail, walk), method=_QUESTIONS)
            )
            questions, num_bad = read_questions(items)
            fresh = [item for item in questions if trail.is_new(item.post.post_id, _stamp(item))]
            answers = await self._answers_of(fresh)
            yield Harvest(skipped=Counter(bad_item=num_bad + answers.num_bad))
            for item in fresh:
                harvest = self._harvest(item, answers.read, trail)
                if not answers.is_whole:  # The event stands; its answers are asked for again.
                    trail.note(item.post.post_id, Seen("", item.post.revision))
                yield harvest
            if answers.failure is not None:
                raise answers.failure
            page = {item.post.post_id: item.changed_at for item in questions}
            goes_on = walk.goes_on(page, has_more=has_more)
        yield await self._deleted(trail)

    def _list_params(self, tag: str, trail: Trail, walk: Walk) -> dict[str, str]:
        return {
            "tagged": tag,
            "sort": "activity",
            "order": "asc",
            "min": str(trail.since),
            "page": str(walk.page),
        }

    def _harvest(self, item: QuestionItem, answers: list[AnswerItem], trail: Trail) -> Harvest:
        post = item.post
        own = [answer for answer in answers if answer.question_id == item.question_id]
        gone = tuple(self._vanished(item, own, trail))
        is_error = is_about_error(post.title, post.body.text, post.body.code_blocks)
        chosen = self._chosen(own) if is_error else []
        fixes = [one for one in chosen if not trail.has_revision(one.key, one.revision)]
        is_event = is_error and not trail.has_revision(post.post_id, post.revision)
        now = self._clock.now()
        for answer in fixes:
            stamp = str(item.question_id)
            trail.note(answer.key, Seen(stamp, answer.revision, int(now.timestamp())))
        trail.note(post.post_id, Seen(_stamp(item), post.revision))
        if chosen:
            post = dataclasses.replace(post, solution_id=solution_id(SOURCE, chosen[0].key))
        return Harvest(
            events=(self._event(post),) if is_event else (),
            solutions=tuple(self._solution(one.answer_to(post)) for one in fixes),
            tombstones=gone,
            skipped=Counter() if is_error else Counter(no_error=1),
        )

    def _chosen(self, answers: list[AnswerItem]) -> list[AnswerItem]:
        """The accepted answer, then the best of the others."""
        told = [one for one in answers if one.body.text]
        good = [one for one in told if one.is_accepted or one.score >= self._config.min_score]
        good.sort(key=lambda one: (not one.is_accepted, -one.score, one.answer_id))
        return good[: self._config.max_answers]

    def _vanished(
        self, item: QuestionItem, answers: list[AnswerItem], trail: Trail
    ) -> Iterator[str]:
        """Solutions of this question whose answers are in its list no more."""
        if item.num_answers < 0 or len(answers) < item.num_answers:
            return  # The list is not whole, so nothing can be told from it.
        there = {answer.key for answer in answers}
        for key in trail.ids(ANSWER_PREFIX):
            seen = trail.get(key)
            if seen is not None and seen.stamp == str(item.question_id) and key not in there:
                trail.forget(key)
                yield solution_id(SOURCE, key)

    async def _answers_of(self, questions: list[QuestionItem]) -> _Answers:
        """All answers of the questions, a page after the other."""
        ids = ";".join(str(item.question_id) for item in questions if item.num_answers != 0)
        found: dict[int, AnswerItem] = {}
        num_bad = 0
        has_more = bool(ids)
        page = 1
        while has_more and page <= _MAX_ANSWER_PAGES:
            params = {"sort": "votes", "order": "desc", "page": str(page)}
            path = _ANSWERS_OF.format(ids=ids)
            try:
                items, has_more = await self._ask(Question(path, params, method=_ANSWERS_OF))
            except Gone:
                log.warning("the host has no answers to its questions")
                return _Answers([], num_bad, is_whole=False)
            except (RetryLater, Stop) as problem:
                return _Answers([], num_bad, is_whole=False, failure=problem)
            read, bad = read_answers(items)
            found.update((answer.answer_id, answer) for answer in read)
            num_bad += bad
            page += 1
        return _Answers(list(found.values()), num_bad)

    async def _deleted(self, trail: Trail) -> Harvest:
        """Tombstones for known answers that are there no more; a hundred are asked for a run."""
        now_s = int(self._clock.now().timestamp())
        due = trail.due_for_check(ANSWER_PREFIX, now_s - _CHECK_EVERY_S, _PAGE_SIZE)
        if not due:
            return Harvest()
        ids = ";".join(key.removeprefix(ANSWER_PREFIX) for key in due)
        items, _ = await self._ask(Question(_ANSWERS.format(ids=ids), method=_ANSWERS))
        there = {answer.key for answer in read_answers(items)[0]}
        gone = [key for key in due if key not in there]
        if len(gone) == len(due) >= _MIN_FOR_SUSPICION:
            log.warning("no known answer was found; nothing is deleted on such evidence")
            gone = []
        for key in due:
            seen = trail.get(key)
            if key in gone or seen is None:
                trail.forget(key)
            else:
                trail.note(key, dataclasses.replace(seen, checked_at=now_s))
        return Harvest(tombstones=tuple(solution_id(SOURCE, key) for key in gone))

    async def _ask(self, question: Question) -> tuple[list[Any], bool]:
        """The items of one page, and whether there are more."""
        params = {
            **question.params,
            "site": self._config.site,
            "filter": "withbody",
            "pagesize": str(_PAGE_SIZE),
        }
        if self._config.key:
            params["key"] = self._config.key
        reply = await self._client.ask(dataclasses.replace(question, params=params))
        items = objects_in(reply.content.get("items"), self._client.host)
        # A page without items is the last one, whatever it says of more.
        return items, reply.content.get("has_more") is True and bool(items)


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers to a page of questions; none of them where they are not whole."""

    read: list[AnswerItem]
    num_bad: int
    is_whole: bool = True
    failure: RetryLater | Stop | None = None


def _stamp(item: QuestionItem) -> str:
    """Changes with the question, its answers, and their number."""
    return f"{item.changed_at}/{item.num_answers}"
