"""The arithmetic is chosen by measurement, and never one that answers otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from fixstream.inference import arithmetic, metrics
from fixstream.inference.arithmetic import Arithmetic, Chooser, agreement, fastest, prepared
from fixstream.inference.loading import SMOKE_TEXTS
from fixstream.trainer.features import HashedTokenizer, TokenizerConfig
from fixstream.trainer.model import TrainedModel
from support.inference import TINY

TOKENIZER = HashedTokenizer(
    TokenizerConfig(vocab_size=TINY.vocab_size, max_tokens=TINY.max_sequence_length)
)


@pytest.fixture
def model() -> TrainedModel:
    return TrainedModel.fresh(TINY, TOKENIZER, seed=3)


def again(model: TrainedModel) -> TrainedModel:
    return TrainedModel.from_tensors(TINY, TOKENIZER.to_json(), model.tensors())


@pytest.mark.parametrize("wanted", list(Arithmetic))
def test_every_arithmetic_answers_alike(model: TrainedModel, wanted: Arithmetic) -> None:
    exact = model.predict(SMOKE_TEXTS)
    variant = prepared(model, wanted, lambda: again(model))
    assert agreement(exact, variant.predict(SMOKE_TEXTS)) > 0.98
    assert agreement(exact, model.predict(SMOKE_TEXTS)) == pytest.approx(1.0, abs=1e-5)


def test_a_fast_one_that_answers_otherwise_is_not_taken(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quick_if_not_exact(variants: dict[Arithmetic, TrainedModel], _: object) -> object:
        return {one: 1.0 if one is Arithmetic.FLOAT32 else 0.1 for one in variants}

    other = TrainedModel.fresh(TINY, TOKENIZER, seed=4)
    monkeypatch.setattr(arithmetic, "_best_seconds", quick_if_not_exact)
    assert fastest(model, lambda: again(other), SMOKE_TEXTS).arithmetic is Arithmetic.FLOAT32
    chosen = fastest(model, lambda: again(model), SMOKE_TEXTS)
    assert chosen.arithmetic is not Arithmetic.FLOAT32
    assert chosen.hopeless == frozenset()


def test_what_is_far_slower_is_not_measured_again(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_if_bfloat16(variants: dict[Arithmetic, TrainedModel], _: object) -> object:
        return {one: 9.0 if one is Arithmetic.BFLOAT16 else 1.0 for one in variants}

    monkeypatch.setattr(arithmetic, "_best_seconds", slow_if_bfloat16)
    chosen = fastest(model, lambda: again(model), SMOKE_TEXTS)
    assert chosen.hopeless == {Arithmetic.BFLOAT16}
    assert chosen.arithmetic is Arithmetic.FLOAT32
    asked: list[set[Arithmetic]] = []

    def noted(variants: dict[Arithmetic, object], _: object) -> dict[Arithmetic, float]:
        asked.append(set(variants))
        return dict.fromkeys(variants, 1.0)

    monkeypatch.setattr(arithmetic, "_best_seconds", noted)
    fastest(model, lambda: again(model), SMOKE_TEXTS, chosen.hopeless)
    assert asked == [{Arithmetic.FLOAT32, Arithmetic.INT8}]


def test_two_measurements_that_agree_are_enough_but_each_model_is_checked(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_measured = 0

    def int8_is_quick(variants: dict[Arithmetic, TrainedModel], _: object) -> object:
        nonlocal num_measured
        num_measured += 1
        return {one: 0.1 if one is Arithmetic.INT8 else 1.0 for one in variants}

    monkeypatch.setattr(arithmetic, "_best_seconds", int8_is_quick)
    chooser, exact = Chooser(), model.predict(SMOKE_TEXTS)
    other = TrainedModel.fresh(TINY, TOKENIZER, seed=4)
    chosen = [
        chooser.choose(model, exact, lambda: again(model), SMOKE_TEXTS).arithmetic for _ in range(4)
    ]
    assert chosen == [Arithmetic.INT8] * 4
    assert num_measured == 2
    # A model whose int8 answers otherwise is served exactly.
    unsafe = chooser.choose(model, exact, lambda: again(other), SMOKE_TEXTS)
    assert (unsafe.arithmetic, unsafe.model) == (Arithmetic.FLOAT32, model)
    assert num_measured == 2


@dataclass
class BusyMachine:
    """Time as a loader sees it that others keep from working: it waits longer than it works."""

    worked_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)

    def thread_time(self) -> float:
        return self.worked_s

    def perf_counter(self) -> float:
        return self.worked_s + sum(self.waits_s)


@dataclass
class Working:
    """A model that works for so long, after it had to wait."""

    machine: BusyMachine
    works_s: float
    waits_s: float

    def predict(self, texts: object) -> None:
        self.machine.waits_s.append(self.waits_s)
        self.machine.worked_s += self.works_s


def test_what_others_do_on_the_machine_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = BusyMachine()
    monkeypatch.setattr(arithmetic, "time", machine)
    variants = {
        Arithmetic.FLOAT32: Working(machine, works_s=0.02, waits_s=0.0),
        Arithmetic.INT8: Working(machine, works_s=0.005, waits_s=1.0),
    }
    seconds = arithmetic._best_seconds(cast("dict[Arithmetic, TrainedModel]", variants), [])
    assert seconds == {
        Arithmetic.FLOAT32: pytest.approx(0.02),
        Arithmetic.INT8: pytest.approx(0.005),
    }
    assert len(machine.waits_s) == 2 * arithmetic.MAX_TURNS, "waiting must not end it early"


def test_what_was_measured_is_told(model: TrainedModel) -> None:
    fastest(model, lambda: again(model), SMOKE_TEXTS)
    (told,) = metrics.ARITHMETIC_SECONDS.collect()
    assert {one.labels["arithmetic"] for one in told.samples} == set(Arithmetic)
    assert all(one.value > 0 for one in told.samples)
