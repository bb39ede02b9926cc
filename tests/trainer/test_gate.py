"""The gate: certain losses are caught, chance is not, and the set is fair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fixstream.schemas.enums import UpdateKind
from fixstream.trainer.examples import LearningExample
from fixstream.trainer.features import Encoded
from fixstream.trainer.gate import Answers, Cost, CostLimits, ValidationSet, Verdict, within
from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import Floats

MARGIN = 0.05


def member(number: int, severity: int) -> LearningExample:
    return LearningExample(
        Encoded((1, number + 20)), (0, 0, severity), (0.0, 0.0, 1.0), group=number + 1
    )


def validation(count: int = 60) -> ValidationSet:
    found = ValidationSet(size=count, held_out_share=1.0)
    for number in range(count):
        found.add(member(number, number % 3))
    return found


def probabilities(answers: list[int]) -> dict[str, Floats]:
    """Each head's answer with 90 % confidence."""
    found = {}
    for head, classes in HEADS.items():
        rows = np.full((len(answers), len(classes)), 0.1 / (len(classes) - 1), np.float32)
        rows[np.arange(len(answers)), answers] = 0.9
        found[head] = rows
    return found


def answers(gate: ValidationSet, wrong: set[int]) -> Answers:
    return gate.score(
        probabilities(
            [
                (one.classes[2] + 1) % 3 if number in wrong else one.classes[2]
                for number, one in enumerate(gate.members)
            ]
        )
    )


def test_the_first_candidate_has_nobody_to_beat() -> None:
    gate = validation()
    verdict = gate.judge(answers(gate, set(range(60))), MARGIN)
    assert verdict.kind is UpdateKind.PROMOTED
    assert verdict.metrics["validation.severity.accuracy"] == 0.0
    assert "validation.domain.accuracy" not in verdict.metrics


def test_a_certain_fall_is_rejected_with_its_reason() -> None:
    gate = validation()
    gate.crown(answers(gate, set()))
    verdict = gate.judge(answers(gate, set(range(0, 60, 2))), MARGIN)
    assert verdict.kind is UpdateKind.REJECTED
    assert verdict.reason is not None
    assert verdict.reason.startswith("accuracy of severity is worse by 0.500 on 60 examples")


def test_one_class_alone_can_forbid_promotion() -> None:
    gate = validation(240)
    champion_wrong = {n for n in range(240) if n % 3 == 1 and n < 45}
    gate.crown(answers(gate, champion_wrong))
    forgotten = {n for n in range(240) if n % 3 == 2 and n < 45}
    verdict = gate.judge(answers(gate, forgotten), MARGIN)
    assert verdict.reason is not None
    assert "recall of severity high" in verdict.reason


def test_right_answers_of_which_it_is_less_sure_forbid_promotion() -> None:
    gate = validation()
    sure = answers(gate, set())
    gate.crown(sure)
    verdict = gate.judge(Answers(sure.hits, sure.losses + 0.2), MARGIN)
    assert (verdict.kind, verdict.reason) == (
        UpdateKind.REJECTED,
        "log loss of severity is worse by 0.200 on 60 examples",
    )
    assert gate.judge(Answers(sure.hits, sure.losses + 0.04), MARGIN).kind is UpdateKind.PROMOTED


def test_a_few_flips_in_both_directions_are_chance() -> None:
    gate = validation()
    gate.crown(answers(gate, {1, 2, 3}))
    assert gate.judge(answers(gate, {4, 5, 6, 7}), MARGIN).kind is UpdateKind.PROMOTED


def test_members_that_joined_later_are_not_compared() -> None:
    gate = validation(20)
    gate.crown(answers(gate, set()))
    for number in range(20, 60):
        gate.add(member(number, number % 3))
    verdict = gate.judge(answers(gate, set(range(20, 60))), MARGIN)
    assert verdict.kind is UpdateKind.PROMOTED


