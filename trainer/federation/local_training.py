"""One round at home: take the common weights, learn from one's own examples, say what changed.

It uses the trainer's own learner and step. The learner's other state (replay, memory, mixture,
optimizer) lives on from round to round and is never shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from fixstream.schemas.records import TrainingExample
from fixstream.trainer.examples import learning_example
from fixstream.trainer.federation.shared_weights import Floats, SharedPart, SharedWeights
from fixstream.trainer.learner import Learner
from fixstream.trainer.step import NonFiniteLoss

log = structlog.get_logger(__name__)

TakeExamples = Callable[[int], Sequence[TrainingExample]]
"""Gives at most so many examples that were not given before; none when there are none yet."""


@dataclass(frozen=True, slots=True)
class RoundConfig:
    """How much is learnt in one round."""

    max_examples: int = 512
    batch_size: int = 32
    replay_share: float = 0.5


class LocalTraining:
    """One deployment's learner and its examples."""

    def __init__(
        self,
        learner: Learner,
        part: SharedPart,
        take_examples: TakeExamples,
        config: RoundConfig | None = None,
    ) -> None:
        self._learner = learner
        self._part = part
        self._take_examples = take_examples
        self._config = config or RoundConfig()

    @property
    def form(self) -> str:
        """Of the shared weights."""
        return self._shared().form

    def update(self, weights: Sequence[Floats]) -> tuple[list[Floats], int]:
        """What the round changed, array by array, and from how many examples.

        Raises:
            ArtifactRejected: the weights do not fit; nothing has changed.
        """
        self._shared().write(weights)
        num_learnt = self._learn()
        after = self._shared().read()
        return [new - old for new, old in zip(after, weights, strict=True)], num_learnt

    def _shared(self) -> SharedWeights:
        return SharedWeights(self._learner.model, self._part)

    def _learn(self) -> int:
        size = max(1, round(self._config.batch_size * (1.0 - self._config.replay_share)))
        num_replayed = self._config.batch_size - size
        tokenizer = self._learner.model.tokenizer
        examples = [
            learning_example(one, tokenizer)
            for one in self._take_examples(self._config.max_examples)
        ]
        num_learnt = 0
        for first in range(0, len(examples), size):
            new = examples[first : first + size]
            try:
                self._learner.learn(new, num_replayed)
            except NonFiniteLoss as error:
                log.warning("step not taken", reason=str(error), examples=len(new))
            else:
                num_learnt += len(new)
        return num_learnt
