"""The rules of the records beyond their types: ranges, limits, zones, sums.

It says no and names the field; it never repairs, and its messages never quote a value. What is
already guaranteed by Avro on reading is checked all the same, so that a producer hears of its
mistake before it sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any

from fixstream.schemas import checks, limits
from fixstream.schemas.checks import Check
from fixstream.schemas.enums import (
    Category,
    CauseBasis,
    ClosedBy,
    Domain,
    EventSource,
    FixOrigin,
    LabelSource,
    Severity,
    UpdateKind,
)
from fixstream.schemas.records import (
    CauseEdge,
    ErrorEvent,
    Fix,
    FixFeedback,
    GroupLabels,
    Label,
    Labels,
    ModelUpdate,
    Occurrence,
    Occurrences,
    OffsetRange,
    Origin,
    Provenance,
    Record,
    RootCause,
    Solution,
    SuggestedFix,
    TrainingBatch,
    TrainingExample,
    TriagedError,
)

_Field = tuple[str, Check]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ED25519_SIGNATURE_BYTES = 64


def validate(record: Record) -> None:
    """Checks a record against its rules.

    Raises:
        InvalidRecord: A rule is broken; the message names the field.
        TooLarge: A text or a list is over its limit.
    """
    record_type: type = type(record)
    _record(record_type)(record, record_type.__name__)


def quick_check(record_type: type, names: Sequence[str]) -> Callable[[Sequence[Any]], bool]:
    """What tells at a glance that values for these fields of a record are fine.

    False means nothing: then `validate` looks closely.
    """
    all_fit = tuple(_RULES[record_type][name].fits for name in names)

    def check(values: Sequence[Any]) -> bool:
        return all(fits(value) for fits, value in zip(all_fit, values, strict=True))

    return check


def _label(values: type[StrEnum]) -> Check:
    def check(value: Any, where: str) -> None:
        _record(Label)(value, where)
        checks.symbol(values)(value.value, f"{where}.value")

    return Check(check)


@cache
def _record(record_type: type) -> Check:
    def check(record: Any, where: str) -> None:
        checks.refuse_unless(type(record) is record_type, where, f"is not a {record_type.__name__}")
        values_of, rules = _fields(record_type)
        for (name, rule), value in zip(rules, values_of(record), strict=True):
            if not rule.fits(value):
                rule.refuse(value, f"{where}.{name}")
        whole_rule = _WHOLE_RULES.get(record_type)
        if whole_rule is not None:
            whole_rule(record, where)

    return Check(check)


@cache
def _fields(record_type: type) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[_Field, ...]]:
    """What gives the values of a record's fields, and the names and rules to go with them."""
    rules = _RULES[record_type]
    return attrgetter(*rules), tuple(rules.items())


def _range(record: OffsetRange, where: str) -> None:
    checks.refuse_unless(
        record.first_offset < record.next_offset, where, "is empty or runs backwards"
    )


def _batch_adds_up(batch: TrainingBatch, where: str) -> None:
    """Every offset of the range is an example, collapsed into one, or dead-lettered."""
    origin = batch.origin
    num_accounted = len(batch.examples) + batch.num_collapsed + batch.num_dead_lettered
    checks.refuse_unless(
        origin.next_offset - origin.first_offset == num_accounted,
        where,
        "does not account for every offset of its range",
    )
    checks.refuse_unless(
        sum(example.occurrences for example in batch.examples)
        == len(batch.examples) + batch.num_collapsed,
        where,
        "has occurrences that do not add up to its events",
    )
    for index, example in enumerate(batch.examples):
        checks.refuse_unless(
            example.origin_offset == -1
            or origin.first_offset <= example.origin_offset < origin.next_offset,
            f"{where}.examples[{index}].origin_offset",
            "is outside the range",
        )


def _update_is_newer(update: ModelUpdate, where: str) -> None:
    is_newer = update.parent is None or update.parent < update.version
    checks.refuse_unless(is_newer, f"{where}.parent", "is not below the version")
    checks.refuse_unless(
        _SHA256.fullmatch(update.manifest_sha256) is not None,
        f"{where}.manifest_sha256",
        "is not 64 hex digits",
    )


