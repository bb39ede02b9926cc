"""One message to one outcome: poison ends as a dead letter, and nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas.codec import Codec, encode
from fixstream.schemas.errors import RetryLater
from fixstream.schemas.limits import MAX_TEXT_CHARS
from fixstream.schemas.records import ErrorEvent
from fixstream.streams.dead_letters import ATTEMPTS_HEADER, DeadLetterRecord, RawMessage
from fixstream.streams.processor import EventProcessor, Judge, Triaged
from fixstream.triage.scrub import SCRUBBER_VERSION
from fixstream.triage.triage import Triage, Triager
from support.streams import error_event

TRIAGER = Triager()


def processor(judge: Judge = TRIAGER, max_event_bytes: int = 50_000) -> EventProcessor:
    return EventProcessor(judge, Codec(), max_event_bytes=max_event_bytes, max_attempts=3)


def message(value: bytes | None, headers: tuple[tuple[str, bytes], ...] = ()) -> RawMessage:
    return RawMessage("raw", 2, 17, b"key", value, headers)


class Failing:
    """A judge whose code fails, a given number of times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.num_left = times
        self.num_calls = 0
        self._error = error

    def triage(self, event: ErrorEvent) -> Triage:
        self.num_calls += 1
        if self.num_left:
            self.num_left -= 1
            raise self._error
        return TRIAGER.triage(event)

    judge = triage


GOOD = encode(error_event())
UNKNOWN = GOOD[:2] + b"\xff" * 8 + GOOD[10:]


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (None, "undecodable"),
        (b"", "undecodable"),
        (b"{}", "undecodable"),
        (GOOD[:-1], "undecodable"),
        (GOOD + b"x", "undecodable"),
        (UNKNOWN, "unknown_schema"),
        (b"\x00\x00\x00\x00\x07" + GOOD[10:], "unknown_schema"),
        (encode(error_event("")), "invalid"),
        (encode(error_event(message="m" * (MAX_TEXT_CHARS + 1))), "too_large"),
        (b"x" * 50_001, "too_large"),
    ],
)
def test_poison_becomes_a_dead_letter_of_its_class(value: bytes | None, error_class: str) -> None:
    outcome = processor().process(message(value, (("traceparent", b"00-1"),)))
    assert isinstance(outcome, DeadLetterRecord)
    assert outcome.error_class == error_class
    assert outcome.raw.value is value
    headers = dict(outcome.headers())
    assert headers["traceparent"] == b"00-1"
    assert headers["fixstream-dlq-class"] == error_class.encode()
    assert headers["fixstream-dlq-topic"] == b"raw"
    assert headers["fixstream-dlq-partition"] == b"2"
    assert headers["fixstream-dlq-offset"] == b"17"
    assert headers["fixstream-dlq-attempts"] == b"1"
    assert headers["fixstream-dlq-reason"]
    assert headers["fixstream-dlq-version"]


def test_a_good_event_is_judged() -> None:
    outcome = processor().process(message(GOOD))
    assert isinstance(outcome, Triaged)
    assert outcome.triage.event.event_id == "e-1"


def test_our_own_failures_are_tried_again_and_then_set_aside_without_the_text() -> None:
    flaky = Failing(2, ValueError("hunter2"))
    assert isinstance(processor(flaky).process(message(GOOD)), Triaged)
    broken = Failing(99, ValueError("hunter2"))
    outcome = processor(broken).process(message(GOOD, (("fixstream-dlq-attempts", b"4"),)))
    assert isinstance(outcome, DeadLetterRecord)
    assert (outcome.error_class, outcome.attempts, broken.num_calls) == ("failed", 7, 3)
    assert "hunter2" not in outcome.reason


def test_what_is_not_the_messages_fault_is_not_set_aside() -> None:
    with pytest.raises(RetryLater):
        processor(Failing(1, RetryLater("registry"))).process(message(GOOD))


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    processor().process(message(data))
    processor().process(message(GOOD[:10] + data))


@given(st.text(max_size=300), st.none() | st.text(max_size=300))
def test_no_text_raises(text: str, stack_trace: str | None) -> None:
    try:
        value = encode(error_event(message=text, stack_trace=stack_trace))
    except Exception:  # noqa: BLE001 - the writer refuses lone surrogates; not under test
        return
    outcome = processor().process(message(value))
    assert isinstance(outcome, Triaged)


def test_an_example_has_the_text_after_scrubbing() -> None:
    secret = "postgres://admin:hunter2secret@db/x"
    outcome = processor().process(message(encode(error_event(message=f"cannot open {secret}"))))
    assert isinstance(outcome, Triaged)
    assert "hunter2secret" not in outcome.triage.event.message


def test_a_dead_letter_that_comes_back_is_scrubbed_whatever_it_claims() -> None:
    """Replays go through the raw topic: the attempts and a scrubber's name change nothing."""
    key = "AKIA" + "Q3EGRZ7ABCDLMNOP"
    event = error_event(message=f"denied for {key}", scrubber=SCRUBBER_VERSION)
    outcome = processor().process(message(encode(event), ((ATTEMPTS_HEADER, b"3"),)))
    assert isinstance(outcome, Triaged)
    assert key not in outcome.triage.event.message
