"""History files: errors of the past with what became of them, as JSON lines, oldest first.

`fixstream emit` sends their events, the backtest learns from their labels; both read them here.
Nothing is scrubbed yet: whoever publishes or learns does that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fixstream.producers.capture import sdk_name
from fixstream.producers.json_lines import BadLine, JsonLine, read_json_lines
from fixstream.producers.line_fields import LineFields
from fixstream.schemas import limits
from fixstream.schemas.enums import Category, Domain, EventSource, Severity
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.validation import validate
from fixstream.triage import classify

ENVIRONMENT = "history"
CATEGORY_HINT = classify.CATEGORY_HINT
"""Attribute of an event that holds the category label of its history record, where there is one."""
_MAX_MESSAGE_CHARS = limits.MAX_TEXT_CHARS * 3 // 4
"""Below the record's limit: placeholders of the scrubber may be longer than what they replace."""
_MAX_TRACE_CHARS = limits.MAX_TRACE_CHARS * 3 // 4
_UNCUT_CHARS = 100_000
"""Ids are never cut, for two might become one: validation refuses those that are too long."""


@dataclass(frozen=True, slots=True)
class HistoryLabels:
    """What was known of the error in the end; None where it was not."""

    severity: Severity | None = None
    domain: Domain | None = None
    category: Category | None = None


@dataclass(frozen=True, slots=True)
class HistorySolution:
    """The fix that solved it."""

    solution_id: str
    text: str
    url: str | None = None
    license: str | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRecord:
    """One line of a history file."""

    line_number: int
    event: ErrorEvent
    """With the labels as hints, as a reporter would have given them."""
    labels: HistoryLabels
    duplicate_of: str | None = None
    solution: HistorySolution | None = None
    resolved_at: datetime | None = None


def read_history(path: Path, *, undated_as: datetime) -> Iterator[HistoryRecord | BadLine]:
    """The records of a history file in its order; a line that cannot be used comes as `BadLine`.

    Args:
        path: A file of JSON lines, plain or gzip.
        undated_as: The time of records that have none.

    Raises:
        Misconfigured: The file cannot be opened.
    """
    for line in read_json_lines(path):
        yield _record_or_problem(path, line, undated_as)


def history_records(path: Path, *, undated_as: datetime) -> Iterator[HistoryRecord]:
    """As `read_history`, for callers that accept no bad line.

    Raises:
        BadLine: The first line that cannot be used.
        Misconfigured: The file cannot be opened.
    """
    for record in read_history(path, undated_as=undated_as):
        if isinstance(record, BadLine):
            raise record
        yield record


def _record_or_problem(path: Path, line: JsonLine, undated_as: datetime) -> HistoryRecord | BadLine:
    if isinstance(line.content, BadLine):
        return line.content
    try:
        return record_from(line.content, line.line_number, undated_as)
    except DeadLetter as error:
        return BadLine(path, line.line_number, str(error))


def record_from(
    content: Mapping[str, Any], line_number: int, undated_as: datetime
) -> HistoryRecord:
    """One record from the object of its line.

    Raises:
        InvalidRecord: A field is missing or of the wrong type; the message names it.
        TooLarge: An id is over its limit.
    """
    fields = LineFields(content)
    labels = _labels(fields.nested("labels"))
    event = _event(fields, labels, undated_as)
    validate(event)
    return HistoryRecord(
        line_number=line_number,
        event=event,
        labels=labels,
        duplicate_of=fields.text("duplicate_of", _UNCUT_CHARS),
        solution=_solution(fields.nested("solution")),
        resolved_at=fields.time("resolved_at"),
    )


def _event(fields: LineFields, labels: HistoryLabels, undated_as: datetime) -> ErrorEvent:
    return ErrorEvent(
        event_id=fields.required_text("event_id", _UNCUT_CHARS),
        occurred_at=fields.time("occurred_at") or undated_as,
        service=fields.required_text("service", _UNCUT_CHARS),
        environment=ENVIRONMENT,
        source=EventSource.IMPORT,
        error_type=fields.text("error_type", limits.MAX_TITLE_CHARS),
        message=fields.required_text("message", _MAX_MESSAGE_CHARS),
        stack_trace=fields.text("stack_trace", _MAX_TRACE_CHARS),
        severity_hint=labels.severity.value if labels.severity else None,
        domain_hint=labels.domain.value if labels.domain else None,
        attributes={CATEGORY_HINT: labels.category.value} if labels.category else {},
        sdk=sdk_name(),
    )


def _labels(fields: LineFields | None) -> HistoryLabels:
    if fields is None:
        return HistoryLabels()
    severity = fields.choice("severity", Severity)
    domain = fields.choice("domain", Domain)
    category = fields.choice("category", Category)
    return HistoryLabels(
        Severity(severity) if severity else None,
        Domain(domain) if domain else None,
        Category(category) if category else None,
    )


def _solution(fields: LineFields | None) -> HistorySolution | None:
    if fields is None:
        return None
    return HistorySolution(
        fields.required_text("solution_id", _UNCUT_CHARS),
        fields.required_text("text", _MAX_MESSAGE_CHARS),
        fields.text("url", _UNCUT_CHARS),
        fields.text("license", _UNCUT_CHARS),
        fields.text("author", _UNCUT_CHARS),
    )
