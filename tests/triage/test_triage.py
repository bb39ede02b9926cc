"""One pass over one event: everything agrees, repeats change nothing, sizes are bounded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.scrub import SCRUBBER_VERSION, Scrubber
from fixstream.triage.triage import MAX_MESSAGE_CHARS, MAX_TRACE_CHARS, TRIAGE_VERSION, Triager, cut

SCRUBBER = Scrubber()
TRACE = """Traceback (most recent call last):
  File "/srv/shop/api.py", line 40, in order
    connect("db", password="swordfish")
  File "/srv/shop/db.py", line 12, in connect
    raise ConnectionRefusedError(111, "Connection refused")
ConnectionRefusedError: [Errno 111] Connection refused
"""


def event(
    message: str = "order failed", stack_trace: str | None = TRACE, error_type: str | None = None
) -> ErrorEvent:
    """Returns an event with these texts."""
    return ErrorEvent(
        event_id="e-1", occurred_at=datetime(2026, 11, 22, tzinfo=UTC), service="shop", environment="prod",
        source=EventSource.MIDDLEWARE, message=message, stack_trace=stack_trace,
        error_type=error_type,
    )  # fmt: skip


def test_one_pass_finds_everything() -> None:
    found = Triager(SCRUBBER).triage(event(error_type="ConnectionRefusedError"))
    assert found.event.scrubber == SCRUBBER_VERSION
    assert 'password="[password]"' in (found.event.stack_trace or "")
    assert found.event.language == "python"
    assert found.title == "ConnectionRefusedError: order failed"
    assert found.labels.category.value == "connection"
    assert found.trace is not None
    assert found.trace.root.frames[0].function == "connect"
    assert SCRUBBER_VERSION in TRIAGE_VERSION


def test_a_trace_inside_the_message_is_found() -> None:
    found = Triager(SCRUBBER).triage(event(message=f"it broke\n{TRACE}", stack_trace=None))
    assert found.trace is not None
    assert found.fingerprint == Triager(SCRUBBER).triage(event()).fingerprint


def test_a_secret_does_not_split_a_group() -> None:
    triager = Triager(SCRUBBER)
    one = triager.triage(event(message="login of alice@example.org failed", stack_trace=None))
    two = triager.triage(event(message="login of bob@example.com failed", stack_trace=None))
    assert one.fingerprint == two.fingerprint


_TEXTS = st.sampled_from(
    [
        "order failed",
        "password=swordfish",
        "token of bob@example.org",
        "",
        TRACE,
        "timed out after 5 s",
    ]
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            _TEXTS,
            st.one_of(st.none(), _TEXTS),
            st.sampled_from(["", "id of bob@example.org", "x"]),
        ),
        max_size=12,
    )
)
def test_what_it_remembers_never_changes_an_answer(
    stream: list[tuple[str, str | None, str]],
) -> None:
    remembering = Triager(SCRUBBER, num_kept=3)
    for number, (message, stack, note) in enumerate(stream):
        given_event = replace(
            event(message, stack), event_id=str(number), attributes={"note": note}
        )
        fresh = Triager(SCRUBBER).triage(given_event)
        assert remembering.triage(given_event) == remembering.judge(given_event) == fresh


def test_it_remembers_no_secret() -> None:
    triager = Triager(SCRUBBER)
    triager.triage(event(message="password=swordfish"))
    assert not triager._recent._kept
    triager.triage(event(message="order failed", stack_trace=None))
    assert len(triager._recent._kept) == 1


@pytest.mark.parametrize("name", ["password", "session_token"])
def test_it_remembers_no_secret_of_an_attribute(name: str) -> None:
    triager = Triager(SCRUBBER)
    known = event(message="order failed", stack_trace=None)
    for attributes in ({name: "swordfish"}, {"host": "node-1"}):
        for _ in range(2):
            triager.triage(replace(known, attributes=attributes))
    ((*_, kept, value),) = triager._clean._kept
    assert (kept, value) == ("host", "node-1")


def test_half_a_surrogate_pair_breaks_nothing() -> None:
    found = Triager(SCRUBBER).triage(event(message="lost \ud800 half", stack_trace=None))
    assert found.event.message == "lost \ud800 half"
    assert found.fingerprint


@pytest.mark.parametrize(("size", "limit"), [(10, 100), (100, 100), (101, 100), (5000, 100)])
def test_cut_keeps_head_and_tail(size: int, limit: int) -> None:
    text = "".join(chr(97 + place % 26) for place in range(size))
    short = cut(text, limit)
    assert len(short) <= limit
    assert (
        short == text
        if size <= limit
        else short.startswith(text[:40]) and short.endswith(text[-40:])
    )


def test_huge_texts_are_cut_before_the_work() -> None:
    found = Triager(SCRUBBER).triage(
        event(message="m" * 10_000_000, stack_trace="s" * 10_000_000 + TRACE)
    )
    assert len(found.event.message) <= MAX_MESSAGE_CHARS
    assert len(found.event.stack_trace or "") <= MAX_TRACE_CHARS + 100
    assert found.trace is not None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.one_of(st.none(), st.text(max_size=300)))
def test_no_text_breaks_it(message: str, stack: str | None) -> None:
    triager = Triager(SCRUBBER)
    found = triager.triage(event(message, stack))
    assert triager.triage(found.event).event == found.event


class _Counting(Scrubber):
    """A scrubber that counts how often it is asked."""

    num_asked = 0

    def scrub_texts(self, texts: list[str]) -> list[str]:
        self.num_asked += 1
        return super().scrub_texts(texts)


def test_what_it_remembers_is_bounded_by_its_characters_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fixstream.triage.recent.MAX_ALL_KEPT_SIZE", 2_500)
    counting = _Counting()
    triager = Triager(counting)
    for message in ("a " * 500, "b " * 500, "c " * 500, "c " * 500):
        triager.triage(event(message, None))
    asked_first = counting.num_asked
    triager.triage(event("c " * 500, None))
    assert counting.num_asked == asked_first, "what came last is remembered"
    triager.triage(event("a " * 500, None))
    assert counting.num_asked == asked_first + 1, "what came first had to make room"
