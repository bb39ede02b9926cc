"""Every language's trace is recognised and taken apart; prose is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixstream.triage.trace import parse_trace
from support.beside import load_beside

cases = load_beside(__file__, "trace_cases")


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_a_trace_is_taken_apart(case: Any) -> None:
    trace = parse_trace(case.text)
    assert trace is not None
    assert trace.language == case.language
    assert tuple(exception.type for exception in trace.exceptions) == case.types
    assert trace.root.frames[0].function == case.root


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
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
    [case for case in cases.CASES if "log" not in case.name and "json" not in case.name],
    ids=lambda case: case.name,
)
def test_a_trace_is_found_behind_prefixes(case: Any, prefix: str) -> None:
    trace = parse_trace("".join(prefix + line for line in case.text.splitlines(keepends=True)))
    assert trace is not None
    assert trace.language == case.language
    assert trace.root.frames[0].function == case.root


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
            st.sampled_from([line for case in cases.CASES for line in case.text.splitlines()]),
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
    ],
)
def test_a_hostile_text_is_finished(unit: str) -> None:
    """Time that grew with the square of the length would run into the timeout."""
    parse_trace(unit * (256_000 // len(unit)))
