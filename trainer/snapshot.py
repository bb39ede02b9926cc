"""A learner's state at one moment: copied while the steps wait, worked on while they go on.

The steps wait for the copying alone, so it goes into memory that is kept for it: fresh memory costs
eight times as much as the copying. What is in lists is copied as lists and becomes tensors later,
beside the steps; so does the examination by the gate. A snapshot writes no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fixstream.trainer.checkpoint import OPTIMIZER, REPLAY, TOKENIZER, WEIGHTS, Content
from fixstream.trainer.examination import costed_answers
from fixstream.trainer.gate import Answers, Cost, ValidationSet, Verdict
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.network import ModelConfig
from fixstream.trainer.precision import Precision
from fixstream.trainer.prefixes import prefixed
from fixstream.trainer.quarantine import Quarantine
from fixstream.trainer.replay import ReplayBuffer


class Spare:
    """Memory for one snapshot at a time; the next one is written over it."""

    def __init__(self) -> None:
        self._rooms: dict[str, Tensor] = {}

    def copies(self, kind: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors' values, in memory of this spare."""
        return {name: self._copy(f"{kind}/{name}", tensor) for name, tensor in tensors.items()}

    def _copy(self, key: str, tensor: Tensor) -> Tensor:
        room = self._rooms.get(key)
        if room is None or room.dtype != tensor.dtype or len(room) < tensor.numel():
            # As much as the tensor may grow to; what is not written to is not backed by memory.
            most = tensor.untyped_storage().nbytes() // tensor.element_size()
            self._rooms[key] = room = torch.empty(max(most, tensor.numel()), dtype=tensor.dtype)
        return room[: tensor.numel()].view(tensor.shape).copy_(tensor.detach())


@dataclass(frozen=True, slots=True)
class Frame:
    """What of a learner's configuration its snapshots need."""

    model: ModelConfig
    precision: Precision
    max_tokens: int
    promotion_margin: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Copies of all state, which later steps leave alone."""

    frame: Frame
    tokenizer_json: str
    weights: Mapping[str, Tensor]
    learning: Mapping[str, Tensor]
    side: Mapping[str, Tensor]
    replay: ReplayBuffer
    validation: ValidationSet
    quarantine: Quarantine
    metrics: Mapping[str, float]
    """Scores on the stream up to then, and what each path had earned."""

    def examined(self) -> tuple[Answers, Cost, Verdict]:
        """Its model's answers to the held-out examples, what they cost, and the gate's verdict."""
        frame = self.frame
        model = TrainedModel.from_tensors(
            frame.model, self.tokenizer_json, self.weights, frame.precision
        )
        answers, cost = costed_answers(model, self.validation, frame.max_tokens)
        verdict = self.validation.judge(answers, frame.promotion_margin)
        told = {**verdict.metrics, **self.metrics}
        return answers, cost, Verdict(verdict.kind, verdict.reason, told)

    def content(self, champion: Answers) -> Content:
        """The files of its checkpoint.

        Args:
            champion: stored as the champion's answers.
        """
        side = {
            **prefixed("replay.", self.replay.state_tensors()),
            **prefixed("validation.", self.validation.state_tensors(champion)),
            **prefixed("quarantine.", self.quarantine.state_tensors()),
            **self.side,
        }
        tensors = {WEIGHTS: self.weights, OPTIMIZER: self.learning, REPLAY: side}
        return Content(tensors, {TOKENIZER: self.tokenizer_json})
