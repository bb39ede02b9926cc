"""An error that comes again is not judged anew, and nobody can tell by what comes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixstream.schemas.codec import Codec, encode
from fixstream.schemas.enums import EventSource
from fixstream.schemas.event_run import find_run
from fixstream.schemas.records import ErrorEvent, Provenance
from fixstream.streams.dead_letters import RawMessage
from fixstream.streams.processor import EventProcessor, Outcome, Triaged
from fixstream.triage.scrub import FAILED, Scrubber
from fixstream.triage.triage import Triage, Triager
from support.streams import START, error_event

HEADER_BYTES = 10
SCRUBBER = Scrubber()
TRIAGER = Triager(SCRUBBER)
SECRET = "postgres://admin:hunter2secret@db/x"


class Asked:
    """The real judge, which counts how often it is asked."""

    def __init__(self) -> None:
        self.num_calls = 0
        self.num_to_keep = 0
        """Of these, in how many the judge was left to remember."""

    def triage(self, event: ErrorEvent) -> Triage:
        self.num_to_keep += 1
        return self.judge(event)

    def judge(self, event: ErrorEvent) -> Triage:
        self.num_calls += 1
        return TRIAGER.triage(event)


def processor(judge: Asked | Triager = TRIAGER, num_kept: int = 2048) -> EventProcessor:
    return EventProcessor(judge, Codec(), max_event_bytes=50_000, max_attempts=1, num_kept=num_kept)


def message(value: bytes, offset: int = 0) -> RawMessage:
    return RawMessage("raw", 0, offset, b"key", value)


def judged(outcome: Outcome) -> Triage:
    assert isinstance(outcome, Triaged)
    return outcome.triage


TEXTS: list[dict[str, Any]] = [
    {"message": "connection refused"},
    {"message": f"cannot open {SECRET}", "severity_hint": "high"},
    {"message": "größer als erlaubt: " + "ä" * 90, "error_type": None, "release": "1.2"},
    {"message": "no", "stack_trace": 'File "a.py", line 3, in f\n', "source": EventSource.REST},
]
OWN: list[dict[str, Any]] = [
    {},
    {"trace_id": "a" * 32, "span_id": "b" * 16, "sdk": "sdk-2"},
    {"correlation_id": "c-1"},
    {"attributes": {"password": "hunter2secret"}},
    {"attributes": {"category_hint": "dns"}},
    {"provenance": Provenance("https://example.org/q/1")},
    {"scrubber": "scrub-1", "trace_id": "x" * 5_000},
    {"scrubber": "s" * 5_000},
    {"event_id": ""},
]
events = st.builds(
    lambda texts, own, number: replace(
        error_event(f"e-{number}", occurred_at=START + timedelta(seconds=number)), **texts, **own
    ),
    st.sampled_from(TEXTS),
    st.sampled_from(OWN),
    st.integers(0, 10**6),
)


@settings(max_examples=60)
@given(st.lists(events, max_size=12), st.integers(0, 400), st.binary(max_size=2))
def test_what_it_remembers_never_changes_an_outcome(
    stream: list[ErrorEvent], place: int, damage: bytes
) -> None:
    remembering = processor(num_kept=2)
    for event in stream:
        value = encode(event)
        damaged = value[:place] + damage + value[place + 1 :]
        for data in (value, damaged, value):
            found = remembering.process(message(data))
            assert found == processor().process(message(data))


@pytest.mark.parametrize("own", OWN)
def test_a_repeat_comes_out_as_if_it_were_new(own: dict[str, Any]) -> None:
    remembering = processor()
    for texts in TEXTS:
        remembering.process(message(encode(error_event(**texts))))
        again = message(encode(error_event(**{"event_id": "e-2", **texts, **own})))
        assert remembering.process(again) == processor().process(again)


def test_a_repeat_is_not_judged_again_and_keeps_what_is_its_own() -> None:
    judge = Asked()
    remembering = processor(judge)
    for number in range(3):
        event = error_event(f"e-{number}", trace_id=f"{number}" * 32, message=f"open {SECRET}")
        found = judged(remembering.process(message(encode(event)))).event
        assert (found.event_id, found.trace_id) == (event.event_id, event.trace_id)
        assert "hunter2secret" not in found.message
    assert (judge.num_calls, judge.num_to_keep) == (1, 0)


@pytest.mark.parametrize(
    "own", [own for own in OWN if own and not own.keys() & {"sdk", "event_id", "scrubber"}]
)
def test_what_has_more_of_its_own_is_judged_each_time(own: dict[str, Any]) -> None:
    judge = Asked()
    remembering = processor(judge)
    for _ in range(2):
        remembering.process(message(encode(error_event())))
    for _ in range(2):
        remembering.process(message(encode(error_event(**own))))
    assert (judge.num_calls, judge.num_to_keep) == (1 + 2, 2)


def test_no_secret_stays_in_memory() -> None:
    remembering = processor()
    event = error_event(message=f"cannot open {SECRET}")
    judged(remembering.process(message(encode(event))))
    assert len(remembering._known) == 1
    assert "hunter2secret" not in repr(remembering._known._kept)


def test_a_text_that_could_not_be_scrubbed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    remembering = processor(Triager(SCRUBBER))

    def failing(self: Scrubber, texts: list[str]) -> list[str]:
        return [FAILED if text else text for text in texts]

    with monkeypatch.context() as patched:
        patched.setattr(Scrubber, "scrub_texts", failing)
        failed = judged(remembering.process(message(encode(error_event()))))
    assert failed.event.message == FAILED
    again = judged(remembering.process(message(encode(error_event()))))
    assert again.event.message == error_event().message


@given(st.binary(max_size=60))
def test_no_bytes_break_the_search_for_a_run(data: bytes) -> None:
    found = find_run(data, 0)
    assert found is None or data[found.start : found.end] == found.data


def test_two_runs_never_look_alike() -> None:
    runs = [find_run(encode(error_event(**texts)), HEADER_BYTES) for texts in TEXTS]
    assert len({run.data for run in runs if run is not None}) == len(TEXTS)
