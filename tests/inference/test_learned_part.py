"""The learned part: vectors follow the model in the background, and count what they have earned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from fixstream.inference.earning import MIN_TRIALS, WEIGHTS, earned_weight
from fixstream.inference.embedder import Embedder, ModelEncoder
from fixstream.inference.judging import LearnedPartJudge
from fixstream.inference.served import ErrorText, Prediction, Vectors
from fixstream.inference.suggest import inquiry_from_record
from fixstream.schemas.records import FixFeedback
from support.inference import WHEN, FakeModel, Service, prediction, service, solution, triaged

DIM = 64


class KnowingModel(FakeModel):
    """Embeds an error and its fix alike, by the number that both carry."""

    def embed_solutions(self, texts: Sequence[str]) -> Vectors:
        return np.stack([_vector(text) for text in texts])

    def predict(self, texts: Sequence[ErrorText]) -> list[Prediction]:
        plain = prediction(self.version, dim=DIM)
        return [replace(plain, embedding=_vector(text.message)) for text in texts]


class IgnorantModel(KnowingModel):
    """Embeds an error as some other fix."""

    def predict(self, texts: Sequence[ErrorText]) -> list[Prediction]:
        plain = prediction(self.version, dim=DIM)
        return [replace(plain, embedding=np.roll(_vector(text.message), 7)) for text in texts]


def _vector(text: str) -> Vectors:
    number = int(text.split("case")[1].split(maxsplit=1)[0]) if "case" in text else 0
    vector = np.zeros(DIM, np.float32)
    vector[number % DIM] = 1.0
    return vector


def _embedder(running: Service) -> Embedder:
    knowledge, slot = running.knowledge, running.slot
    judge = LearnedPartJudge(knowledge, slot, running.suggester, running.evidence)
    return Embedder(knowledge, knowledge.learned, ModelEncoder(slot), caught_up=judge.look)


def _confirm_cases(running: Service, count: int) -> None:
    """Errors whose right fix words alone cannot tell from the others."""
    for number in range(count):
        running.knowledge.put(solution(f"fix-{number:03}", "ledger broken", f"Mend case{number} ."))
    running.knowledge.commit()
    for number in range(count):
        record = triaged(f"e{number}", "the ledger is broken again")
        group = f"v1-{number:016x}"
        # What the model reads tells the cases apart; the words do not.
        inquiry = replace(
            inquiry_from_record(record), fingerprint=group, text=ErrorText(f"case{number}")
        )
        running.suggester.advise((0, "public", group), inquiry, None)
        running.evidence.add(
            FixFeedback(
                feedback_id=f"f{number}",
                error_id=f"e{number}",
                solution_id=f"fix-{number:03}",
                solution_worked=True,
                submitted_at=WHEN,
                submitter="somebody",
            ),
            group,
        )


@pytest.mark.parametrize(
    ("model", "earns"), [(KnowingModel(1, DIM), True), (IgnorantModel(1, DIM), False)]
)
def test_the_learned_part_counts_what_it_has_earned(model: FakeModel, earns: bool) -> None:
    with service() as running:
        _confirm_cases(running, MIN_TRIALS + 10)
        running.slot.swap(model)
        assert running.suggester.learned_weight == 0
        _embedder(running).catch_up()
        assert running.knowledge.learned.version == 1
        assert (running.suggester.learned_weight > 0) is earns


def test_a_few_confirmations_earn_nothing() -> None:
    with service() as running:
        _confirm_cases(running, MIN_TRIALS - 1)
        running.slot.swap(KnowingModel(1, DIM))
        _embedder(running).catch_up()
        assert running.suggester.learned_weight == 0


def test_chance_earns_nothing() -> None:
    chosen = np.random.default_rng(5)
    trials = chosen.choice([0.2, 0.5, 1.0], size=(200, len(WEIGHTS))).tolist()
    assert earned_weight(trials) == 0


def test_vectors_follow_the_model_and_the_fixes() -> None:
    with service() as running:
        embedder = _embedder(running)
        running.knowledge.put(solution("a", "case1"))
        embedder.catch_up()
        assert running.knowledge.learned.version == 0, "without a model there are none"
        running.slot.swap(KnowingModel(1, DIM))
        embedder.catch_up()
        assert running.knowledge.learned.version == 1
        running.knowledge.put(solution("b", "case2"))
        running.slot.swap(KnowingModel(2, DIM))
        assert running.knowledge.learned.version == 1, "the old ones stay until the new are ready"
        embedder.catch_up()
        assert running.knowledge.learned.version == 2
