"""Questions and answers of the Stack Exchange API, read out of its JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import structlog

from fixstream.producers.crawl.json_values import (
    MAX_CHARS,
    epoch_time,
    fields_of,
    required_id,
    texts_in,
    web_address,
)
from fixstream.producers.crawl.posts import Answer, Post, solution_id
from fixstream.producers.crawl.rich_text import RichText, text_of_html
from fixstream.producers.line_fields import LineFields
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import InvalidRecord

log = structlog.get_logger(__name__)

SOURCE = EventSource.STACKOVERFLOW
ANSWER_PREFIX = "answer/"
"""Of answers' ids in trails and solution ids; a bare number is a question."""


@dataclass(frozen=True, slots=True)
class QuestionItem:
    """One question of a list."""

    question_id: int
    changed_at: int
    """Last activity, in seconds since 1970."""
    num_answers: int
    """-1 where it is not told."""
    post: Post


@dataclass(frozen=True, slots=True)
class AnswerItem:
    """One answer of a list."""

    answer_id: int
    question_id: int
    score: int
    is_accepted: bool
    revised_at: int
    created_at: datetime
    author: str | None
    license: str | None
    body: RichText

    @property
    def key(self) -> str:
        """Its id in the trail and, after the source, in its solution's id."""
        return f"{ANSWER_PREFIX}{self.answer_id}"

    @property
    def revision(self) -> str:
        """Changes with the text, and with acceptance."""
        return f"{self.revised_at}{'+' if self.is_accepted else ''}"

    def answer_to(self, post: Post) -> Answer:
        """As the solution of a question."""
        parts = urlsplit(post.url)
        return Answer(
            solution_id=solution_id(SOURCE, self.key),
            post=post,
            body=self.body,
            url=f"{parts.scheme}://{parts.netloc}/a/{self.answer_id}",
            author=self.author,
            license=self.license,
            votes=self.score,
            is_accepted=self.is_accepted,
            created_at=self.created_at,
            revised_at=epoch_time(self.revised_at, "last_edit_date"),
        )


def read_questions(items: Iterable[Any]) -> tuple[list[QuestionItem], int]:
    """The questions that can be read, and the number of those that cannot."""
    questions: list[QuestionItem] = []
    num_bad = 0
    for item in items:
        try:
            questions.append(_question(fields_of(item), texts_in(item.get("tags"))))
        except InvalidRecord as problem:
            log.warning("question cannot be read", reason=str(problem))
            num_bad += 1
    return questions, num_bad


def read_answers(items: Iterable[Any]) -> tuple[list[AnswerItem], int]:
    """The answers that can be read, and the number of those that cannot."""
    answers: list[AnswerItem] = []
    num_bad = 0
    for item in items:
        try:
            answers.append(_answer(fields_of(item)))
        except InvalidRecord as problem:
            log.warning("answer cannot be read", reason=str(problem))
            num_bad += 1
    return answers, num_bad


def _question(fields: LineFields, tags: tuple[str, ...]) -> QuestionItem:
    question_id = required_id(fields, "question_id")
    created = fields.whole_number("creation_date")
    revised = fields.whole_number("last_edit_date") or created
    changed_at = fields.whole_number("last_activity_date") or revised
    url = web_address(fields, "link") or f"https://stackoverflow.com/q/{question_id}"
    post = Post(
        source=SOURCE,
        post_id=str(question_id),
        revision=str(revised),
        title=unescape(fields.required_text("title", MAX_CHARS)),
        body=text_of_html(fields.text("body", MAX_CHARS) or ""),
        url=url,
        author=_author(fields),
        license=fields.text("content_license", MAX_CHARS),
        created_at=epoch_time(created, "creation_date"),
        revised_at=epoch_time(revised, "last_edit_date"),
        tags=tags,
    )
    num_answers = fields.whole_number("answer_count")
    num_answers = -1 if num_answers is None else num_answers
    return QuestionItem(question_id, changed_at or 0, num_answers, post)


def _answer(fields: LineFields) -> AnswerItem:
    created = fields.whole_number("creation_date")
    return AnswerItem(
        answer_id=required_id(fields, "answer_id"),
        question_id=required_id(fields, "question_id"),
        score=fields.whole_number("score") or 0,
        is_accepted=fields.flag("is_accepted"),
        revised_at=fields.whole_number("last_edit_date") or created or 0,
        created_at=epoch_time(created, "creation_date"),
        author=_author(fields),
        license=fields.text("content_license", MAX_CHARS),
        body=text_of_html(fields.required_text("body", MAX_CHARS)),
    )


def _author(fields: LineFields) -> str | None:
    """The display name, whose entities the API escapes."""
    owner = fields.nested("owner")
    name = owner.text("display_name", MAX_CHARS) if owner else None
    return unescape(name) if name else None
