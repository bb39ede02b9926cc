"""From an error to its fixes: order, honesty, caching."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.ranking import Candidate, Question, RankingWeights, rank
from fixstream.inference.starter import starter_solutions
from fixstream.inference.suggest import (
    NUM_CANDIDATES,
    Inquiry,
    SuggesterConfig,
    error_key,
    inquiry_from_triage,
    merged_labels,
    shown,
)
from fixstream.schemas.enums import EventSource, LabelSource
from fixstream.schemas.records import ErrorEvent, FixFeedback, Label, Labels
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triager
from support.inference import WHEN, Service, prediction, service, solution
from support.questions import CALIBRATION, HELD_OUT, Asked


def inquiry(asked: Asked, service_name: str | None = None) -> Inquiry:
    event = ErrorEvent(
        event_id="e",
        occurred_at=datetime.now(UTC),
        service=service_name or "shop",
        environment="test",
        source=EventSource.REST,
        error_type=asked.error_type,
        message=asked.message,
        stack_trace=asked.trace,
    )
    return inquiry_from_triage(Triager().triage(event), service_name)


def feedback(solution_id: str, worked: bool, who: str = "a", error: str = "e") -> FixFeedback:
    return FixFeedback(
        feedback_id="f",
        error_id=error,
        solution_id=solution_id,
        solution_worked=worked,
        submitted_at=WHEN,
        submitter=who,
    )


def advised(running: Service, asked: Asked, service_name: str | None = None) -> list[str]:
    question = inquiry(asked, service_name)
    advice = running.suggester.advise((0, "public", "k"), question, None)
    return [fix.solution_id for fix in advice.fixes]


LOCKED = Asked("sqlite3.OperationalError", "database is locked")


@pytest.fixture(scope="module")
def starter() -> object:
    knowledge = KnowledgeBase(Scrubber())
    for one in starter_solutions():
        knowledge.put(one)
    knowledge.commit()
    yield knowledge
    knowledge.close()


@pytest.mark.parametrize("questions", [CALIBRATION, HELD_OUT], ids=["calibration", "held-out"])
def test_common_errors_find_their_fix_and_odd_ones_find_none(
    starter: KnowledgeBase, questions: tuple[Asked, ...]
) -> None:
    num_right = num_false = 0
    known = [one for one in questions if one.answers]
    for asked in questions:
        question = inquiry(asked)
        ranked = rank(
            starter.search(question.terms, None, NUM_CANDIDATES),
            Question(
                question.fingerprint,
                question.terms.error_types,
                question.labels,
                {},
                len(question.terms.told),
            ),
            {},
            RankingWeights(),
        )
        good = shown(ranked, SuggesterConfig().min_confidence)
        is_right = bool(good) and good[0].candidate.solution.solution_id in asked.answers
        num_right += bool(asked.answers) and is_right
        num_false += not asked.answers and bool(good)
    # Measured 26 of 27 and 31 of 31; two arguable fixes for odd errors, and one.
    assert num_right >= 0.9 * len(known)
    assert num_false <= 0.25 * (len(questions) - len(known))


@pytest.fixture(scope="module")
def stocked() -> Iterator[Service]:
    with service() as running:
        for one in starter_solutions():
            running.knowledge.put(one)
        running.knowledge.commit()
        yield running


def from_starter(stocked: Service, asked: Asked) -> list[str]:
    return [name.removeprefix("starter-") for name in advised(stocked, asked)]


def test_the_example_of_a_failed_token_gets_token_fixes_first(stocked: Service) -> None:
    asked = Asked(None, "JWT token validation failed")
    assert inquiry(asked).labels.category.value == "authentication"
    assert "jwt" in from_starter(stocked, asked)[0]


def test_a_rare_word_of_the_title_outweighs_common_ones() -> None:
    with service() as running:
        for number in range(40):  # What makes a word common.
            word = ("session", "check", "token", "other", "other")[number // 8]
            running.knowledge.put(solution(f"n{number}", f"{word} number{number}"))
        running.knowledge.put(solution("common", "session token check", "A zanzibar may be near."))
        running.knowledge.put(solution("rare", "zanzibar", "session token check"))
        running.knowledge.commit()
        asked = Asked(None, "zanzibar session token check")
        assert advised(running, asked) == ["rare", "common"]


@pytest.mark.parametrize("error_type", ["ConnectionError", None])
def test_a_cloud_that_cannot_be_reached_is_a_matter_of_the_network(
    stocked: Service, error_type: str | None
) -> None:
    fixes = from_starter(stocked, Asked(error_type, "Failed to connect to Azure"))
    first = {"cloud-endpoint-connection-failed", "azure-service-request-error-cannot-connect"}
    assert set(fixes[:2]) == first


@pytest.mark.parametrize(
    ("error_type", "message"),
    [
        (None, "x"),
        (None, "E: m"),
        (None, "m"),
        (None, "hello"),
        (None, "error"),
        (None, "the"),
        (None, "it fails"),
        (None, "timeout"),
        ("Error", "x"),
        ("OSError", "x"),
        ("ValueError", "x"),
        ("RuntimeError", "test"),
    ],
)
def test_a_message_that_says_nothing_gets_no_answer(
    stocked: Service, error_type: str | None, message: str
) -> None:
    assert from_starter(stocked, Asked(error_type, message)) == []


@pytest.mark.parametrize(
    ("error_type", "message", "first"),
    [
        (None, "OOMKilled", "k8s-oomkilled"),
        (None, "Unauthorized", "http-401-unauthorized"),
        (None, "deadlock", "postgres-deadlock-detected"),
        (None, "NoCredentialsError", "aws-unable-to-locate-credentials"),
        (None, "error 500", "httpx-http-status-error-500"),
        ("KeyError", "'x'", "keyerror"),
        ("ZeroDivisionError", "x", "zerodivisionerror"),
    ],
)
def test_one_telling_word_or_type_is_enough(
    stocked: Service, error_type: str | None, message: str, first: str
) -> None:
    assert from_starter(stocked, Asked(error_type, message))[0] == first


def test_a_fix_that_worked_for_the_group_comes_first() -> None:
    with service() as running:
        running.knowledge.put(solution("generic", "database is locked"))
        running.knowledge.put(solution("ours", "Turn on WAL", "The database was locked."))
        running.knowledge.commit()
        assert advised(running, LOCKED)[:1] == ["generic"]
        running.evidence.add(feedback("ours", True), inquiry(LOCKED).fingerprint)
        assert advised(running, LOCKED)[:1] == ["ours"]


def test_a_fix_that_failed_for_the_group_goes() -> None:
    with service() as running:
        running.knowledge.put(solution("generic", "database is locked"))
        running.knowledge.commit()
        for who in ("a", "b", "c"):
            running.evidence.add(feedback("generic", False, who), inquiry(LOCKED).fingerprint)
        assert advised(running, LOCKED) == []


def test_a_flood_from_one_submitter_is_one_voice() -> None:
    evidence = Evidence()
    for _ in range(1000):
        evidence.add(feedback("x", False, "flooder"), "group")
    evidence.add(feedback("x", True, "somebody"), "group")
    tally = evidence.of_group("group")["x"]
    assert (tally.num_worked, tally.num_failed) == (1, 1)
    evidence.add(feedback("x", True, "flooder"), "group")
    assert evidence.overall.num_worked == 2, "a changed mind counts once, the new way"


def test_unknown_errors_get_no_guess() -> None:
    with service() as running:
        running.knowledge.put(solution("a", "database is locked"))
        running.knowledge.commit()
        assert advised(running, Asked("shop.BasketEmpty", "nothing to check out")) == []


def test_the_cache_forgets_a_removed_fix_at_once() -> None:
    with service() as running:
        running.knowledge.put(solution("a", "database is locked"))
        running.knowledge.commit()
        key = (0, "public", "k")
        running.suggester.advise(key, inquiry(LOCKED), None)
        assert running.suggester.recall(key) is not None
        running.knowledge.remove("a")
        assert running.suggester.recall(key) is None


def test_an_untrained_model_changes_no_order() -> None:
    def candidate(name: str, bm25: float, similarity: float | None) -> Candidate:
        made = solution(name, name)
        return Candidate(made, frozenset(), bm25, bm25, bm25, bm25, (), None, similarity)

    label = Label("unknown", LabelSource.RULE, 0.1)
    question = Question("g", frozenset(), Labels(label, label, label), {})
    with_vectors = [candidate("a", 1.0, -0.9), candidate("b", 0.4, 0.9)]
    without = [candidate("a", 1.0, None), candidate("b", 0.4, None)]
    weights = RankingWeights()
    assert weights.learned == 0
    names = [
        one.candidate.solution.solution_id for one in rank(with_vectors, question, {}, weights)
    ]
    scores = [one.score for one in rank(with_vectors, question, {}, weights)]
    assert names == ["a", "b"]
    assert scores == [one.score for one in rank(without, question, {}, weights)]


def test_a_person_s_label_stands_and_else_the_surer_one() -> None:
    said = Labels(
        domain=Label("cloud", LabelSource.REPORTER, 0.5),
        severity=Label("low", LabelSource.RULE, 0.95),
        category=Label("unknown", LabelSource.RULE, 0.1),
    )
    merged = merged_labels(said, prediction(3))
    assert merged.domain.value == "cloud"
    assert merged.severity.value == "low"
    assert merged.category == Label("connection", LabelSource.MODEL, 0.9)


def test_a_model_that_spreads_its_belief_outbids_no_rule() -> None:
    label = Label("medium", LabelSource.RULE, 0.2)
    said = Labels(domain=label, severity=label, category=label)
    assert merged_labels(said, prediction(1, confidence=0.25)) == said


def test_another_error_number_is_another_error() -> None:
    with service() as running:
        for number, text in ((24, "Too many open files"), (36, "File name too long")):
            running.knowledge.put(solution(str(number), f"OSError: [Errno {number}] {text}"))
        running.knowledge.commit()
        asked = Asked("OSError", "[Errno 24] Too many open files: '/tmp/x'")
        assert advised(running, asked) == ["24"]


def test_keys_merge_ids_but_not_status_codes() -> None:
    def key(message: str) -> str:
        return error_key("HTTPError", message, None)

    assert key("order 8812 failed") == key("order 771 failed")
    assert key("status 404 for order 1") != key("status 429 for order 1")
    assert key("[Errno 111] x") != key("[Errno 110] x")
