"""Rules keep the confidence that they claim, until what people report says otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.rule_trust import RuleTrust, has_reported
from fixstream.inference.suggest import Suggester, inquiry_from_triage
from fixstream.runtime.clock import SettableClock
from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, Labels
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triager
from support.events import make_event
from support.inference import triaged


def labels(value: str, source: LabelSource, confidence: float = 0.8) -> Labels:
    """A label of the severity, and rules' doubts about the rest."""
    return Labels(
        domain=Label("general", LabelSource.RULE, 0.2),
        severity=Label(value, source, confidence),
        category=Label("unknown", LabelSource.RULE, 0.1),
    )


RULED = labels("high", LabelSource.RULE)


def test_a_claim_stands_until_somebody_reports() -> None:
    assert RuleTrust().weighed(RULED) == RULED


@pytest.mark.parametrize(("truth", "low", "high"), [("low", 0.0, 0.1), ("high", 0.95, 1.0)])
def test_answers_outweigh_the_claim(truth: str, low: float, high: float) -> None:
    trust = RuleTrust()
    for _ in range(200):
        trust.observe(RULED, labels(truth, LabelSource.REPORTER))
    assert low <= trust.weighed(RULED).severity.confidence <= high


def test_another_claim_is_not_touched() -> None:
    trust = RuleTrust()
    trust.observe(RULED, labels("low", LabelSource.REPORTER))
    other = labels("high", LabelSource.RULE, 0.6)
    assert trust.weighed(other) == other
    assert trust.weighed(RULED) != RULED


@pytest.mark.parametrize("source", [LabelSource.RULE, LabelSource.MODEL, LabelSource.CRAWLER])
def test_only_people_are_believed(source: LabelSource) -> None:
    trust = RuleTrust()
    trust.observe(RULED, labels("low", source))
    assert trust.weighed(RULED) == RULED
    assert not has_reported(labels("low", source))


def test_a_reported_label_keeps_its_confidence() -> None:
    trust = RuleTrust()
    reported = labels("high", LabelSource.REPORTER)
    for _ in range(50):
        trust.observe(RULED, labels("low", LabelSource.REPORTER))
    assert trust.weighed(reported) == reported


@given(st.lists(st.booleans(), max_size=300), st.floats(0, 1))
def test_confidence_stays_a_share(hits: list[bool], claim: float) -> None:
    trust = RuleTrust()
    ruled = labels("high", LabelSource.RULE, claim)
    for is_right in hits:
        truth = "high" if is_right else "low"
        trust.observe(ruled, labels(truth, LabelSource.REPORTER))
    assert 0 <= trust.weighed(ruled).severity.confidence <= 1


def test_the_suggester_says_how_often_its_rules_were_right() -> None:
    knowledge = KnowledgeBase(Scrubber())
    suggester = Suggester(knowledge, Evidence(), AnswerCache(SettableClock()))
    asked = inquiry_from_triage(Triager().triage(make_event("it broke")), None)
    try:
        before = suggester.advise((0, "public", "1"), asked, None).labels
        for number in range(100):
            record = triaged(f"e{number}", "it broke")
            event = replace(record.event, error_type="ValueError", severity_hint="low")
            reported = Label("low", LabelSource.REPORTER, 0.9)
            suggester.note_reported(replace(record, event=event, severity=reported))
        after = suggester.advise((0, "public", "2"), asked, None).labels
    finally:
        knowledge.close()
    assert before.severity.source is LabelSource.RULE
    assert after.severity.value == before.severity.value
    assert after.severity.confidence < before.severity.confidence / 2
    assert after.domain == before.domain
