"""Waiting in tests: poll until a deadline, never sleep for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.02


def eventually(check: Callable[[], T], timeout_s: float = 10.0) -> T:
    """Calls `check` until it returns something true without an AssertionError; returns that.

    Raises:
        AssertionError: The last failure, or "still <value>", when the time has run out.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        failure: AssertionError
        try:
            value = check()
            if value:
                return value
            failure = AssertionError(f"still {value!r} after {timeout_s} s")
        except AssertionError as error:
            failure = error
        if time.monotonic() >= deadline:
            raise failure
        time.sleep(_POLL_S)
