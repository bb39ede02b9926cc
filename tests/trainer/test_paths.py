"""The linear path, the mixture and the scores."""

from __future__ import annotations

import numpy as np
import pytest

from fixstream.trainer.features import ErrorText, HashedTokenizer
from fixstream.trainer.mixture import EXPERTS, NETWORK, HeadMixture
from fixstream.trainer.scores import HeadScores
from fixstream.trainer.wide import Floats, Target, WidePath, class_balance, grams

TOKENIZER = HashedTokenizer()
NUM_BUCKETS = 4096
KINDS = ("connection refused", "certificate expired", "key missing")


def text(number: int) -> str:
    return f"{KINDS[number % 3]} in service{number % 11}"


def learn(wide: WidePath, count: int) -> None:
    for number in range(count):
        found = grams(TOKENIZER.encode(ErrorText(text(number))), NUM_BUCKETS)
        wide.learn([found], [{"severity": Target(number % 3, 1.0)}])
        wide.count([found])


def test_the_wide_path_learns_from_a_handful() -> None:
    wide = WidePath.fresh(NUM_BUCKETS)
    learn(wide, 12)
    for number in range(100, 110):
        found = grams(TOKENIZER.encode(ErrorText(text(number))), NUM_BUCKETS)
        assert wide.logits([found])["severity"][0].argmax() == number % 3


def test_a_head_without_a_label_learns_nothing() -> None:
    wide = WidePath.fresh(NUM_BUCKETS)
    learn(wide, 12)
    found = grams(TOKENIZER.encode(ErrorText("connection refused")), NUM_BUCKETS)
    assert not wide.logits([found])["domain"].any()


def learnt(wide: WidePath, message: str, index: int, weight: float = 1.0) -> Floats:
    """By how much one example moves what is said of its own text."""
    found = grams(TOKENIZER.encode(ErrorText(message)), NUM_BUCKETS)
    before = wide.logits([found])["severity"][0].copy()
    wide.learn([found], [{"severity": Target(index, weight)}])
    return np.asarray(wide.logits([found])["severity"][0] - before, np.float32)


def test_what_is_right_by_a_margin_moves_nothing() -> None:
    wide = WidePath.fresh(NUM_BUCKETS)
    for _ in range(30):
        learnt(wide, "disk full", 2)
    before = {name: array.copy() for name, array in wide.state().items()}
    for _ in range(30):
        learnt(wide, "disk full", 2)
    assert np.abs(wide.state()["weights"] - before["weights"]).max() < 0.01
    assert learnt(wide, "disk full", 4)[4] > 0.5


def test_a_word_known_for_long_moves_less_than_a_new_one() -> None:
    wide = WidePath.fresh(NUM_BUCKETS)
    for number in range(40):
        learnt(wide, "disk full", number % 2)
    assert learnt(wide, "socket closed", 4)[4] > 2 * learnt(wide, "disk full", 4)[4] > 0.0


def test_half_a_weight_moves_less_and_none_nothing() -> None:
    whole, half, none = (
        learnt(WidePath.fresh(NUM_BUCKETS), "disk full", 1, weight)[1] for weight in (1.0, 0.5, 0.0)
    )
    assert whole > half > none == 0.0


def test_a_few_rare_ones_are_kept_among_many_common_ones() -> None:
    wide = WidePath.fresh(NUM_BUCKETS)
    for number in range(300):
        learnt(wide, f"slow reply from host{number}", 0)
        if number in (10, 20, 30):
            learnt(wide, f"data lost on host{number}", 4)
    found = grams(TOKENIZER.encode(ErrorText("data lost on host999")), NUM_BUCKETS)
    assert wide.logits([found])["severity"][0].argmax() == 4


def test_an_empty_text_has_no_grams_and_does_no_harm() -> None:
    wide = WidePath.fresh(NUM_BUCKETS)
    found = grams(TOKENIZER.encode(ErrorText("")), NUM_BUCKETS)
    wide.learn([found], [{"severity": Target(1, 1.0)}])
    assert np.isfinite(wide.logits([found])["severity"]).all()


def test_the_same_word_in_type_and_message_is_told_apart() -> None:
    in_type = grams(TOKENIZER.encode(ErrorText("x", "timeout")), NUM_BUCKETS)
    in_message = grams(TOKENIZER.encode(ErrorText("timeout", "x")), NUM_BUCKETS)
    assert set(in_type.ids) != set(in_message.ids)


def test_rare_classes_weigh_more_up_to_a_cap() -> None:
    counts = np.array([97.0, 2.0, 0.0], np.float32)
    assert class_balance(counts, 0) < 1.0 < class_balance(counts, 1) <= 8.0


def one_hot(rows: list[int], confidence: float) -> Floats:
    logits = np.zeros((len(rows), 3), np.float32)
    logits[np.arange(len(rows)), rows] = confidence
    return logits


