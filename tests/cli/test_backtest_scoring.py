"""The scores of a backtest, against an independent count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from fixstream.cli.backtest.scoring import LabelTally, RankTally, Scores

PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1)


@given(PAIRS)
def test_label_scores_are_those_of_the_field(pairs: list[tuple[str, str]]) -> None:
    tally = LabelTally()
    for truth, answer in pairs:
        tally.add(truth, answer, 0.5)
    truths, answers = [truth for truth, _ in pairs], [answer for _, answer in pairs]
    found = tally.summary()
    assert found["n"] == len(pairs)
    assert found["accuracy"] == pytest.approx(accuracy_score(truths, answers), abs=1e-4)
    assert found["macro_f1"] == pytest.approx(f1_score(truths, answers, average="macro"), abs=1e-4)


def test_calibration_error_is_the_gap_in_each_bin() -> None:
    tally = LabelTally()
    for answer in "aaab":  # Says 0.75 and is right in three of four: no gap.
        tally.add("a", answer, 0.75)
    assert tally.summary()["calibration_error"] == 0.0
    for _ in range(4):  # Says 1 and is never right.
        tally.add("a", "b", 1.0)
    assert tally.summary()["calibration_error"] == 0.5


def test_ranks() -> None:
    tally = RankTally()
    for place in (1, 4, 10, 20, None):
        tally.add(place)
    found = tally.summary()
    assert (found["recall_at_1"], found["recall_at_5"], found["recall_at_10"]) == (0.2, 0.4, 0.6)
    assert found["mrr"] == pytest.approx((1 + 1 / 4 + 1 / 10 + 1 / 20) / 5, abs=1e-4)
    assert found["n"] == 5


def test_nothing_counted_is_null_and_not_zero() -> None:
    assert set(LabelTally().summary().values()) == {0, None}
    assert set(RankTally().summary().values()) == {0, None}


@pytest.mark.parametrize(("num_labelled", "reported", "scored_after"), [(3, 3, 0), (5, 2, 3)])
def test_scores_start_after_the_warm_up_if_there_is_anything_behind_it(
    num_labelled: int, reported: int, scored_after: int
) -> None:
    scores = Scores(warm_up=3)
    for _ in range(num_labelled):
        scores.label("ours", "severity", "low", "low", 1.0)
        scores.rank("ours", "duplicates", 1)
        scores.labelled()
    assert scores.scored_after == scored_after
    assert scores.board.of_labels("ours", ("severity",))["severity"]["n"] == reported
    assert scores.board.of_ranks("ours", "duplicates")["n"] == reported
