"""The path that all hooks share: limits first, then capture, then the host's last word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.producers.capture import CaptureConfig
from fixstream.producers.drops import DropReason
from fixstream.producers.reporter import SUPPRESSED, ErrorReporter, ReporterConfig, Sighting
from fixstream.producers.settings import ProducerSettings
from fixstream.producers.sinks import MemorySink
from fixstream.producers.storm import StormConfig, StormLimiter
from fixstream.runtime.clock import SettableClock
from fixstream.runtime.settings import load_settings
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.validation import validate
from support import hostile

HERE = Sighting(source=EventSource.MIDDLEWARE)
CAPTURE = CaptureConfig(service="shop")


class Unserialisable(Exception):
    """Tells when somebody looks at it."""

    looked_at = 0

    def __str__(self) -> str:
        Unserialisable.looked_at += 1
        return "seen"


def make_reporter(clock: SettableClock | None = None, **changes: Any) -> ErrorReporter:
    uniform = changes.pop("uniform", lambda: 0.5)
    config = replace(ReporterConfig(capture=CAPTURE), **changes)
    return ErrorReporter(MemorySink(), config, clock=clock or SettableClock(), uniform=uniform)


def sink_of(reporter: ErrorReporter) -> MemorySink:
    assert isinstance(reporter.sink, MemorySink)
    return reporter.sink


def fail(number: int) -> BaseException:
    return hostile.raised(ValueError(f"number {number}"))


def test_a_storm_of_one_error_is_limited_before_anything_is_serialised() -> None:
    clock = SettableClock()
    reporter = make_reporter(clock, storm=StormConfig(burst=3, per_second=1.0))
    Unserialisable.looked_at = 0
    for _ in range(10):
        reporter.report_exception(Unserialisable(), HERE)

    sink = sink_of(reporter)
    looked_at_once = Unserialisable.looked_at // 3
    assert len(sink.events) == 3
    assert Unserialisable.looked_at == 3 * looked_at_once
    assert sink.counts().dropped == {DropReason.RATE_LIMITED: 7}

    clock.advance(1.0)
    reporter.report_exception(Unserialisable(), HERE)
    assert sink.events[-1].attributes[SUPPRESSED] == "7"


def test_a_storm_does_not_hide_other_errors() -> None:
    reporter = make_reporter(storm=StormConfig(burst=1, per_second=0.0))
    for number in range(5):
        reporter.report_exception(fail(number), HERE)
    reporter.report_exception(hostile.raised(KeyError("other")), HERE)

    assert [event.error_type for event in sink_of(reporter).events] == ["ValueError", "KeyError"]


def test_an_exception_that_passes_two_hooks_is_one_event() -> None:
    reporter = make_reporter()
    error = fail(1)

    assert reporter.report_exception(error, HERE) == reporter.report_exception(error, HERE)
    assert len(sink_of(reporter).events) == 1


def test_a_cached_exception_that_is_raised_again_later_is_another_event() -> None:
    clock = SettableClock()
    reporter = make_reporter(clock)
    error = fail(1)
    reporter.report_exception(error, HERE)
    clock.advance(10.0)
    reporter.report_exception(error, HERE)

    assert len(sink_of(reporter).events) == 2


def test_an_exception_that_cannot_be_marked_is_reported() -> None:
    reporter = make_reporter()

    assert reporter.report_exception(hostile.raised(hostile.CannotBeMarked("x")), HERE)


@pytest.mark.parametrize(
    "entry", [LookupError, "KeyError", "LookupError", "builtins.KeyError"], ids=str
)
def test_ignored_types_are_left_out_with_their_subclasses(entry: Any) -> None:
    reporter = make_reporter(ignore=(entry,))

    assert reporter.report_exception(hostile.raised(KeyError("x")), HERE) is None
    assert reporter.report_exception(fail(1), HERE) is not None
    assert sink_of(reporter).counts().dropped == {DropReason.IGNORED: 1}


def test_sampling_keeps_the_share_that_was_asked_for() -> None:
    draws = iter([0.1, 0.3, 0.29, 0.9])
    reporter = make_reporter(sample_rate=0.3, uniform=lambda: next(draws))
    for number in range(4):
        reporter.report_exception(fail(number), HERE)

    assert len(sink_of(reporter).events) == 2
    assert sink_of(reporter).counts().dropped == {DropReason.SAMPLED_OUT: 2}


def test_the_host_has_the_last_word() -> None:
    def before_send(event: ErrorEvent) -> ErrorEvent | None:
        return None if "1" in event.message else replace(event, environment="changed")

    reporter = make_reporter(before_send=before_send)
    reporter.report_exception(fail(1), HERE)
    reporter.report_exception(fail(2), HERE)

    assert [event.environment for event in sink_of(reporter).events] == ["changed"]
    assert sink_of(reporter).counts().dropped == {DropReason.BEFORE_SEND: 1}


def test_a_before_send_that_fails_costs_the_event_and_not_the_host(swallowed: list[str]) -> None:
    def before_send(event: ErrorEvent) -> ErrorEvent | None:
        raise RuntimeError("bug of the host")

    reporter = make_reporter(before_send=before_send)

    assert reporter.report_exception(fail(1), HERE) is None
    assert sink_of(reporter).counts().dropped == {DropReason.FAILED: 1}
    assert swallowed == ["capturing an exception: RuntimeError: bug of the host"]
    swallowed.clear()


@pytest.mark.parametrize("junk", [{"message": "x"}, "event", 1, True])
def test_a_before_send_that_returns_no_event_sends_nothing(junk: Any, swallowed: list[str]) -> None:
    reporter = make_reporter(before_send=lambda _: junk)

    assert reporter.report_exception(fail(1), HERE) is None
    assert not sink_of(reporter).events
    assert sink_of(reporter).counts().dropped == {DropReason.FAILED: 1}
    assert swallowed == [
        f"capturing an exception: TypeError: before_send returned {type(junk).__name__}"
    ]
    swallowed.clear()


@pytest.mark.parametrize(
    ("changes", "is_reported"),
    [
        ({"ignore": ("Value*",)}, False),
        ({"ignore": ("Key*",)}, True),
        ({"ignore_messages": ("number ?",)}, False),
        ({"ignore_messages": ("number",)}, True),
        ({"ignore_messages": ("*[[]", "num*")}, False),
    ],
)
def test_globs_leave_out_what_they_match_as_a_whole(
    changes: dict[str, Any], is_reported: bool
) -> None:
    reporter = make_reporter(**changes)

    assert (reporter.report_exception(fail(1), HERE) is not None) is is_reported
    assert len(sink_of(reporter).events) == is_reported


def test_loggers_are_left_out_by_globs() -> None:
    reporter = make_reporter(ignore_loggers=("urllib3.*", "noisy"))

    assert reporter.ignores_logger("urllib3.connectionpool")
    assert reporter.ignores_logger("noisy")
    assert not reporter.ignores_logger("urllib3")
    assert not reporter.ignores_logger("shop.noisy")


def test_lists_in_variables_are_json_or_names_with_commas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIXSTREAM_PRODUCERS_IGNORE", " KeyError , shop.errors.*,")
    monkeypatch.setenv("FIXSTREAM_PRODUCERS_IGNORE_LOGGERS", '["a,b", "c"]')
    settings = load_settings(ProducerSettings)

    assert settings.ignore == ("KeyError", "shop.errors.*")
    assert settings.ignore_loggers == ("a,b", "c")


def test_a_deep_tree_of_exception_groups_is_one_bounded_event() -> None:
    error: Exception = ValueError("the root")
    for depth in range(200):
        error = ExceptionGroup(f"level {depth}", [error, KeyError(depth)])
    reporter = make_reporter()

    assert reporter.report_exception(hostile.raised(error), HERE) is not None
    [event] = sink_of(reporter).events
    assert event.error_type == "ExceptionGroup"
    validate(event)


def test_a_message_is_made_only_when_it_is_sent() -> None:
    reporter = make_reporter(storm=StormConfig(burst=1, per_second=0.0))
    made: list[int] = []

    def message() -> str:
        made.append(1)
        return "disk almost full"

    for _ in range(3):
        reporter.report_message(message, "key", HERE)

    assert len(made) == 1
    assert [event.message for event in sink_of(reporter).events] == ["disk almost full"]


@given(
    burst=st.integers(1, 20),
    per_second=st.floats(0, 50),
    pauses=st.lists(st.floats(0, 2), max_size=200),
)
def test_no_key_passes_more_often_than_its_bucket_holds(
    burst: int, per_second: float, pauses: list[float]
) -> None:
    limiter = StormLimiter(StormConfig(burst=burst, per_second=per_second))
    now_s, num_passed, num_told = 0.0, 0, 0
    for pause in pauses:
        now_s += pause
        suppressed = limiter.admit("key", now_s)
        if suppressed is not None:
            num_passed += 1
            num_told += suppressed

    assert num_passed <= burst + per_second * now_s + 1e-6
    assert num_passed + num_told <= len(pauses)
    assert num_passed >= min(burst, len(pauses))


def test_the_limiter_forgets_the_oldest_key_when_there_are_too_many() -> None:
    limiter = StormLimiter(StormConfig(burst=1, per_second=0.0, max_keys=3))
    for key in range(10_000):
        assert limiter.admit(key, 0.0) == 0

    assert limiter.admit(9_999, 0.0) is None
    assert limiter.admit(0, 0.0) == 0


def test_a_clock_that_goes_back_gives_no_tokens_and_takes_none() -> None:
    limiter = StormLimiter(StormConfig(burst=2, per_second=1.0))

    assert limiter.admit("key", 100.0) == 0
    assert limiter.admit("key", 50.0) == 0
    assert limiter.admit("key", 50.5) is None
