"""The tests' own tools can fail: a thread left behind is seen, a deadline ends."""

from __future__ import annotations

import threading

import pytest

from support.deadlines import eventually
from support.threads import left_behind, living_threads


def test_a_thread_that_goes_on_is_seen_and_one_that_ends_is_not() -> None:
    before = living_threads()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="forgotten")
    thread.start()
    assert [left.name for left in left_behind(before, timeout_s=0)] == ["forgotten"]
    stop.set()
    assert left_behind(before, timeout_s=10) == set()


def test_eventually_returns_the_first_true_value() -> None:
    values = iter([0, "", "third"])
    assert eventually(lambda: next(values)) == "third"


def test_eventually_gives_up_with_the_last_failure() -> None:
    def check() -> bool:
        raise AssertionError("not yet")

    with pytest.raises(AssertionError, match="not yet"):
        eventually(check, timeout_s=0)
    with pytest.raises(AssertionError, match="still 0"):
        eventually(lambda: 0, timeout_s=0)