_ID = checks.text(limits.MAX_ID_CHARS, min_chars=1)
_OPTIONAL_ID = checks.or_none(_ID)
_TITLE = checks.text(limits.MAX_TITLE_CHARS, min_chars=1)
_OPTIONAL_TITLE = checks.or_none(_TITLE)
_VERSION_OR_EMPTY = checks.text(limits.MAX_ID_CHARS)
_PARTITION = checks.whole(0, checks.MAX_INT)
_TEXT = checks.text(limits.MAX_TEXT_CHARS)
_OPTIONAL_TRACE = checks.or_none(checks.text(limits.MAX_TRACE_CHARS))
_LABELS: dict[str, Check] = {
    "domain": _label(Domain),
    "severity": _label(Severity),
    "category": _label(Category),
}

_RULES: dict[type, dict[str, Check]] = {
    Label: {
        "value": _ID,
        "source": checks.symbol(LabelSource),
        "confidence": checks.number(0.0, 1.0),
    },
    Labels: _LABELS,
    Provenance: {
        "url": checks.text(limits.MAX_ADDRESS_CHARS),
        "author": checks.or_none(_VERSION_OR_EMPTY),
        "license": checks.or_none(_VERSION_OR_EMPTY),
        "retrieved_at": checks.or_none(checks.time),
    },
    Origin: {"topic": _ID, "partition": _PARTITION, "offset": checks.whole(0)},
    OffsetRange: {
        "topic": _ID,
        "partition": _PARTITION,
        "first_offset": checks.whole(0),
        "next_offset": checks.whole(0),
    },
    ErrorEvent: {
        "event_id": _ID,
        "occurred_at": checks.time,
        "service": _ID,
        "environment": _ID,
        "release": _OPTIONAL_ID,
        "source": checks.symbol(EventSource),
        "error_type": _OPTIONAL_TITLE,
        "message": _TEXT,
        "stack_trace": _OPTIONAL_TRACE,
        "language": _OPTIONAL_ID,
        "severity_hint": _OPTIONAL_ID,
        "domain_hint": _OPTIONAL_ID,
        "trace_id": _OPTIONAL_ID,
        "span_id": _OPTIONAL_ID,
        "correlation_id": _OPTIONAL_ID,
        "attributes": checks.mapping(_ID, checks.text(limits.MAX_ATTRIBUTE_CHARS)),
        "provenance": checks.or_none(_record(Provenance)),
        "scrubber": _VERSION_OR_EMPTY,
        "sdk": _VERSION_OR_EMPTY,
    },
    TriagedError: {
        "event": _record(ErrorEvent),
        "fingerprint": _ID,
        "title": _TITLE,
        **_LABELS,
        "is_new_group": checks.flag,
        "occurrences": checks.whole(1),
        "origin": _record(Origin),
        "triaged_at": checks.time,
        "triage_version": _ID,
        "root_cause": checks.or_none(_record(RootCause)),
        "own_fingerprint": _OPTIONAL_ID,
    },
    RootCause: {
        "fingerprint": _ID,
        "event_id": _ID,
        "service": _ID,
        "basis": checks.symbol(CauseBasis),
        "seconds_before": checks.number(),
        "confidence": checks.number(0.0, 1.0),
    },
    TrainingExample: {
        "event_id": _ID,
        "fingerprint": _ID,
        "error_type": _OPTIONAL_TITLE,
        "message": _TEXT,
        "stack_trace": _OPTIONAL_TRACE,
        "language": _OPTIONAL_ID,
        "labels": _record(Labels),
        "weight": checks.number(0.0),
        "occurrences": checks.whole(1),
        "solution_id": _OPTIONAL_ID,
        "origin_offset": checks.whole(-1),
        "service": _OPTIONAL_ID,
        "source": _OPTIONAL_ID,
        "train_after": checks.or_none(checks.time),
    },
    TrainingBatch: {
        "batch_id": _ID,
        "origin": _record(OffsetRange),
        "closed_by": checks.symbol(ClosedBy),
        "created_at": checks.time,
        "examples": checks.each(_record(TrainingExample), limits.MAX_EXAMPLES),
        "num_collapsed": checks.whole(0),
        "num_dead_lettered": checks.whole(0),
    },
    ModelUpdate: {
        "model": _ID,
        "version": checks.whole(1),
        "parent": checks.or_none(checks.whole(0)),
        "kind": checks.symbol(UpdateKind),
        "artifact_uri": checks.text(limits.MAX_ADDRESS_CHARS, min_chars=1),
        "manifest_sha256": _ID,
        "size_bytes": checks.whole(0),
        "metrics": checks.mapping(_ID, checks.number()),
        "lineage": checks.each(_record(OffsetRange), limits.MAX_EXAMPLES),
        "examples_seen": checks.whole(0),
        "created_at": checks.time,
        "key_id": _ID,
        "signature": checks.exact_bytes(_ED25519_SIGNATURE_BYTES),
        "reason": checks.or_none(_TEXT),
        "blocked": checks.each(_record(OffsetRange), limits.MAX_EXAMPLES),
    },
    Fix: {
        "solution_id": _ID,
        "title": _TITLE,
        "text": _TEXT,
        "score": checks.number(),
        "origin": checks.symbol(FixOrigin),
        "provenance": _record(Provenance),
        "matched_on": checks.each(checks.text(limits.MAX_TITLE_CHARS), limits.MAX_ATTRIBUTES),
        "warnings": checks.each(checks.text(limits.MAX_TITLE_CHARS), limits.MAX_ATTRIBUTES),
    },
    SuggestedFix: {
        "suggestion_id": _ID,
        "event_id": _ID,
        "fingerprint": _ID,
        "service": _ID,
        "environment": _ID,
        "trace_id": _OPTIONAL_ID,
        "model_version": checks.whole(0),
        "created_at": checks.time,
        **_LABELS,
        "fixes": checks.each(_record(Fix), limits.MAX_FIXES),
        "arm": _OPTIONAL_ID,
        "propensity": checks.or_none(checks.number(0, 1)),
    },
    FixFeedback: {
        "feedback_id": _ID,
        "error_id": _ID,
        "solution_id": _OPTIONAL_ID,
        "solution_worked": checks.flag,
        "comment": checks.or_none(_TEXT),
        "submitted_at": checks.time,
        "submitter": _ID,
        "fingerprint": _OPTIONAL_ID,
        "error_text": checks.or_none(_TEXT),
        "fix_text": checks.or_none(_TEXT),
        "model_version": checks.or_none(checks.whole(0)),
    },
    Solution: {
        "solution_id": _ID,
        "title": _TITLE,
        "text": _TEXT,
        "error_type": _OPTIONAL_TITLE,
        "domain": checks.or_none(checks.symbol(Domain)),
        "category": checks.or_none(checks.symbol(Category)),
        "fingerprint": _OPTIONAL_ID,
        "provenance": _record(Provenance),
        "votes": checks.or_none(checks.whole(-checks.MAX_LONG)),
        "is_accepted": checks.flag,
        "visibility": _ID,
        "created_at": checks.time,
        "usable_after": checks.or_none(checks.time),
    },
    GroupLabels: {
        "fingerprint": _ID,
        **{name: checks.or_none(check) for name, check in _LABELS.items()},
        "submitter": _ID,
        "set_at": checks.time,
    },
    CauseEdge: {
        "cause": _ID,
        "effect": _ID,
        "cause_service": _ID,
        "effect_service": _ID,
        "count": checks.whole(0),
        "last_seen_at": checks.time,
        "num_nearby": checks.whole(0),
        "last_offset": checks.whole(-1),
    },
    Occurrence: {
        "event_id": _ID,
        "fingerprint": _ID,
        "service": _ID,
        "occurred_at": checks.time,
        "trace_id": _OPTIONAL_ID,
        "is_onset": checks.flag,
    },
    Occurrences: {
        "worker": _ID,
        "occurrences": checks.each(_record(Occurrence), limits.MAX_EXAMPLES),
    },
}

_WHOLE_RULES: dict[type, Callable[[Any, str], None]] = {
    OffsetRange: _range,
    TrainingBatch: _batch_adds_up,
    ModelUpdate: _update_is_newer,
}
