"""The rules of the records beyond their types: ranges, limits, zones, sums.

It says no and names the field; it never repairs, and its messages never quote a value. What is
already guaranteed by Avro on reading is checked all the same, so that a producer hears of its
mistake before it sends.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from fixstream.schemas import limits
from fixstream.schemas.enums import (
    Category,
    ClosedBy,
    Domain,
    EventSource,
    FixOrigin,
    LabelSource,
    Severity,
    UpdateKind,
)
from fixstream.schemas.errors import InvalidRecord, TooLarge
from fixstream.schemas.records import (
    ErrorEvent,
    Fix,
    FixFeedback,
    Label,
    Labels,
    ModelUpdate,
    OffsetRange,
    Origin,
    Provenance,
    Record,
    Solution,
    SuggestedFix,
    TrainingBatch,
    TrainingExample,
    TriagedError,
)

Check = Callable[[Any, str], None]
"""Checks a value; the second argument is where it stands, as `TriagedError.event.service`."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ED25519_SIGNATURE_BYTES = 64
_MAX_LONG = 2**63 - 1


def validate(record: Record) -> None:
    """Checks a record against its rules.

    Raises:
        InvalidRecord: A rule is broken; the message names the field.
        TooLarge: A text or a list is over its limit.
    """
    _record(type(record))(record, type(record).__name__)


def _refuse_unless(holds: bool, where: str, rule: str) -> None:
    if not holds:
        raise InvalidRecord(f"{where} {rule}")


def _text(max_chars: int, *, min_chars: int = 0) -> Check:
    def check(value: Any, where: str) -> None:
        _refuse_unless(isinstance(value, str), where, "is not a text")
        _refuse_unless(len(value) >= min_chars, where, "is empty")
        if len(value) > max_chars:
            raise TooLarge(f"{where} has {len(value)} characters; the limit is {max_chars}")

    return check


def _or_none(check: Check) -> Check:
    def checked(value: Any, where: str) -> None:
        if value is not None:
            check(value, where)

    return checked


def _time(value: Any, where: str) -> None:
    _refuse_unless(isinstance(value, datetime), where, "is not a time")
    _refuse_unless(value.tzinfo is not None, where, "has no time zone")


def _flag(value: Any, where: str) -> None:
    _refuse_unless(isinstance(value, bool), where, "is neither true nor false")


def _whole(minimum: int) -> Check:
    def check(value: Any, where: str) -> None:
        _refuse_unless(isinstance(value, int), where, "is not a whole number")
        _refuse_unless(minimum <= value <= _MAX_LONG, where, f"is below {minimum} or too large")

    return check


def _number(minimum: float = -math.inf, maximum: float = math.inf) -> Check:
    def check(value: Any, where: str) -> None:
        _refuse_unless(isinstance(value, int | float), where, "is not a number")
        _refuse_unless(math.isfinite(value), where, "is not finite")
        _refuse_unless(minimum <= value <= maximum, where, f"is not in {minimum}..{maximum}")

    return check


def _symbol(symbols: type[StrEnum]) -> Check:
    known = frozenset(str(symbol) for symbol in symbols)

    def check(value: Any, where: str) -> None:
        is_known = isinstance(value, str) and value in known
        _refuse_unless(is_known, where, f"is not one of {', '.join(symbols)}")

    return check


def _bytes(num_bytes: int) -> Check:
    def check(value: Any, where: str) -> None:
        is_right = isinstance(value, bytes) and len(value) == num_bytes
        _refuse_unless(is_right, where, f"is not {num_bytes} bytes")

    return check


def _label(values: type[StrEnum]) -> Check:
    def check(value: Any, where: str) -> None:
        _record(Label)(value, where)
        _symbol(values)(value.value, f"{where}.value")

    return check


def _each(check: Check, max_items: int) -> Check:
    def check_all(items: Any, where: str) -> None:
        if len(items) > max_items:
            raise TooLarge(f"{where} has {len(items)} items; the limit is {max_items}")
        for index, item in enumerate(items):
            check(item, f"{where}[{index}]")

    return check_all