def test_it_holds_out_by_the_events_id_balanced_over_classes_up_to_its_size() -> None:
    gate = ValidationSet(size=30, held_out_share=0.5)
    num_wanted = 0
    for number in range(2000):
        # One error in twenty is of the rare class.
        candidate = member(number, 2 if number % 20 == 0 else 0)
        if gate.wants(candidate, f"event-{number}"):
            gate.add(candidate)
            num_wanted += 1
    severities = [one.classes[2] for one in gate.members]
    assert len(gate.members) == num_wanted <= 30
    assert severities.count(2) >= 10
    nothing_known = LearningExample(Encoded((1,)), (0, 0, 0), (0.0, 0.0, 0.0), group=1)
    empty = ValidationSet(size=30, held_out_share=1.0)
    assert not empty.wants(nothing_known, "event-1")


def test_it_resumes_with_members_and_champion() -> None:
    gate = validation()
    champion = answers(gate, {1})
    resumed = ValidationSet(size=60, held_out_share=1.0)
    resumed.load_state_tensors(gate.state_tensors(champion))
    assert resumed.members == gate.members
    np.testing.assert_array_equal(resumed.champion.hits, champion.hits)


def test_falls_within_the_margin_may_not_add_up() -> None:
    gate = validation(240)
    gate.crown(answers(gate, set()))
    kinds = []
    for step in range(1, 9):
        wrong = set(range(3 * step))
        verdict = gate.judge(answers(gate, wrong), MARGIN)
        kinds.append(verdict.kind)
        if verdict.kind is UpdateKind.REJECTED:
            break
        gate.crown(answers(gate, wrong))
    assert kinds[0] is UpdateKind.PROMOTED
    assert kinds[-1] is UpdateKind.REJECTED
    assert verdict.reason is not None
    assert verdict.reason.endswith("against the best champion so far")
    # A restart, also one that promotes at the same moment, knows the best one still.
    resumed = ValidationSet(size=240, held_out_share=1.0)
    resumed.load_state_tensors(gate.state_tensors(gate.champion))
    assert resumed.judge(answers(resumed, wrong), MARGIN).reason == verdict.reason


def test_a_better_champion_becomes_the_one_to_beat() -> None:
    gate = validation(60)
    gate.crown(answers(gate, set(range(30))))
    gate.crown(answers(gate, set()))
    gate.crown(answers(gate, set(range(4))))
    verdict = gate.judge(answers(gate, set(range(20))), MARGIN)
    assert verdict.kind is UpdateKind.REJECTED


def test_no_source_fills_the_set_alone() -> None:
    gate = ValidationSet(size=40, held_out_share=1.0)
    for number in range(400):
        classes = (number % 12, 0, 0)  # So many that each may have its four places.
        candidate = replace(member(number, 0), classes=classes, weights=(1.0, 0.0, 0.0))
        source = "rest" if number < 200 else ("reddit", "github")[number % 2]
        if gate.wants(candidate, f"event-{number}", source):
            gate.add(candidate, source)
        if number == 199:
            assert len(gate.members) == 30
    assert len(gate.members) == 40
    resumed = ValidationSet(size=50, held_out_share=1.0)
    resumed.load_state_tensors(gate.state_tensors(gate.champion))
    assert not resumed.wants(member(500, 0), "event-500", "rest")


def test_a_candidate_that_costs_much_more_is_rejected_with_the_reason() -> None:
    promoted = Verdict(UpdateKind.PROMOTED, None, {})
    champion, limits = Cost(1000, 0.01), CostLimits(size_factor=1.5, latency_factor=2.0)
    for cost, reason in (
        (Cost(1600, 0.01), "size is 1.60 times the champion's, above 1.5 times"),
        (Cost(1000, 0.03), "latency is 3.00 times the champion's, above 2 times"),
    ):
        verdict = within(limits, promoted, cost, champion)
        assert (verdict.kind, verdict.reason) == (UpdateKind.REJECTED, reason)
    for cost, beside in (
        (Cost(1400, 0.019), champion),
        (Cost(9000, 9.0), None),
        (Cost(1000, 9.0), Cost(1000, 0.0)),
    ):
        assert within(limits, promoted, cost, beside) is promoted
    assert Cost.of(champion.metrics("champion_cost"), "champion_cost") == champion
    assert Cost.of({}, "champion_cost") is None
