"""What people and feedback say of groups: it wins, in errors and in examples, and adds up."""

from __future__ import annotations

import pytest

from fixstream.runtime.clock import SettableClock
from fixstream.schemas.codec import Codec, encode
from fixstream.schemas.enums import ClosedBy, LabelSource
from fixstream.schemas.group_labels import with_newer
from fixstream.schemas.records import GroupLabels, Label, Labels, TriagedError
from fixstream.schemas.topics import GROUP_STATE_RETENTION
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage
from fixstream.streams.group_labels import GroupLabelBook
from fixstream.streams.groups import Groups
from fixstream.streams.knowledge import Knowledge
from fixstream.streams.lane import ClosedWindow, Lane
from fixstream.streams.processor import EventProcessor
from fixstream.streams.window import WindowLimits
from fixstream.triage.triage import Triager
from support.streams import START, error_event

JUDGED = Labels(
    Label("general", LabelSource.RULE, 0.9),
    Label("low", LabelSource.REPORTER, 1.0),
    Label("unknown", LabelSource.RULE, 0.1),
)


def said(source: LabelSource, fingerprint: str = "f", **values: str) -> GroupLabels:
    labels = {name: Label(value, source, 0.75) for name, value in values.items()}
    return GroupLabels(fingerprint=fingerprint, **labels, submitter="s", set_at=START)


@pytest.mark.parametrize("source", [LabelSource.OPERATOR, LabelSource.FEEDBACK])
def test_what_is_said_wins_label_by_label(source: LabelSource) -> None:
    book = GroupLabelBook(10)
    book.set(said(source, severity="critical"))
    found = book.labels_of("f", JUDGED)
    assert found.severity == Label("critical", source, 0.75)
    assert (found.domain, found.category) == (JUDGED.domain, JUDGED.category)
    assert book.labels_of("another", JUDGED) is JUDGED


@pytest.mark.parametrize(
    "source", [s for s in LabelSource if s not in (LabelSource.OPERATOR, LabelSource.FEEDBACK)]
)
def test_others_do_not_speak_for_a_group(source: LabelSource) -> None:
    book = GroupLabelBook(10)
    book.set(said(source, severity="critical", domain="cloud", category="dns"))
    assert book.labels_of("f", JUDGED) == JUDGED


def test_it_can_be_taken_back_and_said_anew_and_the_oldest_goes_first() -> None:
    book = GroupLabelBook(2)
    book.set(said(LabelSource.OPERATOR, severity="critical"))
    book.set(said(LabelSource.OPERATOR, severity="high"))
    assert book.labels_of("f", JUDGED).severity.value == "high"
    book.clear("f")
    book.clear("f")
    assert book.labels_of("f", JUDGED) is JUDGED
    for name in "abc":
        book.set(said(LabelSource.OPERATOR, name, severity="high"))
    assert len(book) == 2
    assert book.labels_of("a", JUDGED) is JUDGED


def test_feedback_does_not_overrule_an_operator_and_each_adds_what_the_other_left_open() -> None:
    operator = said(LabelSource.OPERATOR, severity="critical")
    feedback = said(LabelSource.FEEDBACK, severity="low", category="dns")
    for old, new in ((operator, feedback), (feedback, operator)):
        both = with_newer(old, new)
        assert both.severity == operator.severity
        assert both.category == feedback.category
        assert both.domain is None
    again = said(LabelSource.OPERATOR, severity="medium")
    assert with_newer(operator, again).severity == again.severity
    assert with_newer(None, again) == again
    with pytest.raises(ValueError, match="two groups"):
        with_newer(operator, said(LabelSource.OPERATOR, "g"))


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[TriagedError] = []
        self.windows: list[ClosedWindow] = []

    def triaged(self, record: TriagedError) -> None:
        self.records.append(record)

    def dead_letter(self, record: DeadLetterRecord) -> None:
        raise AssertionError(record.reason)

    def closed(self, window: ClosedWindow) -> None:
        self.windows.append(window)


def test_triaged_errors_and_examples_carry_the_label_with_its_source_and_confidence() -> None:
    knowledge, sink = Knowledge(), Kept()
    processor = EventProcessor(Triager(), Codec(), max_event_bytes=100_000, max_attempts=1)
    groups = Groups(10, GROUP_STATE_RETENTION)
    clock = SettableClock()
    lane = Lane(("t", 0, 0), processor.process, groups, WindowLimits(), clock, knowledge)
    event = error_event("e0", severity_hint="low")
    lane.take(RawMessage("t", 0, 0, b"k", encode(event)), sink)
    fingerprint = sink.records[0].fingerprint
    lane.close(ClosedBy.AGE, sink)
    knowledge.hear_labels(fingerprint, said(LabelSource.OPERATOR, fingerprint, severity="critical"))
    lane.take(RawMessage("t", 0, 1, b"k", encode(error_event("e1", severity_hint="low"))), sink)
    lane.close(ClosedBy.AGE, sink)
    knowledge.hear_labels(fingerprint, None)
    lane.take(RawMessage("t", 0, 2, b"k", encode(error_event("e2", severity_hint="low"))), sink)
    expected = ["low", "critical", "low"]
    assert [record.severity.value for record in sink.records] == expected
    assert sink.records[1].severity == Label("critical", LabelSource.OPERATOR, 0.75)
    examples = [window.batch.examples[0] for window in sink.windows]
    assert examples[0].labels.severity.source is LabelSource.REPORTER
    assert examples[1].labels.severity == Label("critical", LabelSource.OPERATOR, 0.75)
