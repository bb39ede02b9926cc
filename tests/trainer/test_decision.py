"""Answers that raise macro-F1, and what is counted for them; the counting paths beside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixstream.trainer.bayes import BayesPath
from fixstream.trainer.claims import NO_CLAIMS, claimed, claims_of, service_sign
from fixstream.trainer.decision import Board
from fixstream.trainer.features import Encoded, Special
from fixstream.trainer.network import HEADS
from fixstream.trainer.pace import PaceConfig
from fixstream.trainer.signs import signs
from fixstream.trainer.tallies import Tallies
from fixstream.trainer.wide import Floats, Target

SEVERITIES = HEADS["severity"]
DOMAINS = HEADS["domain"]


def board(num_classes: int) -> Board:
    return Board(np.zeros((Board.NUM_TALLIES, num_classes), np.float32))


def macro_f1(truths: list[int], answers: list[int]) -> float:
    scores = []
    for one in set(truths) | set(answers):
        hits = sum(t == a == one for t, a in zip(truths, answers, strict=True))
        scores.append(2 * hits / (truths.count(one) + answers.count(one)))
    return sum(scores) / len(scores)


def test_a_rare_class_is_answered_where_that_raises_macro_f1() -> None:
    """One error in ten is grave, and no text ever makes that more likely than not."""
    random = np.random.default_rng(0)
    found = board(3)
    truths: list[int] = []
    answers: list[int] = []
    likeliest: list[int] = []
    for _ in range(4000):
        p = 0.4 if random.random() < 0.2 else 0.03
        shares = np.array([1 - p, p, 0.0], np.float32)
        truth = int(random.random() < p)
        answer = int(found.choices(shares[None])[0]) if truths else 0
        found.add(shares, answer, truth)
        truths.append(truth)
        answers.append(answer)
        likeliest.append(int(shares.argmax()))
    assert macro_f1(truths, answers) > macro_f1(truths, likeliest) + 0.1
    assert 2 not in answers


def test_a_class_that_nobody_ever_named_is_never_answered() -> None:
    found = board(2)
    found.add(np.array([0.5, 0.5], np.float32), 0, 0)
    assert found.choices(np.array([[0.01, 0.99]], np.float32))[0] == 0


def texts(*ids: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Floats]:
    return np.array(ids, np.int64), np.full(len(ids), 1 / np.sqrt(len(ids)), np.float32)


def only(head: str, index: int, weight: float = 1.0) -> dict[str, Target]:
    return {name: Target(index, weight if name == head else 0.0) for name in HEADS}


def test_one_text_is_enough_for_the_bayes_path_to_know_a_word() -> None:
    bayes = BayesPath.fresh(64)
    for _ in range(10):
        bayes.add(texts(1, 2)[0], only("severity", 0))
    bayes.add(texts(3, 2)[0], only("severity", 4))
    said = bayes.logits([texts(3), texts(1)])["severity"]
    assert (said[0] - said[1])[4] > (said[0] - said[1])[0]
    assert not np.ptp(bayes.logits([texts(3)])["domain"])


def test_a_common_word_is_no_sign_against_a_class_that_was_hardly_seen() -> None:
    bayes = BayesPath.fresh(64)
    for _ in range(100):
        bayes.add(texts(1, 2)[0], only("severity", 0))
    bayes.add(texts(3, 4)[0], only("severity", 4))
    said = bayes.logits([texts(1), texts(5), texts(3)])["severity"][:, [0, 4]]
    common, new, rare = said[:, 1] - said[:, 0]
    assert rare > new > common > new - 3.0


def signed(service: str | None, claims: tuple[int, int, int] = NO_CLAIMS) -> Encoded:
    return Encoded((1,), service_id=service_sign(service), claims=claims)


def test_a_service_is_judged_by_its_own_past() -> None:
    tallies = Tallies.fresh()
    for _ in range(30):
        tallies.add(signed("payments"), only("severity", 3))
        tallies.add(signed("blog"), only("severity", 0))
    said = tallies.logits([signed("payments"), signed("blog"), signed(None)])["signs"]
    assert said["severity"].argmax(axis=1).tolist()[:2] == [3, 0]
    assert np.exp(said["severity"][2, [0, 3]]) == pytest.approx([0.5, 0.5], abs=0.05)


def test_what_a_rule_claims_tells_nothing_of_a_service() -> None:
    tallies = Tallies.fresh()
    claimed_only = {
        head: replace(target, is_claimed=True) for head, target in only("severity", 3).items()
    }
    for _ in range(30):
        tallies.add(signed("payments"), claimed_only)
        tallies.add(signed("blog"), only("severity", 0))
    of_payments, of_blog = tallies.logits([signed("payments"), signed("blog")])["signs"]["severity"]
    of_new = tallies.logits([signed("new")])["signs"]["severity"][0]
    assert of_payments == pytest.approx(of_new)
    assert of_blog[0] > of_new[0]


def shaped(title_words: int, trace_words: int, first_word: int) -> Encoded:
    title = range(first_word, first_word + title_words)
    trace = range(first_word + 50, first_word + 50 + trace_words)
    return Encoded((Special.START, Special.MESSAGE, *title, Special.TRACE, *trace))


def test_the_shape_of_an_error_tells_where_all_its_words_are_new() -> None:
    tallies = Tallies.fresh()
    for number in range(40):
        tallies.add(shaped(4, 60, 1000 + 200 * number), only("severity", 3))
        tallies.add(shaped(12, 1, 1100 + 200 * number), only("severity", 0))
    said = tallies.logits([shaped(4, 60, 20_000), shaped(12, 1, 30_000)])["signs"]["severity"]
    assert said.argmax(axis=1).tolist() == [3, 0]


def test_signs_are_a_function_of_shape_service_type_and_claims() -> None:
    one = shaped(4, 60, 1000)
    assert signs(one).tolist() == signs(shaped(4, 60, 5000)).tolist()
    others = (
        replace(one, service_id=7),
        replace(one, claims=(3, 0, 0)),
        replace(one, claims=(0, 0, 3)),
        replace(one, token_ids=(Special.TYPE, 77, *one.token_ids)),
        replace(one, token_ids=(*one.token_ids, *[Special.NUMBER] * 3)),
    )
    assert all(len(signs(other)) == len(signs(one)) for other in others)
    assert len({tuple(signs(other).tolist()) for other in (one, *others)}) == len(others) + 1
    assert len(signs(Encoded((Special.START,)))) == len(signs(one))


def test_a_rule_is_believed_until_people_say_otherwise() -> None:
    claims = claims_of("Access denied: token expired", "PermissionError", None)
    index, confidence = claimed(claims[1])
    assert (DOMAINS[index], confidence > 0.5) == ("security", True)
    tallies = Tallies.fresh()
    one = signed(None, claims)
    assert DOMAINS[int(tallies.logits([one])["rules"]["domain"][0].argmax())] == "security"
    for _ in range(60):
        tallies.add(one, only("domain", DOMAINS.index("general")))
    assert DOMAINS[int(tallies.logits([one])["rules"]["domain"][0].argmax())] == "general"


def test_a_claim_knows_no_hint_and_reads_the_trace_in_a_message() -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: 1'
    assert claims_of(trace, None, None) == claims_of("failed", None, trace)


def test_arrays_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        Tallies({**Tallies.fresh().state(), "common": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match="counts"):
        BayesPath(BayesPath.fresh(8).state(), 16)


def test_the_network_trains_as_often_as_it_earns() -> None:
    pace = PaceConfig(first_blocks=10)

    def share(gain: float) -> float:
        return sum(pace.trains_on(block, gain) for block in range(11, 611)) / 600

    assert all(pace.trains_on(block, -1.0) for block in range(1, 11))
    assert (share(0.02), share(0.005)) == (1.0, 0.5)
    assert share(0.0) == pytest.approx(1 / 6)
