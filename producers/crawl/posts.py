"""Posts and answers as the sources found them, and the records that they become.

Ids are functions of what they stand for. An event's names source, post and revision, so a repeat
is recognised and an edit is a new event. A solution's names source and post, so that in the
compacted topic a new revision takes the place of the old one and a tombstone needs no memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from fixstream.producers.capture import clean_attributes, sdk_name
from fixstream.producers.crawl.rich_text import RichText
from fixstream.producers.crawl.rules import domain_of, error_type_in
from fixstream.producers.safe_text import clean_text
from fixstream.schemas import limits
from fixstream.schemas.attributes import SOLUTION_ID, TRAIN_AFTER
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent, Provenance, Solution
from fixstream.triage.trace import parse_trace

ENVIRONMENT = "crawl"

_MAX_MESSAGE_CHARS = limits.MAX_TEXT_CHARS // 4
_MAX_SOLUTION_CHARS = limits.MAX_TEXT_CHARS * 3 // 4
_MAX_TRACE_CHARS = limits.MAX_TRACE_CHARS // 2
_MAX_TITLE_CHARS = limits.MAX_TITLE_CHARS * 3 // 4
"""Below the records' limits: placeholders of the scrubber may be longer than what they replace."""
_PARSED_CHARS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A report of an error."""

    source: EventSource
    post_id: str
    """The host's own id, unique within the source."""
    revision: str
    """Changes when the text does."""
    title: str
    body: RichText
    url: str
    author: str | None
    license: str | None = None
    created_at: datetime
    revised_at: datetime
    tags: tuple[str, ...] = ()
    solution_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A text that solved the error of a post."""

    solution_id: str
    post: Post
    body: RichText
    url: str
    author: str | None
    license: str | None = None
    votes: int | None = None
    is_accepted: bool = False
    created_at: datetime
    revised_at: datetime


def event_id(post: Post) -> str:
    """`source:post@revision`."""
    return f"{post.source}:{post.post_id}@{post.revision}"


def solution_id(source: EventSource, post_id: str) -> str:
    """`source:post`."""
    return f"{source}:{post_id}"


def text_revision(*texts: str) -> str:
    """A revision for hosts that tell no time of the last edit: a hash of the text."""
    joined = "\x1f".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined, digest_size=6).hexdigest()


def event_of(post: Post, *, retrieved_at: datetime, quarantine: timedelta) -> ErrorEvent:
    """The event of a post, not scrubbed yet."""
    trace_block, error_type, language = _trace_in(post)
    text = post.body.without(trace_block) if trace_block else post.body.text
    attributes = {
        TRAIN_AFTER: _quarantine_end(post, retrieved_at, quarantine).isoformat(),
        "crawl.tags": " ".join(post.tags),
        SOLUTION_ID: post.solution_id or "",
    }
    domain = domain_of(post.tags)
    return ErrorEvent(
        event_id=event_id(post),
        occurred_at=post.created_at,
        service=post.source.value,
        environment=ENVIRONMENT,
        source=post.source,
        error_type=clean_text(error_type, _MAX_TITLE_CHARS) if error_type else None,
        message=clean_text(f"{post.title}\n\n{text}".strip(), _MAX_MESSAGE_CHARS),
        stack_trace=clean_text(trace_block, _MAX_TRACE_CHARS) if trace_block else None,
        language=language,
        domain_hint=domain.value if domain else None,
        attributes=clean_attributes({name: value for name, value in attributes.items() if value}),
        provenance=_provenance(post, retrieved_at),
        sdk=sdk_name(),
    )


def solution_of(answer: Answer, *, retrieved_at: datetime, quarantine: timedelta) -> Solution:
    """The solution in an answer, not scrubbed yet; titled as the post is."""
    _, error_type, _ = _trace_in(answer.post)
    domain = domain_of(answer.post.tags)
    return Solution(
        solution_id=answer.solution_id,
        title=clean_text(answer.post.title.strip() or "(untitled)", _MAX_TITLE_CHARS),
        text=clean_text(answer.body.text, _MAX_SOLUTION_CHARS),
        error_type=clean_text(error_type, _MAX_TITLE_CHARS) if error_type else None,
        domain=domain.value if domain else None,
        provenance=_provenance(answer, retrieved_at),
        votes=answer.votes,
        is_accepted=answer.is_accepted,
        created_at=answer.created_at,
        usable_after=_quarantine_end(answer, retrieved_at, quarantine),
    )


def _quarantine_end(text: Post | Answer, retrieved_at: datetime, quarantine: timedelta) -> datetime:
    # A host whose clock is ahead, or odd, delays by no more than the quarantine.
    return min(text.revised_at, retrieved_at) + quarantine


def _provenance(text: Post | Answer, retrieved_at: datetime) -> Provenance:
    author = clean_text(text.author, limits.MAX_ID_CHARS) if text.author else None
    license_name = clean_text(text.license, limits.MAX_ID_CHARS) if text.license else None
    url = clean_text(text.url, limits.MAX_ADDRESS_CHARS)
    return Provenance(url, author, license_name, retrieved_at)


def _trace_in(post: Post) -> tuple[str | None, str | None, str | None]:
    """The code block that is a trace, the error's type, and the trace's language."""
    for block in post.body.code_blocks:
        trace = parse_trace(block[:_PARSED_CHARS])
        if trace is not None:
            return block, trace.top.type or error_type_in(block), trace.language
    texts = (post.title, *post.body.code_blocks, post.body.text)
    return None, next(filter(None, map(error_type_in, texts)), None), None