def _mapping(check: Check) -> Check:
    def check_all(mapping: Any, where: str) -> None:
        _refuse_unless(isinstance(mapping, Mapping), where, "is not a mapping")
        _each(_ID, limits.MAX_ATTRIBUTES)(list(mapping), f"{where} key")
        for index, value in enumerate(mapping.values()):
            check(value, f"{where} value [{index}]")

    return check_all


def _record(record_type: type) -> Check:
    def check(record: Any, where: str) -> None:
        _refuse_unless(type(record) is record_type, where, f"is not a {record_type.__name__}")
        for name, rule in _RULES[record_type].items():
            rule(getattr(record, name), f"{where}.{name}")
        whole_rule = _WHOLE_RULES.get(record_type)
        if whole_rule is not None:
            whole_rule(record, where)

    return check


def _range(record: OffsetRange, where: str) -> None:
    _refuse_unless(record.first_offset < record.next_offset, where, "is empty or runs backwards")


def _batch_adds_up(batch: TrainingBatch, where: str) -> None:
    """Every offset of the range is an example, collapsed into one, or dead-lettered."""
    origin = batch.origin
    num_accounted = len(batch.examples) + batch.num_collapsed + batch.num_dead_lettered
    _refuse_unless(
        origin.next_offset - origin.first_offset == num_accounted,
        where,
        "does not account for every offset of its range",
    )
    _refuse_unless(
        sum(example.occurrences for example in batch.examples)
        == len(batch.examples) + batch.num_collapsed,
        where,
        "has occurrences that do not add up to its events",
    )
    for index, example in enumerate(batch.examples):
        _refuse_unless(
            example.origin_offset == -1
            or origin.first_offset <= example.origin_offset < origin.next_offset,
            f"{where}.examples[{index}].origin_offset",
            "is outside the range",
        )


def _update_is_newer(update: ModelUpdate, where: str) -> None:
    is_newer = update.parent is None or update.parent < update.version
    _refuse_unless(is_newer, f"{where}.parent", "is not below the version")
    _refuse_unless(
        _SHA256.fullmatch(update.manifest_sha256) is not None,
        f"{where}.manifest_sha256",
        "is not 64 hex digits",
    )


_ID = _text(limits.MAX_ID_CHARS, min_chars=1)
_OPTIONAL_ID = _or_none(_ID)
_TITLE = _text(limits.MAX_TITLE_CHARS, min_chars=1)
_OPTIONAL_TITLE = _or_none(_TITLE)
_VERSION_OR_EMPTY = _text(limits.MAX_ID_CHARS)
_TEXT = _text(limits.MAX_TEXT_CHARS)
_OPTIONAL_TRACE = _or_none(_text(limits.MAX_TRACE_CHARS))
_LABELS: dict[str, Check] = {
    "domain": _label(Domain),
    "severity": _label(Severity),
    "category": _label(Category),
}

