"""What subscribers can see without decoding."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from fixstream.schemas.headers import message_headers
from fixstream.schemas.records import Record
from support.records import BATCH, EVENT, FEEDBACK, SAMPLES, SOLUTION, SUGGESTION, TRIAGED, UPDATE

NOW = datetime(2026, 3, 1, 14, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))


def headers(record: Record) -> dict[str, str]:
    pairs = message_headers(record, ce_source="fixstream/tests", now=NOW)
    assert len({name for name, _ in pairs}) == len(pairs)
    return {name: value.decode() for name, value in pairs}


@pytest.mark.parametrize(
    ("record", "ce_id"),
    [
        (EVENT, "e1"),
        (TRIAGED, "e1"),
        (BATCH, "b1"),
        (UPDATE, "error-learning/7"),
        (SUGGESTION, "g1"),
        (FEEDBACK, "k1"),
        (SOLUTION, "s1"),
    ],
)
def test_every_record_says_what_it_is(record: Record, ce_id: str) -> None:
    found = headers(record)
    assert found["ce_specversion"] == "1.0"
    assert found["ce_id"] == ce_id
    assert found["ce_type"] == f"fixstream.{type(record).__name__}"
    assert found["ce_source"] == "fixstream/tests"
    assert found["ce_time"] == "2026-03-01T12:00:00.000005Z"


@pytest.mark.parametrize("record", [EVENT, TRIAGED])
def test_the_trace_goes_on(record: Record) -> None:
    expected = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert headers(record)["traceparent"] == expected


@pytest.mark.parametrize(
    "ids",
    [
        {"trace_id": None},
        {"span_id": None},
        {"trace_id": "0" * 32},
        {"span_id": "0" * 16},
        {"trace_id": "xyz"},
        {"trace_id": "A" * 32},
        {"span_id": "b7ad6b7169203331\r\nx"},
    ],
)
def test_a_bad_trace_context_is_left_out(ids: dict[str, Any]) -> None:
    assert "traceparent" not in headers(replace(EVENT, **ids))


def test_a_suggestion_can_be_filtered_by_its_headers() -> None:
    found = headers(SUGGESTION)
    assert (found["service"], found["severity"], found["domain"]) == ("shop", "high", "network")


def test_no_other_record_has_filter_headers() -> None:
    for record in SAMPLES:
        assert ("service" in headers(record)) == (record is SUGGESTION)


def test_the_time_is_utc() -> None:
    assert headers(EVENT)["ce_time"].startswith(NOW.astimezone(UTC).strftime("%Y-%m-%dT%H:%M"))
