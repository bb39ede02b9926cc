"""Which dead letters a filter means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fixstream.streams.replay import DeadLetterFilter
from support.streams import LETTER, START


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (DeadLetterFilter(), True),
        (DeadLetterFilter(error_class="invalid"), True),
        (DeadLetterFilter(error_class="failed"), False),
        (DeadLetterFilter(origin_partition=2), True),
        (DeadLetterFilter(origin_partition=0), False),
        (DeadLetterFilter(since=START), True),
        (DeadLetterFilter(since=START + timedelta(seconds=1)), False),
        (DeadLetterFilter(until=START), False),
        (DeadLetterFilter(until=START + timedelta(seconds=1)), True),
        (DeadLetterFilter(reason_contains="service"), True),
        (DeadLetterFilter(reason_contains="environment"), False),
        (DeadLetterFilter(key=b"k", error_class="invalid"), True),
        (DeadLetterFilter(key=b"other"), False),
    ],
)
def test_filters(wanted: DeadLetterFilter, matches: bool) -> None:
    assert wanted.matches(LETTER) is matches


def test_a_letter_without_a_time_is_in_no_period() -> None:
    assert not DeadLetterFilter(since=START).matches(replace(LETTER, stored_at=None))
