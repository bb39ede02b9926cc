"""Every rule says no, and names the field without quoting it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas import checks, limits
from fixstream.schemas.enums import Domain
from fixstream.schemas.errors import InvalidRecord, TooLarge
from fixstream.schemas.records import Label, OffsetRange, Origin, Record
from fixstream.schemas.validation import validate
from support.records import (
    BATCH,
    EVENT,
    FEEDBACK,
    PROVENANCE,
    SAMPLES,
    SEVERITY,
    SOLUTION,
    SUGGESTION,
    TRIAGED,
    UPDATE,
    any_record,
    name_of,
)

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001
NAN = float("nan")
FIRST = BATCH.examples[0]
FIX = SUGGESTION.fixes[0]


@pytest.mark.parametrize("record", SAMPLES, ids=name_of)
def test_the_samples_are_valid(record: Record) -> None:
    validate(record)


@given(any_record)
def test_what_the_strategies_make_is_valid(record: Record) -> None:
    validate(record)


def broken(record: Any, **changes: Any) -> Any:
    return replace(record, **changes)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (broken(EVENT, event_id=""), "ErrorEvent.event_id"),
        (broken(EVENT, service=""), "ErrorEvent.service"),
        (broken(EVENT, message=None), "ErrorEvent.message"),
        (broken(EVENT, message=7), "ErrorEvent.message"),
        (broken(EVENT, message="\ud83d"), "ErrorEvent.message cannot be written as UTF-8"),
        (broken(EVENT, occurred_at=NAIVE), "ErrorEvent.occurred_at"),
        (broken(EVENT, occurred_at="now"), "ErrorEvent.occurred_at"),
        (broken(EVENT, source="fax"), "ErrorEvent.source"),
        (broken(EVENT, attributes=None), "ErrorEvent.attributes"),
        (broken(EVENT, attributes={"": "x"}), r"ErrorEvent.attributes key\[0\]"),
        (broken(EVENT, attributes={"x": 1}), r"ErrorEvent.attributes value \[0\]"),
        (broken(EVENT, provenance="web"), "ErrorEvent.provenance"),
        (
            broken(EVENT, provenance=replace(PROVENANCE, retrieved_at=NAIVE)),
            "ErrorEvent.provenance.retrieved_at",
        ),
        (broken(TRIAGED, event=broken(EVENT, service="")), "TriagedError.event.service"),
        (broken(TRIAGED, severity=replace(SEVERITY, value="awful")), "TriagedError.severity.value"),
        (
            broken(TRIAGED, severity=replace(SEVERITY, confidence=1.01)),
            "TriagedError.severity.confidence",
        ),
        (
            broken(TRIAGED, severity=replace(SEVERITY, confidence=-0.01)),
            "TriagedError.severity.confidence",
        ),
        (
            broken(TRIAGED, severity=replace(SEVERITY, confidence=NAN)),
            "TriagedError.severity.confidence",
        ),
        (broken(TRIAGED, domain=Label("network", "fax", 1.0)), "TriagedError.domain.source"),  # type: ignore[arg-type]
        (broken(TRIAGED, occurrences=0), "TriagedError.occurrences"),
        (broken(TRIAGED, is_new_group=1), "TriagedError.is_new_group"),
        (broken(TRIAGED, origin=Origin("t", 0, -1)), "TriagedError.origin.offset"),
        (broken(TRIAGED, origin=Origin("t", 2**31, 0)), "TriagedError.origin.partition"),
        (broken(BATCH, num_collapsed=-1), "TrainingBatch.num_collapsed"),
        (broken(BATCH, examples=None), "TrainingBatch.examples is not a tuple"),
        (broken(BATCH, origin=OffsetRange("t", 2, 45, 45)), "TrainingBatch.origin is empty"),
        (broken(BATCH, origin=OffsetRange("t", 2, 39, 45)), "TrainingBatch does not account"),
        (broken(BATCH, num_dead_lettered=2), "TrainingBatch does not account"),
        (
            broken(BATCH, num_collapsed=1, num_dead_lettered=2),
            "TrainingBatch has occurrences that do not add up",
        ),
        (
            broken(BATCH, examples=(replace(FIRST, origin_offset=45), BATCH.examples[1])),
            r"TrainingBatch.examples\[0\].origin_offset",
        ),
        (
            broken(BATCH, examples=(BATCH.examples[0], replace(FIRST, weight=-1.0))),
            r"TrainingBatch.examples\[1\].weight",
        ),
        (broken(UPDATE, version=0), "ModelUpdate.version"),
        (broken(UPDATE, parent=7), "ModelUpdate.parent"),
        (broken(UPDATE, manifest_sha256="AB" * 32), "ModelUpdate.manifest_sha256"),
        (broken(UPDATE, signature=b""), "ModelUpdate.signature"),
        (broken(UPDATE, signature="x" * 64), "ModelUpdate.signature"),
        (broken(UPDATE, metrics={"loss": "low"}), r"ModelUpdate.metrics value \[0\]"),
        (broken(SUGGESTION, fixes=(replace(FIX, score=NAN),)), r"SuggestedFix.fixes\[0\].score"),
        (broken(FEEDBACK, solution_worked="yes"), "FixFeedback.solution_worked"),
        (broken(SOLUTION, domain="kitchen"), "Solution.domain"),
        (broken(SOLUTION, votes=1.5), "Solution.votes"),
        (broken(SOLUTION, visibility=""), "Solution.visibility"),
    ],
)
def test_a_broken_rule_names_its_field(record: Record, field: str) -> None:
    with pytest.raises(InvalidRecord, match=f"^{field}"):
        validate(record)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (broken(EVENT, service="s" * (limits.MAX_ID_CHARS + 1)), "ErrorEvent.service"),
        (broken(EVENT, message="m" * (limits.MAX_TEXT_CHARS + 1)), "ErrorEvent.message"),
        (broken(EVENT, stack_trace="t" * (limits.MAX_TRACE_CHARS + 1)), "ErrorEvent.stack_trace"),
        (
            broken(EVENT, attributes={str(n): "" for n in range(limits.MAX_ATTRIBUTES + 1)}),
            "ErrorEvent.attributes",
        ),
        (broken(SUGGESTION, fixes=(FIX,) * (limits.MAX_FIXES + 1)), "SuggestedFix.fixes"),
    ],
)
def test_what_is_over_its_limit_is_too_large(record: Record, field: str) -> None:
    with pytest.raises(TooLarge, match=f"^{field}.* has [0-9]+ .*; the limit is [0-9]+"):
        validate(record)


def test_limits_themselves_are_allowed() -> None:
    validate(broken(EVENT, message="m" * limits.MAX_TEXT_CHARS, service="s" * limits.MAX_ID_CHARS))


def test_a_refusal_does_not_quote_the_value() -> None:
    with pytest.raises(InvalidRecord) as refused:
        validate(broken(EVENT, source="hunter2"))
    assert "hunter2" not in str(refused.value)


RULES = {
    "text": checks.text(5, min_chars=1),
    "nullable text": checks.or_none(checks.text(5)),
    "time": checks.time,
    "symbol": checks.symbol(Domain),
    "mapping": checks.mapping(checks.text(3, min_chars=1), checks.text(3)),
    "flag": checks.flag,
    "number": checks.number(0.0, 1.0),
}
VALUES = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.sampled_from(["\ud800", Domain.CLOUD, "cloud", 1, True, 0.5, b"x"]),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.dictionaries(st.text(max_size=4), st.text(max_size=4) | st.integers()),
    st.just({str(number): "" for number in range(100)}),
)


@given(st.sampled_from(sorted(RULES)), VALUES)
def test_a_glance_never_passes_what_a_close_look_refuses(name: str, value: Any) -> None:
    rule = RULES[name]
    if rule.fits(value):
        rule.refuse(value, "here")
