"""Issues, comments and pull requests of GitHub, read out of its JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from fixstream.producers.crawl.json_values import (
    MAX_CHARS,
    fields_of,
    required_id,
    required_time,
    web_address,
)
from fixstream.producers.crawl.posts import Answer, Post, solution_id, text_revision
from fixstream.producers.crawl.rich_text import text_of_markdown
from fixstream.producers.line_fields import LineFields
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import InvalidRecord

SOURCE = EventSource.GITHUB

_MIN_COMMENT_CHARS = 15
"""A shorter one ("fixed", "+1", "thanks") tells nobody what to do."""
_AFTER_CLOSING = timedelta(minutes=10)
"""How long after the closing a comment may still be the one that explains it."""
_TEAM = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})


@dataclass(frozen=True, slots=True)
class IssueItem:
    """One issue of a list."""

    number: int
    changed_at: datetime
    closed_at: datetime | None
    """None while it is open, and when it was closed as not planned or as a duplicate."""
    num_comments: int
    post: Post

    @property
    def stamp(self) -> str:
        """Changes when anything about the issue did."""
        return self.changed_at.isoformat()

    @property
    def is_solved(self) -> bool:
        """Whether something was done about it."""
        return self.closed_at is not None


@dataclass(frozen=True, slots=True)
class FixText:
    """A text that may tell how an issue was solved."""

    at: datetime
    text: str
    url: str
    author: str | None
    votes: int | None
    revised_at: datetime
    rank: int
    """3: a merged pull request; 2: a comment of the team or of whoever closed the issue; else 1."""


def is_pull_request(item: Any) -> bool:
    """Pull requests stand in the list of issues too."""
    return isinstance(item, dict) and item.get("pull_request") is not None


def read_issue(item: Any, repository: str) -> IssueItem:
    """One issue; raises InvalidRecord."""
    fields = fields_of(item)
    number = required_id(fields, "number")
    title = fields.required_text("title", MAX_CHARS)
    body = fields.text("body", MAX_CHARS) or ""
    changed_at = required_time(fields, "updated_at")
    is_closed = fields.text("state", 20) == "closed"
    was_solved = fields.text("state_reason", 40) in {None, "completed"}
    return IssueItem(
        number=number,
        changed_at=changed_at,
        closed_at=fields.time("closed_at") if is_closed and was_solved else None,
        num_comments=fields.whole_number("comments") or 0,
        post=Post(
            source=SOURCE,
            post_id=f"{repository}#{number}",
            revision=text_revision(title, body),
            title=title,
            body=text_of_markdown(body),
            url=web_address(fields, "html_url")
            or f"https://github.com/{repository}/issues/{number}",
            author=_login(fields),
            created_at=required_time(fields, "created_at"),
            revised_at=changed_at,
            tags=_labels(item.get("labels")),
        ),
    )


def best_fix(texts: Iterable[FixText], issue: IssueItem) -> Answer | None:
    """The text that most likely says how the issue was solved: the best rank, then the last."""
    closed_at = issue.closed_at
    if closed_at is None:
        return None
    told = [text for text in texts if text.at <= closed_at + _AFTER_CLOSING]
    if not told:
        return None
    fix = max(told, key=lambda text: (text.rank, text.at))
    return Answer(
        solution_id=solution_id(SOURCE, issue.post.post_id),
        post=issue.post,
        body=text_of_markdown(fix.text),
        url=fix.url,
        author=fix.author,
        votes=fix.votes,
        is_accepted=fix.rank > 1,
        created_at=fix.at,
        revised_at=fix.revised_at,
    )


def fixes_in_timeline(items: Iterable[Any], issue: IssueItem) -> list[FixText]:
    """Merged pull requests and comments of an issue's timeline; what cannot be read is passed."""
    items = [item for item in items if isinstance(item, dict)]
    closings = [item for item in items if item.get("event") == "closed"]
    closers = {_actor(item) for item in closings} - {None}
    fixes: list[FixText] = []
    for item in items:
        try:
            if item.get("event") == "cross-referenced":
                fix = _pull_request(item, issue)
            elif item.get("event") == "commented":
                fix = read_comment(item, closers)
            else:
                continue
        except InvalidRecord:
            continue
        if fix is not None:
            fixes.append(fix)
    # A bot closes what nobody cared for any more: then not just anybody's last word is a fix.
    lowest = 2 if closings and _is_bot_event(closings[-1]) else 1
    return [fix for fix in fixes if fix.rank >= lowest]


def read_comment(item: Any, closers: Iterable[str | None] = ()) -> FixText | None:
    """One comment; None for a bot's and for one that says nothing. Raises InvalidRecord."""
    fields = fields_of(item)
    author = _login(fields)
    body = fields.text("body", MAX_CHARS) or ""
    if _is_bot(fields, author) or len(body.strip()) < _MIN_COMMENT_CHARS:
        return None
    is_known = author in set(closers) or fields.text("author_association", 40) in _TEAM
    at = required_time(fields, "created_at")
    return FixText(
        at=at,
        text=body,
        url=web_address(fields, "html_url"),
        author=author,
        votes=_votes(fields),
        revised_at=fields.time("updated_at") or at,
        rank=2 if is_known else 1,
    )


def _pull_request(item: Any, of: IssueItem) -> FixText | None:
    """A merged one of the issue's own repository: elsewhere anybody may merge what he likes."""
    source = fields_of(item).nested("source")
    issue = source.nested("issue") if source else None
    pull = issue.nested("pull_request") if issue else None
    merged_at = pull.time("merged_at") if pull else None
    if issue is None or merged_at is None:
        return None
    title = issue.required_text("title", MAX_CHARS)
    body = issue.text("body", MAX_CHARS) or ""
    url = web_address(issue, "html_url")
    if _repository_of(url) != _repository_of(of.post.url):
        return None
    return FixText(
        at=merged_at,
        text=f"{title}\n\n{body}",
        url=url,
        author=_login(issue),
        votes=_votes(issue),
        revised_at=issue.time("updated_at") or merged_at,
        rank=3,
    )


def _login(fields: LineFields) -> str | None:
    user = fields.nested("user") or fields.nested("actor")
    return user.text("login", MAX_CHARS) if user else None


def _actor(item: Any) -> str | None:
    try:
        actor = fields_of(item).nested("actor")
        return actor.text("login", MAX_CHARS) if actor else None
    except InvalidRecord:
        return None


def _repository_of(url: str) -> list[str]:
    """Owner and name in the address of an issue or pull request."""
    return urlsplit(url).path.lower().split("/")[1:3]


def _is_bot_event(item: Any) -> bool:
    try:
        fields = fields_of(item)
        return _is_bot(fields, _login(fields))
    except InvalidRecord:
        return False


def _is_bot(fields: LineFields, author: str | None) -> bool:
    user = fields.nested("user") or fields.nested("actor")
    kind = user.text("type", 40) if user else None
    return kind == "Bot" or (author or "").endswith("[bot]")


def _votes(fields: LineFields) -> int | None:
    reactions = fields.nested("reactions")
    return reactions.whole_number("+1") if reactions else None


def _labels(labels: Any) -> tuple[str, ...]:
    if not isinstance(labels, list):
        return ()
    names = [label.get("name") if isinstance(label, dict) else label for label in labels]
    return tuple(name for name in names if isinstance(name, str) and 0 < len(name) <= 100)
