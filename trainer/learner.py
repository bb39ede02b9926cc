"""The learner: everything that changes while learning, and the order in which it changes.

Predict first, then learn: each new example is scored by the mixture before any path has seen its
label. The learner knows no Kafka, no files and no clock; a checkpoint is its state as tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fixstream.schemas.errors import ArtifactRejected
from fixstream.trainer.checkpoint import (
    OPTIMIZER,
    REPLAY,
    TOKENIZER,
    WEIGHTS,
    Artifact,
    Content,
)
from fixstream.trainer.examples import LearningExample, cropped
from fixstream.trainer.features import HashedTokenizer, TokenizerConfig, length_buckets
from fixstream.trainer.gate import Answers, ValidationSet, Verdict
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.network import HEADS, ModelConfig
from fixstream.trainer.optimizer import AdamOptimizerWithWarmup, OptimizerConfig
from fixstream.trainer.precision import Precision
from fixstream.trainer.replay import ReplayBuffer
from fixstream.trainer.scores import ProgressiveScores
from fixstream.trainer.step import StepResult, step_batch, train_step
from fixstream.trainer.wide import Floats, class_balance, grams

_MAX_TOKENS_AT_ONCE = 4096
SPARSE_PARAMETERS = ("token_embedding.weight",)


@dataclass(frozen=True, slots=True)
class LearnerConfig:
    """Sizes and choices of one learner."""

    model: ModelConfig = field(default_factory=ModelConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batch_size: int = 32
    replay_capacity: int = 4096
    max_training_tokens: int = 128
    validation_size: int = 256
    held_out_share: float = 0.05
    promotion_margin: float = 0.05
    seed: int = 0
    precision: Precision = Precision.FLOAT32


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one call of `learn` did."""

    step: int
    result: StepResult
    rate: float
    num_new: int
    num_replayed: int


