"""Feedback that trains: one voice each, weighed, capped, and the same after a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fixstream.schemas.errors import ArtifactRejected
from fixstream.schemas.records import FixFeedback, OffsetRange
from fixstream.trainer.feedback import FeedbackBook, FeedbackConfig
from fixstream.trainer.success import fall_of_success
from support.training import START

PLACE = ("feedback.v1", 0)


def feedback(number: int, who: str = "ann", **changes: object) -> FixFeedback:
    return replace(
        FixFeedback(
            feedback_id=f"f{number}",
            error_id=f"e{number}",
            solution_id="s1",
            solution_worked=True,
            submitted_at=START,
            submitter=who,
            fingerprint="group",
            error_text="connection refused",
            fix_text="start the database",
            model_version=1,
        ),
        **changes,  # type: ignore[arg-type]
    )


def book_of(*records: FixFeedback, config: FeedbackConfig | None = None) -> FeedbackBook:
    book = FeedbackBook(config=config)
    for offset, record in enumerate(records):
        book.accept(record, PLACE, offset)
    return book


def test_what_worked_is_a_positive_pair_and_what_failed_a_negative_one() -> None:
    pairs = book_of(feedback(1), feedback(2, solution_worked=False)).take(10)
    assert [pair.is_positive for pair in pairs] == [True, False]
    assert pairs[0].error_text == "connection refused"


def test_one_voice_each_for_an_error_and_a_fix() -> None:
    again = feedback(1, feedback_id="other", solution_worked=False)
    book = book_of(feedback(1), again, feedback(1, "bob"), feedback(1, solution_id="s2"))
    assert len(book.take(10)) == 3
    assert book.votes == {1: {"ann": (2, 0), "bob": (1, 0)}}


def test_without_texts_it_is_a_vote_only() -> None:
    book = book_of(feedback(1, fix_text=None))
    assert book.take(1) == []
    assert book.votes == {1: {"ann": (1, 0)}}


def test_who_is_often_contradicted_counts_for_less() -> None:
    records = []
    for number in range(4):  # Of four fixes that work, as two people found.
        fix = {"solution_id": f"s{number}"}
        records += [feedback(number, who, **fix) for who in ("ann", "bob")]
        records += [
            feedback(number, "liar", error_id=f"x{n}", solution_worked=False, **fix)
            for n in range(3)
        ]
    book = book_of(*records, feedback(20, "liar"), feedback(20, "bob"))
    pairs = book.take(100)
    assert pairs[0].weight == 0.5
    assert book.trust("liar") < 0.3
    assert book.trust("bob") > 0.7
    assert pairs[-2].weight < 0.3
    assert pairs[-1].weight > 0.7


def test_who_repeats_what_another_has_said_is_trusted_for_it_once() -> None:
    echo = [feedback(2 + number, "bob") for number in range(20)]
    book = book_of(feedback(1), *echo)
    book.take(100)
    assert book.trust("bob") == pytest.approx(2 / 3)


def test_a_window_is_capped_for_each_submitter_and_for_all() -> None:
    config = FeedbackConfig(max_of_window=5, max_of_submitter=3)
    flood = [feedback(n) for n in range(10)]
    others = [feedback(20 + n, f"b{n}") for n in range(10)]
    later = feedback(50, submitted_at=START + timedelta(hours=2))
    book = book_of(*flood, *others, later, config=config)
    assert len(book.take(10)) == 3
    assert len(book.take(10)) == 2
    assert len(book.take(10)) == 1


def test_a_time_that_lies_back_opens_no_window_anew() -> None:
    later = START + timedelta(hours=2)
    times = [START, later, START, later]
    said = [feedback(number, submitted_at=at) for number, at in enumerate(times)]
    assert len(book_of(*said, config=FeedbackConfig(max_of_submitter=1)).take(10)) == 2


def test_resumed_it_goes_on_as_if_it_had_never_stopped() -> None:
    records = [
        feedback(n, f"w{n % 5}", solution_worked=n % 3 > 0, error_id=f"e{n % 17}")
        for n in range(60)
    ]
    unbroken = book_of(*records)
    wanted = [unbroken.take(7) for _ in range(9)]
    first = book_of(*records)  # It has read all of them, and judged some.
    found = [first.take(7) for _ in range(4)]
    second = FeedbackBook(first.offsets())
    second.load_json(first.to_json())
    start = first.offsets()[0].next_offset
    assert start == 28
    for offset in range(start, 60):
        second.accept(records[offset], PLACE, offset)
    found += [second.take(7) for _ in range(5)]
    assert found == wanted
    assert second.to_json() == unbroken.to_json()


def test_blocked_feedback_says_nothing() -> None:
    book = FeedbackBook(blocked=[OffsetRange(*PLACE, 0, 2)])
    for offset in range(3):
        book.accept(feedback(offset), PLACE, offset)
    assert len(book.take(10)) == 1
    assert book.offsets()[0].next_offset == 3


def test_a_message_that_is_passed_over_does_not_jump_over_those_that_wait() -> None:
    book = book_of(feedback(0))
    book.pass_over(PLACE, 1)
    assert book.offsets() == ()
    book.take(1)
    assert book.offsets()[0].next_offset == 1


def test_a_strange_state_is_refused() -> None:
    with pytest.raises(ArtifactRejected, match="cannot be read"):
        FeedbackBook().load_json("{}")


Votes = dict[int, dict[str, tuple[int, int]]]


def votes(before: tuple[int, int], after: tuple[int, int], num_people: int = 20) -> Votes:
    """So many tries before and after version 2, one for each of different people."""

    def said(counts: tuple[int, int]) -> dict[str, tuple[int, int]]:
        outcomes = [(1, 0)] * counts[0] + [(0, 1)] * counts[1]
        found: dict[str, tuple[int, int]] = {}
        for number, (worked, failed) in enumerate(outcomes):
            who = f"p{number % num_people}"
            has = found.get(who, (0, 0))
            found[who] = (has[0] + worked, has[1] + failed)
        return found

    return {1: said(before), 2: said(after)}


def test_a_sure_fall_is_found_with_its_promotion() -> None:
    fall = fall_of_success(votes((18, 2), (3, 17)), [2])
    assert fall is not None
    assert fall.version == 2
    assert "fixes worked in 18% of the tries since version 2, 86% before" in fall.reason


@pytest.mark.parametrize(
    ("before", "after"),
    [((18, 2), (16, 4)), ((2, 18), (3, 17)), ((3, 17), (18, 2)), ((0, 0), (0, 20))],
    ids=["chance", "bad as ever", "better", "nothing before"],
)
def test_chance_is_no_fall(before: tuple[int, int], after: tuple[int, int]) -> None:
    assert fall_of_success(votes(before, after), [2]) is None


def test_nobody_brings_a_model_down_alone() -> None:
    honest = votes((18, 2), (10, 1))
    honest[2]["attacker"] = (0, 10_000)
    assert fall_of_success(honest, [2]) is None
    few = {1: honest[1], 2: {f"attacker{n}": (0, 10_000) for n in range(4)}}
    assert fall_of_success(few, [2]) is None


def test_who_tries_without_end_is_no_crowd() -> None:
    before = {f"a{n}": (2, 1) for n in range(10)}
    after = {f"b{n}": (2, 1) for n in range(6)}
    assert fall_of_success({1: before, 2: {**after, "loud": (0, 500)}}, [2]) is None
