"""Learning: golden, repeatable, and the same after a crash as without one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from torch import Tensor

from fixstream.schemas.enums import LabelSource
from fixstream.trainer.checkpoint import TOKENIZER
from fixstream.trainer.examples import LearningExample, learning_example
from fixstream.trainer.learner import Learner
from fixstream.trainer.step import NonFiniteLoss, contrastive_loss
from support.training import TINY_LEARNER, training_example

NUM_STEPS = 6


def chunks(count: int, size: int = 8) -> Iterator[list[LearningExample]]:
    tokenizer = Learner(TINY_LEARNER).tokenizer
    for first in range(0, count * size, size):
        yield [learning_example(training_example(n), tokenizer) for n in range(first, first + size)]


CHUNKS = list(chunks(NUM_STEPS))


def run(learner: Learner, parts: Sequence[Sequence[LearningExample]]) -> list[float]:
    return [learner.learn(part, num_replayed=4).result.losses["total"] for part in parts]


def state(learner: Learner) -> dict[str, dict[str, Tensor]]:
    content = learner.snapshot(learner.validation.champion)
    return {file: dict(tensors) for file, tensors in content.tensors.items()}


def through_bytes(learner: Learner) -> Learner:
    """What a restart sees: the state written to safetensors and read back."""
    content = learner.snapshot(learner.validation.champion)
    tensors = {
        file: safetensors.torch.load(safetensors.torch.save(dict(group)))
        for file, group in content.tensors.items()
    }
    again = Learner(learner.config)
    again.restore(tensors, content.texts[TOKENIZER].encode())
    return again


def assert_same(left: Mapping[str, Mapping[str, Tensor]], right: Learner) -> None:
    other = state(right)
    for file, tensors in left.items():
        assert tensors.keys() == other[file].keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, other[file][name]), f"{file}: {name}"


def test_the_golden_run() -> None:
    losses = run(Learner(TINY_LEARNER), CHUNKS)
    assert losses == pytest.approx(GOLDEN_LOSSES, rel=1e-3)


GOLDEN_LOSSES = [2.36441, 3.01435, 2.81853, 2.84974, 2.71411, 2.53872]
"""As this code computed them when it was new; a change must be meant."""


@pytest.mark.parametrize("crash_after", range(NUM_STEPS))
def test_killed_and_resumed_equals_unbroken_bit_by_bit(crash_after: int) -> None:
    unbroken = Learner(TINY_LEARNER)
    losses = run(unbroken, CHUNKS)
    broken = Learner(TINY_LEARNER)
    first_losses = run(broken, CHUNKS[:crash_after])
    resumed = through_bytes(broken)
    # What the killed one still did after its checkpoint is lost, and must not show.
    run(broken, CHUNKS[crash_after : crash_after + 1])
    assert first_losses + run(resumed, CHUNKS[crash_after:]) == losses
    assert_same(state(unbroken), resumed)


def test_a_snapshot_is_left_alone_by_later_steps() -> None:
    learner = Learner(TINY_LEARNER)
    run(learner, CHUNKS[:2])
    copies = state(learner)
    frozen = {f: {n: t.clone() for n, t in group.items()} for f, group in copies.items()}
    run(learner, CHUNKS[2:])
    for file, tensors in copies.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, frozen[file][name]), f"{file}: {name}"


def test_it_learns_what_the_errors_have_in_common() -> None:
    learner = Learner(TINY_LEARNER)
    losses = run(learner, list(chunks(40)))
    assert sum(losses[-5:]) < sum(losses[:5]) / 2
    metrics = learner.metrics()
    assert metrics["progressive.category.accuracy"] > 0.8
    assert metrics["progressive.severity.macro_f1"] > 0.8


def poisoned() -> LearningExample:
    return replace(CHUNKS[2][0], weights=(math.inf, 1.0, 1.0))


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    learner = Learner(TINY_LEARNER)
    run(learner, CHUNKS[:2])
    before = state(learner)
    with pytest.raises(NonFiniteLoss):
        learner.learn([*CHUNKS[2], poisoned()], num_replayed=4)
    assert_same(before, learner)
    run(learner, CHUNKS[2:])


def test_labels_of_the_model_itself_teach_nothing() -> None:
    example = training_example(1, source=LabelSource.MODEL)
    tokenizer = Learner(TINY_LEARNER).tokenizer
    assert learning_example(example, tokenizer).weights == (0.0, 0.0, 0.0)


def test_unusual_weights_stay_within_bounds() -> None:
    tokenizer = Learner(TINY_LEARNER).tokenizer
    often = learning_example(replace(training_example(1), occurrences=10**9), tokenizer)
    once = learning_example(training_example(1), tokenizer)
    broken = learning_example(replace(training_example(1), weight=math.nan), tokenizer)
    assert max(often.weights) == pytest.approx(3 * max(once.weights))
    assert broken.weights == (0.0, 0.0, 0.0)


def test_rows_of_one_group_or_one_fix_attract_each_other() -> None:
    embedding = torch.nn.functional.normalize(
        torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), dim=1
    )
    alone = torch.tensor([0, 0, 0])
    near = contrastive_loss(embedding, torch.tensor([1, 1, 2]), alone)
    far = contrastive_loss(embedding, torch.tensor([1, 2, 1]), alone)
    by_fix = contrastive_loss(embedding, torch.tensor([1, 2, 3]), torch.tensor([7, 7, 0]))
    nobody = contrastive_loss(embedding, torch.tensor([1, 2, 3]), alone)
    assert near < far
    assert by_fix == near
    assert nobody == 0.0


def test_nothing_to_learn_from_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Learner(TINY_LEARNER).learn([], num_replayed=4)