class Learner:
    """One model with its optimizer, replay buffer, validation set and scores."""

    def __init__(self, config: LearnerConfig) -> None:
        self.config = config
        self.tokenizer = HashedTokenizer(config.tokenizer)
        self.model = TrainedModel.fresh(config.model, self.tokenizer, config.seed)
        self.model.precision = config.precision
        self.replay = ReplayBuffer(config.replay_capacity, config.seed)
        self.validation = ValidationSet(config.validation_size, config.held_out_share)
        self.scores = ProgressiveScores()
        self.optimizer = self._fresh_optimizer()

    @property
    def num_steps(self) -> int:
        """Optimizer steps since the very first start."""
        return self.optimizer.num_steps

    def learn(self, new: Sequence[LearningExample], num_replayed: int = 0) -> Learnt:
        """Trains on new examples, once each, and on at most `num_replayed` old ones.

        Raises:
            NonFiniteLoss: nothing has changed.
            ValueError: there is nothing to learn from.
        """
        step = self.num_steps + 1
        replayed = self.replay.draw(num_replayed, new, step)
        examples = [*new, *replayed]
        if not examples:
            raise ValueError("nothing to learn from")
        encoded = [cropped(e.encoded, self.config.max_training_tokens) for e in examples]
        batch = step_batch(examples, encoded, self._balance(examples))
        generator = torch.Generator().manual_seed(_step_seed(self.config.seed, step))
        result = train_step(
            self.model.network, self.optimizer, batch, generator, self.config.precision
        )
        if new:
            logits = {head: values[: len(new)].numpy() for head, values in result.logits.items()}
            self._learn_beside_network(new, replayed, logits)
        return Learnt(step, result, self.optimizer.rate, len(new), len(replayed))

    def answers(self) -> Answers:
        """The present model's answers to the validation set."""
        members = [
            cropped(member.encoded, self.config.max_training_tokens)
            for member in self.validation.members
        ]
        probabilities: dict[str, Floats] = {
            head: np.zeros((len(members), len(classes)), np.float32)
            for head, classes in HEADS.items()
        }
        for bucket in length_buckets(members, _MAX_TOKENS_AT_ONCE):
            found = self.model.probabilities([members[index] for index in bucket])
            for head, rows in found.items():
                probabilities[head][list(bucket)] = rows
        return self.validation.score(probabilities)

    def judge(self, answers: Answers) -> Verdict:
        """The gate's verdict on the present model, with all its metrics."""
        verdict = self.validation.judge(answers, self.config.promotion_margin)
        return Verdict(verdict.kind, verdict.reason, {**verdict.metrics, **self.metrics()})

    def metrics(self) -> dict[str, float]:
        """Scores on the stream so far, and what each path has earned."""
        earned = {
            f"mixture.{head}.{expert}": weight
            for head, mixture in self.model.mixture.heads.items()
            for expert, weight in mixture.weights.items()
        }
        corrections = {
            f"mixture.{head}.{name}": value
            for head, mixture in self.model.mixture.heads.items()
            for name, value in (("temperature", mixture.temperature), ("power", mixture.power))
        }
        return {**self.scores.metrics(), **earned, **corrections}

    def snapshot(self, champion: Answers) -> Content:
        """A copy of all state, which later steps leave alone; `champion` is stored as such."""
        state = {
            WEIGHTS: self.model.tensors(),
            OPTIMIZER: {
                **_prefixed("network.", self.optimizer.state_tensors()),
                **_prefixed(
                    "wide.",
                    {k: torch.from_numpy(v) for k, v in self.model.wide.learning_state().items()},
                ),
            },
            REPLAY: {
                **_prefixed("replay.", self.replay.state_tensors()),
                **_prefixed("validation.", self.validation.state_tensors(champion)),
                **_prefixed("scores.", self.scores.state_tensors()),
            },
        }
        copies = {
            file: {name: tensor.detach().clone() for name, tensor in tensors.items()}
            for file, tensors in state.items()
        }
        return Content(copies, {TOKENIZER: self.tokenizer.to_json()})

    def restore(self, tensors: Mapping[str, Mapping[str, Tensor]], tokenizer_json: bytes) -> None:
        """The reverse of `snapshot`, from the tensors by file name.

        Raises:
            ArtifactRejected: the state does not fit this learner's configuration.
        """
        wide_state = {
            name: tensor for name, tensor in tensors[OPTIMIZER].items() if name.startswith("wide.")
        }
        self.model = TrainedModel.from_tensors(
            self.config.model,
            tokenizer_json,
            {**tensors[WEIGHTS], **wide_state},
            self.config.precision,
        )
        self.optimizer = self._fresh_optimizer()
        side = tensors[REPLAY]
        try:
            self.optimizer.load_state_tensors(_under("network.", tensors[OPTIMIZER]))
            self.replay.load_state_tensors(_under("replay.", side))
            self.validation.load_state_tensors(_under("validation.", side))
            self.scores.load_state_tensors(_under("scores.", side))
        except (KeyError, ValueError, RuntimeError, IndexError) as error:
            raise ArtifactRejected(f"the training state does not fit: {error}") from error

    def start_from(self, artifact: Artifact) -> None:
        """Begins with another model's weights; what only learning needs begins anew.

        Raises:
            ArtifactRejected: the model is of another size than this learner's configuration.
        """
        if artifact.manifest.config != self.config.model:
            raise ArtifactRejected("its model is of another size")
        self.model = TrainedModel.from_artifact(artifact, self.config.precision)
        self.optimizer = self._fresh_optimizer()

    def _learn_beside_network(
        self,
        new: Sequence[LearningExample],
        replayed: Sequence[LearningExample],
        network_logits: Mapping[str, Floats],
    ) -> None:
        """Scores, then the mixture, then the other paths: each before it has seen the label."""
        wide = self.model.wide
        texts = [grams(example.encoded, wide.num_buckets) for example in new]
        experts = {**self.model.lexical_logits(texts), "network": network_logits}
        for head in HEADS:
            mixture = self.model.mixture.heads[head]
            logits = {name: said[head] for name, said in experts.items()}
            probabilities = mixture.probabilities(logits)
            targets = [example.target(head) for example in new]
            for row, target in enumerate(targets):
                if target.weight > 0:
                    self.scores.heads[head].add(probabilities[row], target.index)
            mixture.learn(logits, targets)
        for text, example in zip(texts, new, strict=True):
            self.model.memory.add(text.ids, wide.values(text), example.targets())
        again = [grams(example.encoded, wide.num_buckets) for example in replayed]
        wide.learn([*texts, *again], [example.targets() for example in (*new, *replayed)])
        wide.count(texts)
        for example in new:
            self.replay.add(example)

    def _balance(self, examples: Sequence[LearningExample]) -> Tensor:
        counts = [self.model.mixture.heads[head].counts for head in HEADS]
        return torch.tensor(
            [
                [
                    class_balance(count, index)
                    for count, index in zip(counts, example.classes, strict=True)
                ]
                for example in examples
            ]
        )

    def _fresh_optimizer(self) -> AdamOptimizerWithWarmup:
        return AdamOptimizerWithWarmup(
            self.model.network.named_parameters(), SPARSE_PARAMETERS, self.config.optimizer
        )


def _step_seed(seed: int, step: int) -> int:
    # Randomness as a function of the step: a resumed run needs no generator's state.
    return int(np.random.SeedSequence((seed, 3, step)).generate_state(1, np.uint64)[0]) >> 1


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
