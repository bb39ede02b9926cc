"""The bandit: learns from outcomes, estimates off policy, and cannot be flooded."""

from __future__ import annotations

import random

import pytest

from fixstream.inference import bandit as bandit_module
from fixstream.inference.bandit import (
    ARMS,
    MAX_VOICES_OF_ONE,
    MIN_OUTCOMES,
    Draw,
    OrderBandit,
    reordered,
)
from fixstream.inference.ranking import Candidate, Ranked
from support.inference import solution

TRUTH = {"likeliest": 0.4, "best_voted": 0.8, "best_titled": 0.3}


def taught(bandit: OrderBandit, num: int = 600) -> OrderBandit:
    chance = random.Random(5)
    for number in range(num):
        draw = bandit.draw()
        worked = chance.random() < TRUTH[draw.arm]
        bandit.learn(draw, worked, f"person-{number}", f"error-{number}")
    return bandit


def propensities(bandit: OrderBandit) -> dict[str, float]:
    drawn = [bandit.draw() for _ in range(300)]
    return {one.arm: one.propensity for one in drawn}


def test_it_comes_to_draw_what_works_and_keeps_trying_the_rest() -> None:
    chances = propensities(taught(OrderBandit(0.05, seed=1)))
    assert chances["best_voted"] > 0.8
    assert all(chance >= 0.05 for chance in chances.values())


def test_without_a_floor_the_best_so_far_is_taken_for_sure() -> None:
    bandit = OrderBandit(0.0, seed=1)
    assert {bandit.draw() for _ in range(50)} == {Draw("likeliest", 1.0)}
    for number in range(MIN_OUTCOMES):
        bandit.learn(Draw("best_titled", 0.2), True, f"p{number}", f"e{number}")
    assert {bandit.draw() for _ in range(50)} == {Draw("best_titled", 1.0)}


def test_nothing_is_tried_while_nobody_tells_what_worked() -> None:
    assert propensities(OrderBandit(0.1, seed=1)) == {"likeliest": 1.0}


def lower_bound(num: int, share: float) -> int:
    """So few of `num` come with a chance of one in ten thousand, if each comes with `share`."""
    chance, total = share**num, 0.0
    # From the top down: P(k) for k = num, num - 1, ...
    for count in range(num, -1, -1):
        total += chance
        if total > 1 - 1e-4:
            return count
        chance *= count / (num - count + 1) * (1 - share) / share
    return 0


@pytest.mark.parametrize(
    ("truth", "num"),
    [(TRUTH, 60), (TRUTH, 150), (dict.fromkeys(ARMS, 0.5), 60), (dict.fromkeys(ARMS, 0.95), 60)],
    ids=["few", "many", "no difference", "nearly always"],
)
def test_the_intervals_hold_the_truth_in_95_percent_of_histories(
    monkeypatch: pytest.MonkeyPatch, truth: dict[str, float], num: int
) -> None:
    """Arms are drawn unevenly, and by what came before: the estimates must not mind."""
    monkeypatch.setattr(bandit_module, "NUM_SIMULATIONS", 10)  # As right, coarser, and quick.
    num_held = num_intervals = 0
    widths = []
    for seed in range(80):
        bandit, chance = OrderBandit(0.1, seed), random.Random(1000 + seed)
        for number in range(num):
            draw = bandit.draw()
            bandit.learn(draw, chance.random() < truth[draw.arm], f"p{number}", f"e{number}")
        for arm, estimate in bandit.estimates().items():
            if estimate is not None:
                num_intervals += 1
                num_held += estimate.low <= truth[arm] <= estimate.high
                widths.append(estimate.high - estimate.low)
    assert num_intervals > 200
    assert num_held >= lower_bound(num_intervals, 0.95)
    assert sum(widths) / len(widths) < 0.6, "an interval that holds everything says nothing"


def test_the_interval_of_equal_weights_is_wilson_s() -> None:
    bandit = OrderBandit(0.1, seed=1)
    for number in range(10):
        bandit.learn(Draw("likeliest", 0.5), number < 8, f"p{number}", f"e{number}")
    estimate = bandit.estimates()["likeliest"]
    assert estimate is not None
    # The textbook's figures for 8 of 10.
    assert estimate.success == pytest.approx(0.8)
    assert (estimate.low, estimate.high) == pytest.approx((0.4902, 0.9433), abs=5e-4)


def test_a_flood_from_one_submitter_moves_nothing() -> None:
    bandit = taught(OrderBandit(0.05, seed=3))
    before = propensities(bandit)
    counted = [
        bandit.learn(Draw("best_titled", 0.05), True, "flooder", f"flood-{number}")
        for number in range(5000)
    ]
    assert sum(counted) == MAX_VOICES_OF_ONE
    assert abs(propensities(bandit)["best_voted"] - before["best_voted"]) < 0.1


def test_one_error_is_one_voice() -> None:
    bandit = OrderBandit(0.05, seed=3)
    assert bandit.learn(Draw("likeliest", 0.5), True, "a", "e")
    assert not bandit.learn(Draw("likeliest", 0.5), False, "a", "e")
    assert not bandit.learn(Draw("no such arm", 0.5), True, "b", "e")
    assert not bandit.learn(Draw("likeliest", 0.0), True, "b", "e")


def ranked(name: str, score: float, votes: int, answered: float, *matched: str) -> Ranked:
    made = solution(name, name, votes=votes)
    candidate = Candidate(made, frozenset(), 1.0, 0.5, 0.5, answered, ())
    return Ranked(candidate, score, matched)


def names(found: list[Ranked]) -> list[str]:
    return [one.candidate.solution.solution_id for one in found]


def test_an_arm_reorders_what_is_about_as_likely_and_shows_nothing_else() -> None:
    shown = [ranked("a", 0.6, 1, 0.2), ranked("b", 0.5, 9, 0.3), ranked("c", 0.2, 99, 0.9)]
    assert names(reordered(shown, "likeliest")) == ["a", "b", "c"]
    assert names(reordered(shown, "best_voted")) == ["b", "a", "c"]
    for arm in ARMS:
        assert sorted(names(reordered(shown, arm))) == ["a", "b", "c"]
        assert reordered([], arm) == []


def test_what_worked_for_the_group_stays_first() -> None:
    shown = [ranked("a", 0.6, 1, 0.2, "worked for this group"), ranked("b", 0.6, 9, 0.3)]
    assert names(reordered(shown, "best_voted")) == ["a", "b"]


def test_a_floor_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="no probability"):
        OrderBandit(0.4, seed=1)
