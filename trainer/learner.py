"""The learner: everything that changes while learning, and the order in which it changes.

Predict first, then learn: each new example is scored by the mixture before any path has seen its
label. The paths beside the network learn every block of new examples; the network as many as it
earns. The learner knows no Kafka, no files and no clock; a checkpoint is its state as tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from fixstream.schemas.errors import ArtifactRejected
from fixstream.trainer.checkpoint import (
    OPTIMIZER,
    REPLAY,
    WEIGHTS,
    Artifact,
    Content,
)
from fixstream.trainer.drift import DriftConfig, DriftMonitor
from fixstream.trainer.examination import answers_of
from fixstream.trainer.examples import LearningExample, without_claims
from fixstream.trainer.features import (
    HashedTokenizer,
    TokenizerConfig,
    cropped,
)
from fixstream.trainer.gate import Answers, ValidationSet, Verdict
from fixstream.trainer.kernels import PLAIN, Kernels
from fixstream.trainer.leading import RunStep
from fixstream.trainer.mixture import NETWORK
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.network import HEADS, ModelConfig
from fixstream.trainer.optimizer import AdamOptimizerWithWarmup, OptimizerConfig
from fixstream.trainer.pace import PaceConfig
from fixstream.trainer.pairs import TrainingPair
from fixstream.trainer.precision import Precision
from fixstream.trainer.prefixes import prefixed, under
from fixstream.trainer.quarantine import Quarantine
from fixstream.trainer.replay import ReplayBuffer
from fixstream.trainer.rewriter import Rewriter
from fixstream.trainer.rewriter_learning import RewriterLearning
from fixstream.trainer.scores import ProgressiveScores
from fixstream.trainer.sentences import Sentences
from fixstream.trainer.snapshot import Frame, Snapshot, Spare
from fixstream.trainer.step import EncodedPair, StepResult, step_batch, train_step
from fixstream.trainer.substitution import TextPair
from fixstream.trainer.wide import class_balance, grams

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
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where the network trains; a checkpoint can be taken up on any other."""
    kernels: Kernels = field(default=PLAIN, compare=False, repr=False)
    """What the network's layers compute with."""
    pace: PaceConfig = field(default_factory=PaceConfig)
    drift: DriftConfig = field(default_factory=DriftConfig)
    generation: bool = False
    """Whether a decoder learns beside the network to adapt fixes to errors."""
    sentences: Sentences | None = field(default=None, compare=False, repr=False)
    """The frozen encoder that `model` names by its hash."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one call of `learn` did."""

    step: int
    result: StepResult | None
    """None where the network rested."""
    rate: float
    num_new: int
    num_replayed: int


