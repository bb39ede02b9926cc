"""Groups whose wording differs are one; groups whose names differ never are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.fingerprint import Group, group_of
from fixstream.triage.normalise import normalise
from fixstream.triage.trace import parse_trace
from fixstream.triage.wording import plain_wording

SAME = [
    ("Could not connect to the broker", "could not connect to broker."),
    ("unable to open the settings", "Cannot open settings"),
    ("can't open settings", "Failed to open the settings:"),
    ("failure to renew the lease", "was not able to renew the lease"),
    ("The request timed out", "request timeout"),
    ("Request time-out while waiting", "the request timed out while waiting."),
    ("table orders does not exist", "Table orders was not found"),
    ("Table orders couldn't be found", "table orders doesn't exist"),
    ("the lease isn't held", "Lease is not held"),
    ("no space left while writing segments", "no space left while writing segment"),
    ("timeout waiting for an idle connection", "timed out waiting for idle connection"),
    ("Quota for tenant has been exceeded", "quota for tenant exceeded"),
]
DIFFERENT = [
    ("connection to orders-db refused", "connection to users-db refused"),
    ("column 'user_id' does not exist", "column 'email' does not exist"),
    ("could not open the settings", "could not save the settings"),
    ("lease is held", "lease is not held"),
    ("copy from disk failed", "copy to disk failed"),
    ("cannot reach orders before payments", "cannot reach payments before orders"),
    ("object 'A' is missing", "object 'The' is missing"),
    ("request timed out", "request cancelled"),
    ("access to bus denied", "access to bu denied"),
    ("no such host: DB", "no such host: db"),
]


def group(message: str, error_type: str | None = None, stack: str | None = None) -> Group:
    event = ErrorEvent(
        event_id="e", occurred_at=datetime(2026, 11, 30, tzinfo=UTC), service="shop", environment="prod",
        source=EventSource.REST, message=message, stack_trace=stack, error_type=error_type,
    )  # fmt: skip
    return group_of(event, parse_trace(stack) if stack else None)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_other_words_for_the_same_join_a_group(one: str, other: str) -> None:
    assert group(one).fingerprint == group(other).fingerprint
    assert group(one).own_fingerprint != group(other).own_fingerprint
    assert group(one, "E").fingerprint != group(one, "F").fingerprint


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_names_and_another_meaning_do_not(one: str, other: str) -> None:
    assert group(one).fingerprint != group(other).fingerprint


def test_a_plain_text_has_no_other_name() -> None:
    assert group("disk full").own_fingerprint is None


def test_the_words_of_a_library_are_plain_too_but_its_frames_are_not_touched() -> None:
    stack = (
        "Traceback (most recent call last):\n"
        '  File "/usr/lib/python3.11/socket.py", line 1, in Dials\n    x()\n'
        "OSError: {}"
    )
    one, other = (
        group("it broke", None, stack.format(text))
        for text in ("could not reach the host", "unable to reach host.")
    )
    assert one.fingerprint == other.fingerprint
    renamed = group("it broke", None, stack.format("unable to reach host").replace("Dials", "Dial"))
    assert renamed.fingerprint != other.fingerprint


@given(st.text(max_size=200) | st.lists(st.sampled_from(sum(SAME, ())), max_size=4).map(" ".join))
def test_twice_is_as_once_and_nothing_comes_out_empty(text: str) -> None:
    plain = plain_wording(normalise(text))
    assert plain_wording(plain) == plain
    assert bool(plain) == bool(normalise(text))
