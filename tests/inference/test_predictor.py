"""The predictor: small batches of one model, bounded waiting, and no threads left."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from fixstream.inference.predictor import Overloaded, Predictor, PredictorConfig
from fixstream.inference.served import ErrorText
from fixstream.inference.slot import ModelSlot
from fixstream.runtime.clock import SettableClock, SystemClock
from support.deadlines import eventually
from support.inference import FakeModel

TEXT = ErrorText("connection refused")


def slot_with(model: FakeModel) -> ModelSlot:
    slot = ModelSlot()
    slot.swap(model)
    return slot


def test_without_a_model_the_answer_is_none_at_once() -> None:
    with Predictor(ModelSlot(), SystemClock()) as predictor:
        assert predictor.submit(TEXT).result(1) is None


def test_what_comes_during_a_batch_forms_the_next_one() -> None:
    model = FakeModel(1)
    model.gate = threading.Event()
    with Predictor(slot_with(model), SystemClock(), PredictorConfig(max_batch=8)) as predictor:
        first = predictor.submit(TEXT)
        eventually(lambda: predictor.num_waiting == 0)
        rest = [predictor.submit(TEXT) for _ in range(11)]
        model.gate.set()
        for answer in (first, *rest):
            assert answer.result(5) is not None
    assert model.batches == [1, 8, 3]


def test_one_too_many_is_refused_before_it_waits() -> None:
    model = FakeModel(1)
    model.gate = threading.Event()
    config = PredictorConfig(max_waiting=2)
    with Predictor(slot_with(model), SystemClock(), config) as predictor:
        predictor.submit(TEXT)
        eventually(lambda: predictor.num_waiting == 0)
        waiting = [predictor.submit(TEXT) for _ in range(2)]
        with pytest.raises(Overloaded):
            predictor.submit(TEXT)
        model.gate.set()
        assert all(answer.result(5) for answer in waiting)


def test_what_waited_past_its_deadline_is_given_up() -> None:
    model, clock = FakeModel(1), SettableClock()
    model.gate = threading.Event()
    with Predictor(slot_with(model), clock, PredictorConfig(deadline_s=5)) as predictor:
        first = predictor.submit(TEXT)
        eventually(lambda: predictor.num_waiting == 0)
        late = predictor.submit(TEXT)
        clock.advance(6)
        model.gate.set()
        assert first.result(5) is not None
        with pytest.raises(Overloaded):
            late.result(5)


def test_a_model_that_fails_fails_its_batch_only() -> None:
    class Failing(FakeModel):
        def predict(self, texts):  # type: ignore[no-untyped-def]
            if not self.batches:
                self.batches.append(0)
                raise RuntimeError("broken")
            return super().predict(texts)

    with Predictor(slot_with(Failing(1)), SystemClock()) as predictor:
        with pytest.raises(RuntimeError):
            predictor.submit(TEXT).result(5)
        assert predictor.submit(TEXT).result(5) is not None


def test_one_bad_text_does_not_fail_its_neighbours() -> None:
    class Choosy(FakeModel):
        def predict(self, texts):  # type: ignore[no-untyped-def]
            if any(text.message == "bad" for text in texts):
                raise RuntimeError("bad")
            return super().predict(texts)

    model = Choosy(1)
    model.gate = threading.Event()
    with Predictor(slot_with(model), SystemClock()) as predictor:
        predictor.submit(TEXT)
        eventually(lambda: predictor.num_waiting == 0)
        answers = [predictor.submit(ErrorText(text)) for text in ("good", "bad", "good")]
        model.gate.set()
        assert answers[0].result(5) is not None
        assert answers[2].result(5) is not None
        with pytest.raises(RuntimeError):
            answers[1].result(5)


def test_a_caller_who_went_away_costs_nothing() -> None:
    model = FakeModel(1)
    model.gate = threading.Event()
    with Predictor(slot_with(model), SystemClock()) as predictor:
        predictor.submit(TEXT)
        eventually(lambda: predictor.num_waiting == 0)
        gone = predictor.submit(TEXT)
        assert gone.cancel()
        model.gate.set()
        assert predictor.submit(TEXT).result(5) is not None
    with pytest.raises(CancelledError):
        gone.result(0)