_RULES: dict[type, dict[str, Check]] = {
    Label: {"value": _ID, "source": _symbol(LabelSource), "confidence": _number(0.0, 1.0)},
    Labels: _LABELS,
    Provenance: {
        "url": _text(limits.MAX_ADDRESS_CHARS),
        "author": _or_none(_VERSION_OR_EMPTY),
        "license": _or_none(_VERSION_OR_EMPTY),
        "retrieved_at": _or_none(_time),
    },
    Origin: {"topic": _ID, "partition": _whole(0), "offset": _whole(0)},
    OffsetRange: {
        "topic": _ID,
        "partition": _whole(0),
        "first_offset": _whole(0),
        "next_offset": _whole(0),
    },
    ErrorEvent: {
        "event_id": _ID,
        "occurred_at": _time,
        "service": _ID,
        "environment": _ID,
        "release": _OPTIONAL_ID,
        "source": _symbol(EventSource),
        "error_type": _OPTIONAL_TITLE,
        "message": _TEXT,
        "stack_trace": _OPTIONAL_TRACE,
        "language": _OPTIONAL_ID,
        "severity_hint": _OPTIONAL_ID,
        "domain_hint": _OPTIONAL_ID,
        "trace_id": _OPTIONAL_ID,
        "span_id": _OPTIONAL_ID,
        "correlation_id": _OPTIONAL_ID,
        "attributes": _mapping(_text(limits.MAX_ATTRIBUTE_CHARS)),
        "provenance": _or_none(_record(Provenance)),
        "scrubber": _VERSION_OR_EMPTY,
        "sdk": _VERSION_OR_EMPTY,
    },
    TriagedError: {
        "event": _record(ErrorEvent),
        "fingerprint": _ID,
        "title": _TITLE,
        **_LABELS,
        "is_new_group": _flag,
        "occurrences": _whole(1),
        "origin": _record(Origin),
        "triaged_at": _time,
        "triage_version": _ID,
    },
    TrainingExample: {
        "event_id": _ID,
        "fingerprint": _ID,
        "error_type": _OPTIONAL_TITLE,
        "message": _TEXT,
        "stack_trace": _OPTIONAL_TRACE,
        "language": _OPTIONAL_ID,
        "labels": _record(Labels),
        "weight": _number(0.0),
        "occurrences": _whole(1),
        "solution_id": _OPTIONAL_ID,
        "origin_offset": _whole(-1),
    },
    TrainingBatch: {
        "batch_id": _ID,
        "origin": _record(OffsetRange),
        "closed_by": _symbol(ClosedBy),
        "created_at": _time,
        "examples": _each(_record(TrainingExample), limits.MAX_EXAMPLES),
        "num_collapsed": _whole(0),
        "num_dead_lettered": _whole(0),
    },
    ModelUpdate: {
        "model": _ID,
        "version": _whole(1),
        "parent": _or_none(_whole(0)),
        "kind": _symbol(UpdateKind),
        "artifact_uri": _text(limits.MAX_ADDRESS_CHARS, min_chars=1),
        "manifest_sha256": _ID,
        "size_bytes": _whole(0),
        "metrics": _mapping(_number()),
        "lineage": _each(_record(OffsetRange), limits.MAX_EXAMPLES),
        "examples_seen": _whole(0),
        "created_at": _time,
        "key_id": _ID,
        "signature": _bytes(_ED25519_SIGNATURE_BYTES),
        "reason": _or_none(_TEXT),
    },
    Fix: {
        "solution_id": _ID,
        "title": _TITLE,
        "text": _TEXT,
        "score": _number(),
        "origin": _symbol(FixOrigin),
        "provenance": _record(Provenance),
        "matched_on": _each(_text(limits.MAX_TITLE_CHARS), limits.MAX_ATTRIBUTES),
    },
    SuggestedFix: {
        "suggestion_id": _ID,
        "event_id": _ID,
        "fingerprint": _ID,
        "service": _ID,
        "environment": _ID,
        "trace_id": _OPTIONAL_ID,
        "model_version": _whole(0),
        "created_at": _time,
        **_LABELS,
        "fixes": _each(_record(Fix), limits.MAX_FIXES),
    },
    FixFeedback: {
        "feedback_id": _ID,
        "error_id": _ID,
        "solution_id": _OPTIONAL_ID,
        "solution_worked": _flag,
        "comment": _or_none(_TEXT),
        "submitted_at": _time,
        "submitter": _ID,
    },
    Solution: {
        "solution_id": _ID,
        "title": _TITLE,
        "text": _TEXT,
        "error_type": _OPTIONAL_TITLE,
        "domain": _or_none(_symbol(Domain)),
        "category": _or_none(_symbol(Category)),
        "fingerprint": _OPTIONAL_ID,
        "provenance": _record(Provenance),
        "votes": _or_none(_whole(-_MAX_LONG)),
        "is_accepted": _flag,
        "visibility": _ID,
        "created_at": _time,
    },
}

_WHOLE_RULES: dict[type, Callable[[Any, str], None]] = {
    OffsetRange: _range,
    TrainingBatch: _batch_adds_up,
    ModelUpdate: _update_is_newer,
}
