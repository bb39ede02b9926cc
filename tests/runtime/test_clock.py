"""The two clocks keep the same promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from fixstream.runtime.clock import Clock, SettableClock, SystemClock


@pytest.mark.parametrize("clock", [SystemClock(), SettableClock()])
def test_a_clock_is_aware_and_does_not_go_back(clock: Clock) -> None:
    first, second = clock.monotonic(), clock.monotonic()
    assert first <= second
    assert clock.now().utcoffset() == timedelta(0)


def test_the_system_clock_tells_the_time() -> None:
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= datetime.now(UTC)


def test_a_settable_clock_moves_when_told() -> None:
    clock = SettableClock(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now() == clock.now() == datetime(2025, 12, 31, 23, tzinfo=UTC)
    clock.advance(1.5)
    assert clock.now() == datetime(2025, 12, 31, 23, 0, 1, 500_000, tzinfo=UTC)
    assert clock.monotonic() == 1.5


def test_setting_the_wall_clock_back_leaves_durations_alone() -> None:
    clock = SettableClock()
    clock.advance(2)
    clock.set(datetime(2020, 1, 1, tzinfo=UTC))
    assert clock.now().year == 2020
    assert clock.monotonic() == 2


def test_a_settable_clock_refuses_what_a_clock_cannot_do() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        SettableClock(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        SettableClock().set(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="does not go back"):
        SettableClock().advance(-1)