class Learner:
    """One model with its optimizer, replay buffer, validation set and scores."""

    def __init__(self, config: LearnerConfig, run_step: RunStep = train_step) -> None:
        """A fresh model; `run_step` takes the network's steps, in this process unless told so."""
        self.config = config
        self._run_step = run_step
        self.tokenizer = HashedTokenizer(config.tokenizer)
        self.model = TrainedModel.fresh(config.model, self.tokenizer, config.seed)
        self.model.precision = config.precision
        self.model.read_with(config.sentences)
        self.replay = ReplayBuffer(config.replay_capacity, config.seed)
        self.validation = ValidationSet(config.validation_size, config.held_out_share)
        self.scores = ProgressiveScores()
        self.quarantine = Quarantine()
        self.drift = DriftMonitor(config.drift)
        self.optimizer = self._fresh_optimizer()
        self._rewriting = self._begun_rewriting()
        self._num_steps = 0

    @property
    def num_steps(self) -> int:
        """Calls of `learn` since the very first start; the network may have rested in some."""
        return self._num_steps

    def learn(
        self,
        new: Sequence[LearningExample],
        num_replayed: int = 0,
        pairs: Sequence[TrainingPair] = (),
        num_released: int = 0,
        texts: Sequence[TextPair] = (),
    ) -> Learnt:
        """Trains on new examples, once each, on at most `num_replayed` old ones, and on pairs.

        Pairs teach the network's embedding alone, so with pairs it never rests. The last
        `num_released` of the new ones come out of quarantine, and say nothing of the present.
        `texts` that belong together teach the decoder, if there is one; so do fixes that worked.

        Raises:
            NonFiniteLoss: nothing has changed.
            ValueError: there is nothing to learn from.
        """
        step = self._num_steps + 1
        replayed = self.replay.draw(num_replayed, new, step)
        if not (new or replayed):
            raise ValueError("nothing to learn from")
        told = [head for head, mixture in self.model.mixture.heads.items() if mixture.is_told]
        fresh = [without_claims(example, told) for example in new]
        again = [without_claims(example, told) for example in replayed]
        result = None
        if pairs or self._network_trains(step, fresh):
            result = self._train_network([*fresh, *again], pairs, step)
        if fresh:
            self._learn_beside_network(fresh, again, result, len(new) - num_released)
            for example in new:
                # What is replayed teaches the network and the wide path, which read ids alone.
                self.replay.add(replace(example, encoded=replace(example.encoded, sentence=b"")))
        if self._rewriting is not None:
            worked = [TextPair.of(pair) for pair in pairs if pair.is_positive]
            seed = _step_seed(self.config.seed, step, stream=5)
            self._rewriting.learn([*worked, *texts], self.model, seed)
        self._num_steps = step
        return Learnt(step, result, self.optimizer.rate, len(new), len(replayed))

    def answers(self) -> Answers:
        """The present model's answers to the validation set."""
        return answers_of(self.model, self.validation, self.config.max_training_tokens)

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
            for name, value in (
                ("temperature", mixture.temperature),
                ("network_gain", mixture.network_gain),
            )
        }
        rewriter = self.model.rewriter
        copied = rewriter.record.metrics() if rewriter else {}
        return {**self.scores.metrics(), **self.drift.metrics(), **earned, **corrections, **copied}

    def captured(self, spare: Spare) -> Snapshot:
        """A copy of all state, which later steps leave alone.

        Args:
            spare: where to; nobody reads what it held before any more.
        """
        config = self.config
        learning = {
            **prefixed("network.", self.optimizer.state_tensors()),
            **{
                name: torch.from_numpy(array)
                for name, array in self.model.paths.learning_state().items()
            },
            **(self._rewriting.state_tensors() if self._rewriting else {}),
        }
        side = {
            **prefixed("scores.", self.scores.state_tensors()),
            **prefixed("drift.", self.drift.state_tensors()),
            "num_steps": torch.tensor([self._num_steps]),
        }
        return Snapshot(
            Frame(
                config.model, config.precision, config.max_training_tokens, config.promotion_margin
            ),
            self.tokenizer.to_json(),
            spare.copies(WEIGHTS, self.model.tensors()),
            spare.copies(OPTIMIZER, learning),
            spare.copies(REPLAY, side),
            self.replay.copied(),
            self.validation.copied(),
            self.quarantine.copied(),
            self.metrics(),
        )

    def snapshot(self, champion: Answers) -> Content:
        """The files of a checkpoint of the present state.

        Args:
            champion: stored as the champion's answers.
        """
        return self.captured(Spare()).content(champion)

    def restore(self, tensors: Mapping[str, Mapping[str, Tensor]], tokenizer_json: bytes) -> None:
        """The reverse of `snapshot`, from the tensors by file name.

        Raises:
            ArtifactRejected: the state does not fit this learner's configuration.
        """
        beside = {
            name: tensor
            for name, tensor in tensors[OPTIMIZER].items()
            if not name.startswith("network.")
        }
        self.model = TrainedModel.from_tensors(
            self.config.model,
            tokenizer_json,
            {**tensors[WEIGHTS], **beside},
            self.config.precision,
        )
        self.model.read_with(self.config.sentences)
        self.optimizer = self._fresh_optimizer()
        self._rewriting = self._begun_rewriting()
        side = tensors[REPLAY]
        try:
            if self._rewriting is not None:
                self._rewriting.load_state_tensors(tensors[OPTIMIZER])
            self.optimizer.load_state_tensors(under("network.", tensors[OPTIMIZER]))
            self.replay.load_state_tensors(under("replay.", side))
            self.validation.load_state_tensors(under("validation.", side))
            self.scores.load_state_tensors(under("scores.", side))
            if held := under("quarantine.", side):  # Checkpoints of old have none.
                self.quarantine.load_state_tensors(held)
            if watched := under("drift.", side):
                self.drift.load_state_tensors(watched)
            self._num_steps = int(side["num_steps"])
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
        self.model.read_with(self.config.sentences)
        self.optimizer = self._fresh_optimizer()
        self._rewriting = self._begun_rewriting()

    def _network_trains(self, step: int, fresh: Sequence[LearningExample]) -> bool:
        gain = self.model.mixture.network_gain
        return not fresh or self.config.pace.trains_on(step, gain)

    def _train_network(
        self, examples: Sequence[LearningExample], pairs: Sequence[TrainingPair], step: int
    ) -> StepResult:
        limit = self.config.max_training_tokens
        encoded = [cropped(example.encoded, limit) for example in examples]
        batch = step_batch(examples, encoded, self._balance(examples))
        encoded_pairs = [EncodedPair.of(pair, self.tokenizer, limit) for pair in pairs]
        generator = torch.Generator().manual_seed(_step_seed(self.config.seed, step))
        batch = replace(batch, pairs=encoded_pairs)
        return self._run_step(
            self.model.network, self.optimizer, batch, generator, self.config.precision
        )

    def _learn_beside_network(
        self,
        new: Sequence[LearningExample],
        replayed: Sequence[LearningExample],
        result: StepResult | None,
        num_present: int,
    ) -> None:
        """Scores, then the mixture, then the other paths: each before it has seen the label."""
        model = self.model
        mistakes: list[float] = []
        experts = model.paths.logits([example.encoded for example in new])
        if result is not None:
            experts[NETWORK] = {h: v[: len(new)].numpy() for h, v in result.logits.items()}
        for head in HEADS:
            mixture = model.mixture.heads[head]
            logits = {name: said[head] for name, said in experts.items()}
            targets = [example.target(head) for example in new]
            probabilities = mixture.probabilities(logits)
            answers = mixture.choices(probabilities)
            for row, target in enumerate(targets):
                if target.weight > 0:
                    self.scores.heads[head].add(probabilities[row], target.index, int(answers[row]))
                    if row < num_present and not target.is_claimed:
                        mistakes.append(1.0 - float(probabilities[row, target.index]))
            mixture.learn(logits, targets)
        self._look_for_drift(new[:num_present], mistakes)
        model.paths.learn(
            [(example.encoded, example.targets()) for example in new],
            [(example.encoded, example.targets()) for example in replayed],
        )

    def _look_for_drift(self, new: Sequence[LearningExample], mistakes: Sequence[float]) -> None:
        """Before the paths count the new texts: what they have not seen yet is new."""
        wide = self.model.paths.wide
        texts = [grams(example.encoded, wide.num_buckets) for example in new]
        found = self.drift.observe(new, [wide.novelty(text) for text in texts], mistakes)
        if found and self.drift.config.forgets:
            for mixture in self.model.mixture.heads.values():
                mixture.quicken()

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

    def _begun_rewriting(self) -> RewriterLearning | None:
        """Goes on with the model's decoder or begins one; without the setting it has none."""
        model = self.model
        if not self.config.generation:
            model.rewriter = None
            return None
        if model.rewriter is None:
            width = self.config.model.embedding_dim
            model.rewriter = Rewriter.fresh(width, _step_seed(self.config.seed, 0, stream=5))
        return RewriterLearning(model.rewriter)

    def _fresh_optimizer(self) -> AdamOptimizerWithWarmup:
        self.model.network.to(self.config.device)  # Before, for moments lie beside their weights.
        self.model.network.compute_with(self.config.kernels)
        return AdamOptimizerWithWarmup(
            self.model.network.named_parameters(), SPARSE_PARAMETERS, self.config.optimizer
        )


def _step_seed(seed: int, step: int, stream: int = 3) -> int:
    # Randomness as a function of the step: a resumed run needs no generator's state.
    return int(np.random.SeedSequence((seed, stream, step)).generate_state(1, np.uint64)[0]) >> 1
