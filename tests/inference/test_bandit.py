"""The bandit: learns from outcomes, estimates off policy, and cannot be flooded."""

from __future__ import annotations

import random

import pytest

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


def test_the_estimates_hold_the_truth_though_arms_were_drawn_unevenly() -> None:
    estimates = taught(OrderBandit(0.1, seed=2), 1200).estimates()
    for arm, truth in TRUTH.items():
        estimate = estimates[arm]
        assert estimate is not None
        assert estimate.low - 0.02 <= truth <= estimate.high + 0.02
        assert estimate.high - estimate.low < 0.5


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
