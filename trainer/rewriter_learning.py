"""Teaches the decoder, beside the network: an exercise is answered, counted, and only then learnt.

The encoder's states are taken as they are, so the network learns the same with a decoder as without
one. Which exercises a step has is a function of its texts and of its number; a resumed run needs
nothing but the tensors. It reads no Kafka and no files.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from fixstream.trainer.decoder import KEEP, DecoderInput
from fixstream.trainer.features import Tokenizer
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.optimizer import (
    AdamOptimizerWithWarmup,
    NonFiniteGradient,
    OptimizerConfig,
)
from fixstream.trainer.prefixes import prefixed, under
from fixstream.trainer.rewriter import Rewriter
from fixstream.trainer.rewriting import decide, decoder_inputs
from fixstream.trainer.substitution import Exercise, TextPair, exercise

MAX_EXERCISES = 6
"""Of one step: reading them costs as much as so many examples twice over."""
NUM_PASSES = 2
"""Over the exercises of a step, once they are scored: reading them costs most."""
_PREFIX = "decoder_optimizer."
OPTIMIZER = OptimizerConfig(peak_rate=0.001, warmup_steps=100)


@dataclass(frozen=True, slots=True)
class RewriterProgress:
    """What one step taught the decoder."""

    num_exercises: int
    num_slots: int
    num_right: int
    """Slots that were answered rightly before the step."""
    loss: float


class RewriterLearning:
    """One rewriter with its optimizer."""

    def __init__(self, rewriter: Rewriter, config: OptimizerConfig = OPTIMIZER) -> None:
        self.rewriter = rewriter
        self._optimizer = AdamOptimizerWithWarmup(rewriter.decoder.named_parameters(), (), config)

    def state_tensors(self) -> dict[str, Tensor]:
        """What only learning needs, by name; live tensors."""
        return prefixed(_PREFIX, self._optimizer.state_tensors())

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `state_tensors`; raises KeyError, ValueError or RuntimeError.

        Where there is none of it, the decoder is younger than the checkpoint and begins afresh.
        """
        if ours := under(_PREFIX, tensors):
            self._optimizer.load_state_tensors(ours)

    def learn(
        self,
        pairs: Sequence[TextPair],
        model: TrainedModel,
        seed: int,
    ) -> RewriterProgress | None:
        """One step on exercises from these pairs; None where they make none.

        Args:
            pairs: texts that belong together; the first are taken first.
            model: whose encoder reads; nothing of it moves but the decoder.
            seed: of this step's draws.
        """
        exercises = exercises_of(pairs, model.tokenizer, seed)
        if not exercises:
            return None
        drafts = [one.draft for one in exercises]
        inputs = decoder_inputs(drafts, model.network, model.precision)
        answers = self._answers(inputs)
        loss = first_loss = _loss(answers, exercises)
        if not bool(torch.isfinite(loss.detach())):
            return None  # Nothing is counted and nothing moves.
        num_right = sum(map(self._score, answers, exercises))
        for _ in range(NUM_PASSES - 1):
            self._move(loss)
            loss = _loss(self._answers(inputs), exercises)
        self._move(loss)
        num_slots = sum(len(one.targets) for one in exercises)
        return RewriterProgress(len(exercises), num_slots, num_right, first_loss.detach().item())

    def _answers(self, inputs: Sequence[DecoderInput]) -> list[Tensor]:
        return [self.rewriter.decoder(given) for given in inputs]

    def _move(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]
        with suppress(NonFiniteGradient):  # Nothing has moved then; the next step may do better.
            self._optimizer.step()

    def _score(self, logits: Tensor, one: Exercise) -> int:
        """Counts an answer in the record; how many of its slots are right."""
        choices = decide(logits)
        self.rewriter.record.add(choices, one.targets)
        return sum(c.candidate == target for c, target in zip(choices, one.targets, strict=True))


def exercises_of(pairs: Sequence[TextPair], tokenizer: Tokenizer, seed: int) -> list[Exercise]:
    """At most `MAX_EXERCISES`; each borrows names from the errors of the others."""
    chance = random.Random(seed)  # noqa: S311 (no secret: the same step draws the same)
    found: list[Exercise] = []
    for index, pair in enumerate(pairs):
        others = [one.error for place, one in enumerate(pairs) if place != index]
        made = exercise(pair, others, tokenizer, chance)
        if made is not None:
            found.append(made)
        if len(found) == MAX_EXERCISES:
            break
    return found


def _loss(answers: Sequence[Tensor], exercises: Sequence[Exercise]) -> Tensor:
    each = [F.cross_entropy(a, _columns(one)) for a, one in zip(answers, exercises, strict=True)]
    return torch.stack(each).mean()


def _columns(one: Exercise) -> Tensor:
    return torch.tensor([KEEP if target is None else target + 1 for target in one.targets])
