"""Groups: new once, counted once, bounded, and readable again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas.errors import Undecodable
from fixstream.streams.groups import Groups, GroupState, Sighting, decode_state
from support.streams import START

TTL = timedelta(days=1)


def test_new_once_and_counted() -> None:
    groups = Groups(10, TTL)
    assert groups.see("f", 5, START) == Sighting(is_new_group=True, occurrences=1)
    assert groups.see("f", 9, START) == Sighting(is_new_group=False, occurrences=2)
    assert groups.look("f") == Sighting(is_new_group=False, occurrences=2)


def test_an_offset_that_was_counted_is_not_counted_again_but_stays_the_new_one() -> None:
    groups = Groups(10, TTL)
    groups.see("f", 5, START)
    groups.see("f", 6, START)
    assert groups.see("f", 5, START) == Sighting(is_new_group=True, occurrences=2)
    assert groups.see("f", 6, START) == Sighting(is_new_group=False, occurrences=2)


def test_a_group_that_went_quiet_is_new_again_and_a_clock_that_jumps_back_changes_nothing() -> None:
    groups = Groups(10, TTL)
    groups.see("f", 1, START)
    assert not groups.see("f", 2, START - timedelta(days=400)).is_new_group
    assert not groups.see("f", 3, START + TTL).is_new_group
    assert groups.see("f", 4, START + 3 * TTL) == Sighting(is_new_group=True, occurrences=1)


@given(st.lists(st.integers(0, 30)), st.integers(1, 10))
def test_never_more_than_its_bound_and_the_least_recent_go_first(
    names: list[int], bound: int
) -> None:
    groups = Groups(bound, TTL)
    for offset, name in enumerate(names):
        groups.see(str(name), offset, START)
        assert len(groups) <= bound
    recent = list(dict.fromkeys(reversed(names)))[:bound]
    assert len(groups.changed()) == len(recent)
    assert {state.fingerprint for state in groups.changed()} == {str(name) for name in recent}


def test_changed_until_written() -> None:
    groups = Groups(10, TTL)
    groups.see("f", 1, START)
    assert groups.changed() == groups.changed() != ()
    groups.written()
    assert groups.changed() == ()


def test_states_round_trip_and_restore() -> None:
    state = GroupState("f", 3, 1, 7, START)
    assert decode_state("f", state.encode()) == state
    groups = Groups(10, TTL)
    groups.restore([state])
    assert groups.see("f", 8, START) == Sighting(is_new_group=False, occurrences=4)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"format":2}', b"\xff"])
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Undecodable):
        decode_state("f", data)
