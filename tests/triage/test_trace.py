"""Every language's trace is recognised and taken apart; prose is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixstream.triage.trace import parse_trace
from support.beside import load_beside

cases = load_beside(__file__, "trace_cases")
CASES = (
    *cases.CASES,
    *load_beside(__file__, "dynamic_trace_cases").CASES,
    *load_beside(__file__, "compiled_trace_cases").CASES,
)
UNUSUAL = load_beside(__file__, "unusual_traces")
TEXTS = {case.name: case.text for case in CASES}
LINES = [line for case in CASES for line in case.text.splitlines()]

NOT_PREFIXED = frozenset(("python in log lines", "python in json", "android log"))
"""Their lines have prefixes of their own, or are one."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trace_is_taken_apart(case: Any) -> None:
    trace = parse_trace(case.text)
    assert trace is not None
    assert trace.language == case.language
    assert tuple(exception.type for exception in trace.exceptions) == case.types
    assert trace.root.frames[0].function == case.root


@pytest.mark.parametrize("case", UNUSUAL.CASES, ids=lambda case: case.name)
def test_unusual_traces_are_taken_apart(case: Any) -> None:
    trace = parse_trace(case.text)
    assert trace is not None
    assert trace.language == case.language
    assert tuple(exception.type for exception in trace.exceptions) == case.types
    root = next(exception for exception in trace.exceptions if exception.frames)
    assert next(frame.function for frame in root.frames if frame.in_app) == case.function


@pytest.mark.parametrize("name", UNUSUAL.NO_TRACES)
def test_what_is_no_trace_we_know(name: str) -> None:
    assert parse_trace(UNUSUAL.NO_TRACES[name]) is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trace_is_found_behind_a_log_line(case: Any) -> None:
    trace = parse_trace(
        f"2026-11-22T10:00:00Z ERROR [worker-1] request failed\n{case.text}\nmore text"
    )
    assert trace is not None
    assert trace.language == case.language


@pytest.mark.parametrize(
    "prefix",
    ["2026-11-22T10:00:00.123456789Z stderr F ", "Nov 22 10:00:00 host-1 shop[99]: ", "shop_1  | "],
)
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.name not in NOT_PREFIXED],
    ids=lambda case: case.name,
)
def test_a_trace_is_found_behind_prefixes(case: Any, prefix: str) -> None:
    trace = parse_trace("".join(prefix + line for line in case.text.splitlines(keepends=True)))
    assert trace is not None
    assert trace.language == case.language
    assert trace.root.frames[0].function == case.root


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trace_is_found_indented_with_windows_line_ends(case: Any) -> None:
    trace = parse_trace(case.text.replace("\r", "").replace("\n", "\r\n"))
    assert trace is not None
    assert (trace.language, trace.root.frames[0].function) == (case.language, case.root)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name != "python in json"], ids=lambda case: case.name
)
def test_a_trace_is_found_written_out_in_json(case: Any) -> None:
    trace = parse_trace(json.dumps({"level": "error", "stack": case.text}))
    assert trace is not None
    assert trace.language == case.language


@pytest.mark.parametrize("text", cases.PROSE)
def test_prose_is_no_trace(text: str) -> None:
    assert parse_trace(text) is None


def test_own_frames_are_told_from_those_of_libraries() -> None:
    texts = {case.name: case.text for case in cases.CASES}
    expected = {
        "python chain": [True],
        "java causes": [False, True],
        "node": [True, True, False, False],
        "go nil": [True, True],
        "csharp": [False, True],
        "ruby": [True, True, False],
        "dart": [True, True, False],
    }
    for name, own in expected.items():
        trace = parse_trace(texts[name])
        assert trace is not None
        assert [frame.in_app for frame in trace.root.frames] == own, name


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=40),
            st.sampled_from(LINES),
        ),
        max_size=30,
    )
)
def test_no_mixture_of_lines_breaks_it(lines: list[str]) -> None:
    trace = parse_trace("\n".join(lines))
    assert trace is None or all(
        exception.frames or exception.type for exception in trace.exceptions
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "at ",
        "\tat a.b(",
        "#1 ",
        '  File "',
        "(",
        "\n",
        "    at x (",
        "goroutine ",
        "@",
        "\\n",
        "#0 0x1 in f<",
        "Caused by: ",
        "x:1:in `",
        "E   Error",
        "a.py:1: X",
        "\n 0# a",
        "\x1b[",
        "** (A",
        '{file,"',
        "{a,b,1,[",
        "[object] (A(code: 0): ",
        "Location:\n ",
        "    0: a::b\n",
        "x.go:1\n",
        "Wrapped by: ",
        "Traceback (most recent call last):",
        "  Suppressed: a\n",
        "Direct leak of ",
        "F0101 10:10:10 1 ",
        "closure #1 in ",
        "assertion failed at ",
        "The following A was thrown",
        "/a/b.ex:1: ",
    ],
)
def test_a_hostile_text_is_finished(unit: str) -> None:
    """Time that grew with the square of the length would run into the timeout."""
    parse_trace(unit * (1_000_000 // len(unit)))
