"""History files and files of solutions: what is right comes through, what is wrong is named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.producers.history import (
    CATEGORY_HINT,
    HistoryRecord,
    history_records,
    read_history,
    record_from,
)
from fixstream.producers.json_lines import BadLine, read_json_lines
from fixstream.producers.solutions_import import read_solutions
from fixstream.schemas.errors import DeadLetter, Misconfigured
from fixstream.schemas.records import Solution
from support.history_lines import FULL, SPARSE, write

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("name", ["history.jsonl", "history.jsonl.gz"])
def test_records_come_in_order_with_labels_as_hints(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, FULL, "", SPARSE)
    full, sparse = history_records(path, undated_as=NOW)

    assert full.event.severity_hint == "high"
    assert full.event.domain_hint == "cloud"
    assert full.event.attributes == {CATEGORY_HINT: "quota"}
    assert full.event.source == "import"
    assert full.event.occurred_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert full.resolved_at == datetime(2026, 1, 2, 23, tzinfo=UTC)
    assert full.duplicate_of == "shop-0"
    assert full.solution is not None
    assert full.solution.text == "restart"
    assert sparse.event.occurred_at == NOW
    assert (sparse.line_number, sparse.labels.severity, sparse.solution) == (3, None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "a list where an object belongs"),
        ("[" * 100_000, "nested too deeply"),
        ({**SPARSE, "message": None}, "message is missing"),
        ({**SPARSE, "message": "  "}, "message is missing"),
        ({**SPARSE, "service": 7}, "service is a int, not a string"),
        ({**SPARSE, "occurred_at": "yesterday"}, "occurred_at is no ISO 8601 time"),
        ({**SPARSE, "labels": {"severity": "awful"}}, "severity is none of low, medium"),
        ({**SPARSE, "labels": []}, "labels is a list, not an object"),
        ({**SPARSE, "solution": {"text": "x"}}, "solution_id is missing"),
        ({**SPARSE, "event_id": "x" * 5000}, "ErrorEvent.event_id has 5000 characters"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(
    tmp_path: Path, line: object, reason: str
) -> None:
    path = write(tmp_path / "history.jsonl", FULL, line, SPARSE)
    first, bad, last = read_history(path, undated_as=NOW)

    assert isinstance(bad, BadLine)
    assert bad.line_number == 2
    assert reason in str(bad)
    assert isinstance(first, HistoryRecord)
    assert isinstance(last, HistoryRecord)
    with pytest.raises(BadLine, match="line 2"):
        list(history_records(path, undated_as=NOW))


def test_a_gzip_file_that_breaks_off_tells_so_at_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "history.jsonl.gz", *[{**SPARSE, "x": str(n)} for n in range(2000)])
    path.write_bytes(path.read_bytes()[:-200])
    *good, last = read_history(path, undated_as=NOW)

    assert good
    assert isinstance(last, BadLine)
    assert "gzip data is damaged" in str(last)


def test_bytes_that_are_no_text_and_lines_without_end_are_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"\xff\xfe\n" + b"x" * (9 * 1024 * 1024) + b"\n" + b'{"a": 1}\n')
    binary, endless, good = read_json_lines(path)

    assert "not UTF-8" in str(binary.content)
    assert "longer than" in str(endless.content)
    assert (good.line_number, good.content) == (3, {"a": 1})


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "nothing"
    make(path)

    with pytest.raises(Misconfigured, match="nothing: "):
        list(read_history(path, undated_as=NOW))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(changes=st.dictionaries(st.sampled_from(sorted(FULL)), JSON))
def test_no_content_breaks_the_reader(changes: dict[str, Any]) -> None:
    try:
        record = record_from({**FULL, **changes}, 1, NOW)
    except DeadLetter:
        return
    assert record.event.event_id


def test_solutions_get_an_id_that_a_second_import_repeats(tmp_path: Path) -> None:
    fix = {"title": "Open the port", "text": "Allow 443.", "url": "https://example.org/1"}
    path = write(tmp_path / "fixes.jsonl", fix, {**fix, "solution_id": "own", "votes": 3})
    first, second = read_solutions(path, created_at=NOW)
    again = next(read_solutions(path, created_at=NOW))

    assert isinstance(first, Solution)
    assert isinstance(second, Solution)
    assert first == again
    assert len(first.solution_id) == 32
    assert (second.solution_id, second.votes) == ("own", 3)
    assert first.provenance.url == "https://example.org/1"
    assert (first.visibility, first.created_at) == ("public", NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": ""}, "title is missing"),
        ({"domain": "kitchen"}, "domain is none of cloud"),
        ({"votes": "3"}, "votes is a str"),
        ({"is_accepted": 1}, "is_accepted is a int"),
        ({"text": "x" * 40_000}, "Solution.text has 40000 characters"),
    ],
)
def test_a_bad_solution_is_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = write(tmp_path / "fixes.jsonl", {"title": "t", "text": "x", **change})
    (bad,) = read_solutions(path, created_at=NOW)

    assert isinstance(bad, BadLine)
    assert reason in str(bad)
