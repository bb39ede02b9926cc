"""From exceptions to events."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.producers.capture import CaptureConfig, Circumstances, event_from_exception
from fixstream.producers.request_in_flight import current_request
from fixstream.producers.safe_text import clean_text
from fixstream.producers.trace_context import (
    TraceContext,
    parse_traceparent,
    trace_from_headers,
)
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.validation import validate
from support import hostile
from support.producers import SomeRequest

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONFIG = CaptureConfig(service="shop", environment="test", release="1.2.3")


def captured(error: BaseException, config: CaptureConfig = CONFIG) -> ErrorEvent:
    event = event_from_exception(error, config, Circumstances(occurred_at=NOW))
    validate(event)
    return event


def open_ledger() -> None:
    raise sqlite3.OperationalError("database is locked")


def pay(order: int) -> None:
    try:
        open_ledger()
    except sqlite3.OperationalError as error:
        raise RuntimeError(f"order {order} not paid") from error


def test_an_event_carries_who_when_and_what() -> None:
    event = captured(hostile.raised(KeyError("sku")))

    assert (event.service, event.environment, event.release) == ("shop", "test", "1.2.3")
    assert event.occurred_at == NOW
    assert (event.error_type, event.message) == ("KeyError", "'sku'")
    assert event.language == "python"
    assert event.sdk.startswith("fixstream-python/")


def test_chained_causes_stand_in_order_and_the_root_is_marked() -> None:
    with pytest.raises(RuntimeError) as caught:
        pay(17)
    event = captured(caught.value)

    trace = event.stack_trace or ""
    assert event.error_type == "RuntimeError"
    assert trace.index("database is locked") < trace.index("order 17 not paid")
    assert "direct cause of the following" in trace
    assert event.attributes["exception.root.type"] == "sqlite3.OperationalError"
    assert event.attributes["exception.root.message"] == "database is locked"
    assert event.attributes["exception.chain"] == "sqlite3.OperationalError > RuntimeError"


def test_a_cause_that_was_suppressed_is_left_out() -> None:
    def lookup() -> None:
        stock: dict[str, int] = {}
        try:
            stock["a"] += 1
        except KeyError:
            raise ValueError("unknown") from None

    with pytest.raises(ValueError, match="unknown") as caught:
        lookup()
    event = captured(caught.value)

    assert "KeyError" not in (event.stack_trace or "")
    assert "exception.root.type" not in event.attributes


def test_frames_of_the_application_are_told_from_libraries() -> None:
    import json

    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    event = captured(caught.value)

    assert event.attributes["code.function.name"].startswith("test_frames")
    assert "json.decoder" not in event.attributes["exception.in_app"]
    assert "json/decoder.py" in (event.stack_trace or "")


def test_a_named_module_counts_as_the_application_wherever_it_lies() -> None:
    import json

    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    config = CaptureConfig(service="shop", in_app_modules=("json",))

    assert "json.decoder" in captured(caught.value, config).attributes["exception.in_app"]


def test_no_frame_local_is_captured() -> None:
    def pays_by_card() -> None:
        card_number = "4111" + "1111" * 3
        assert card_number
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused") as caught:
        pays_by_card()

    assert "4111" + "1111" * 3 not in repr(captured(caught.value))


def test_notes_belong_to_the_message() -> None:
    error = ValueError("bad")
    error.add_note("while reading row 7")

    assert captured(hostile.raised(error)).message == "bad\nwhile reading row 7"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (hostile.RaisesInStr(), "__str__ raised RuntimeError"),
        (hostile.ReturnsNoString(), "__str__ raised TypeError"),
        (hostile.RecursesInStr(), "__str__ raised RecursionError"),
        (ValueError("a\x00b\ud800c"), "a\\x00b\\ud800c"),
        (hostile.CannotBeMarked("stubborn"), "stubborn"),
        (hostile.OddModule("odd"), "odd"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exceptions_that_misbehave_are_captured_all_the_same(
    error: Exception, expected: str
) -> None:
    assert expected in captured(hostile.raised(error)).message


@pytest.mark.parametrize(
    "make",
    [
        hostile.cyclic_causes,
        hostile.self_containing_group,
        hostile.deep_recursion,
        hostile.without_source,
    ],
)
def test_shapes_that_have_no_end_come_out_bounded(make: object) -> None:
    assert callable(make)
    event = captured(make())

    assert len(event.stack_trace or "") <= CONFIG.max_trace_chars
    assert event.error_type is not None


def test_a_cycle_of_causes_is_told_once() -> None:
    event = captured(hostile.cyclic_causes())

    assert event.attributes["exception.chain"] == "KeyError > ValueError"
    assert (event.stack_trace or "").count("KeyError: ") == 1


def test_a_group_that_contains_itself_does_not_grow_for_ever() -> None:
    trace = captured(hostile.self_containing_group()).stack_trace or ""
    num_cut = re.search(r"\[\.\.\. (\d+) characters cut", trace)

    assert num_cut is not None
    assert int(num_cut[1]) < 1_000_000


def test_names_and_attributes_stay_within_the_limits_of_the_record() -> None:
    long_name = type("Long" + "Name" * 500, (Exception,), {})
    attributes = {f"key {number}" * 100: "v" * 9999 for number in range(100)} | {"": "no key"}
    circumstances = Circumstances(occurred_at=NOW, attributes=attributes)
    event = event_from_exception(hostile.raised(long_name("x")), CONFIG, circumstances)

    # Room is left for what is added after capture.
    validate(replace(event, attributes={**event.attributes, "one": "1", "two": "2"}))


def test_ten_megabytes_keep_head_and_tail() -> None:
    event = captured(hostile.raised(ValueError("begin" + "x" * 10_000_000 + "end")))

    assert event.message.startswith("begin")
    assert event.message.endswith("end")
    assert len(event.message) <= CONFIG.max_message_chars


def test_members_of_a_group_are_all_told() -> None:
    error = hostile.raised(ExceptionGroup("two", [ValueError("left"), KeyError("right")]))
    trace = captured(error).stack_trace or ""

    assert "left" in trace
    assert "right" in trace
    assert captured(error).attributes["exception.root.type"] == "ValueError"


@given(st.text(alphabet=st.characters(codec=None), max_size=400), st.integers(1, 300))
def test_cleaned_text_is_short_and_can_be_encoded(text: str, max_chars: int) -> None:
    cleaned = clean_text(text, max_chars)

    assert len(cleaned) <= max_chars
    assert "\x00" not in cleaned
    cleaned.encode()
    if len(text) <= max_chars and text.isascii() and "\x00" not in text:
        assert cleaned == text


TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_request_gives_trace_and_correlation_ids() -> None:
    headers = ((b"traceparent", TRACEPARENT), (b"x-request-id", b"req-7"))
    token = current_request.set(SomeRequest(headers))
    try:
        event = captured(hostile.raised(ValueError("x")))
    finally:
        current_request.reset(token)

    assert event.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert event.span_id == "00f067aa0ba902b7"
    assert event.correlation_id == "req-7"


def test_the_span_of_opentelemetry_wins_over_the_callers() -> None:
    trace = pytest.importorskip("opentelemetry.trace")
    span_context = trace.SpanContext(0xABC, 0xDEF, is_remote=False)

    with trace.use_span(trace.NonRecordingSpan(span_context)):
        event = captured(hostile.raised(ValueError("x")))

    assert (event.trace_id, event.span_id) == (f"{0xABC:032x}", f"{0xDEF:016x}")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-xyz",
        b"ff" + TRACEPARENT[2:],
        b"00-" + b"0" * 32 + TRACEPARENT[35:],
        TRACEPARENT[:36] + b"0" * 16 + b"-01",
        TRACEPARENT.upper(),
    ],
)
def test_a_malformed_traceparent_counts_as_none(value: bytes) -> None:
    assert parse_traceparent(value) == (None, None)


def test_a_correlation_id_that_cannot_be_printed_counts_as_none() -> None:
    assert trace_from_headers([(b"x-request-id", b"a\x1bb")]) == TraceContext()