def test_the_expert_that_is_right_earns_the_weight() -> None:
    mixture = HeadMixture.fresh(3)
    truths = [number % 3 for number in range(600)]
    wrong = [(truth + 1) % 3 for truth in truths]
    for truth, other in zip(truths, wrong, strict=True):
        mixture.learn(
            {
                "network": one_hot([truth], 3.0),
                "wide": one_hot([other], 3.0),
                "memory": one_hot([other], 3.0),
            },
            [Target(truth, 1.0)],
        )
    assert mixture.weights["network"] > 1.0 > mixture.weights["wide"]


def test_the_temperature_makes_a_boaster_honest() -> None:
    random = np.random.default_rng(0)
    mixture, scores = HeadMixture.fresh(3), HeadScores(3)
    for _ in range(3000):
        answer = int(random.integers(3))
        truth = answer if random.random() < 0.6 else int(random.integers(3))
        logits = dict.fromkeys(EXPERTS, one_hot([answer], 8.0))
        scores.add(mixture.probabilities(logits)[0], truth, answer)
        mixture.learn(logits, [Target(truth, 1.0)])
    assert scores.calibration_error < 0.05
    assert scores.accuracy == pytest.approx(0.73, abs=0.05)


def test_sure_answers_may_be_too_sure_while_unsure_ones_are_right() -> None:
    random = np.random.default_rng(0)
    mixture = HeadMixture.fresh(2)
    confidences: dict[float, float] = {}
    for number in range(4000):
        claimed = (0.7, 0.99)[number % 2]
        is_right = random.random() < (0.7, 0.85)[number % 2]
        logit = float(np.log(claimed / (1.0 - claimed)))
        logits = dict.fromkeys(EXPERTS, np.array([[logit, 0.0]], np.float32) / 1.5)
        confidences[claimed] = float(mixture.probabilities(logits)[0, 0])
        mixture.learn(logits, [Target(0 if is_right else 1, 1.0)])
    assert confidences[0.7] == pytest.approx(0.7, abs=0.05)
    assert confidences[0.99] == pytest.approx(0.85, abs=0.05)


def test_a_mixture_of_old_had_one_temperature_for_all_confidences() -> None:
    state = dict(HeadMixture.fresh(2).state())
    del state["temperature_squares"]
    state["log_temperature"] = np.log(np.array([2.0], np.float32))
    assert HeadMixture(state, 2).temperature == pytest.approx(2.0)
    with pytest.raises(ValueError, match="temperatures"):
        HeadMixture({**state, "log_temperature": np.zeros(3, np.float32)}, 2)


def test_an_absent_expert_has_no_say() -> None:
    mixture = HeadMixture.fresh(3)
    alone = mixture.probabilities({"wide": one_hot([1], 4.0)})
    assert alone[0].argmax() == 1
    assert alone.sum() == pytest.approx(1.0)


def test_a_class_that_nobody_named_is_left_little_once_people_label() -> None:
    mixture = HeadMixture.fresh(3)
    unsure = {"wide": one_hot([0], 0.0)}
    assert mixture.probabilities(unsure)[0, 2] == pytest.approx(1 / 3)
    for number in range(40):
        mixture.learn(unsure, [Target(number % 2, 1.0)])
    assert mixture.probabilities(unsure)[0, 2] < 0.1
    for _ in range(40):
        mixture.learn(unsure, [Target(2, 1.0)])
    assert mixture.probabilities(unsure)[0, 2] > 0.25


def test_what_rules_claim_does_not_weigh_the_experts() -> None:
    mixture = HeadMixture.fresh(3)
    before = mixture.weights
    for truth in (0, 1, 2) * 20:
        logits = {"rules": one_hot([truth], 4.0), "wide": one_hot([0], 4.0)}
        mixture.learn(logits, [Target(truth, 0.5, is_claimed=True)])
    assert mixture.weights == before
    assert not mixture.is_told
    assert mixture.counts.tolist() == [10.0, 10.0, 10.0]


def test_the_network_earns_by_what_the_others_lack() -> None:
    mixture = HeadMixture.fresh(3)
    for truth in (0, 1, 2) * 100:
        silent = {expert: one_hot([0], 0.0) for expert in EXPERTS if expert != NETWORK}
        mixture.learn({**silent, NETWORK: one_hot([truth], 3.0)}, [Target(truth, 1.0)])
    assert mixture.network_gain > 0.1
    idle = HeadMixture.fresh(3)
    idle.learn({"wide": one_hot([1], 3.0)}, [Target(1, 1.0)])
    assert idle.network_gain == 0.0


def test_a_word_of_the_title_counts_more_than_one_of_the_body() -> None:
    in_title = grams(TOKENIZER.encode(ErrorText("quota\nfull")), NUM_BUCKETS)
    in_body = grams(TOKENIZER.encode(ErrorText("full\nquota")), NUM_BUCKETS)
    assert len(in_title.ids) == len(in_body.ids)
    assert set(in_title.ids) != set(in_body.ids)


def test_scores_of_known_answers() -> None:
    scores = HeadScores(3)
    sure = np.array([0.8, 0.1, 0.1], np.float32)
    for _ in range(2):
        scores.add(sure, 0, 0)
        scores.add(sure, 1, 0)
    assert scores.accuracy == pytest.approx(0.5, abs=0.01)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0) / 2, abs=0.01)
    assert scores.calibration_error == pytest.approx(0.3, abs=0.01)
