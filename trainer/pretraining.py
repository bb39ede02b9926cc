"""Masked and contrastive pre-training of the network on errors that nobody has labelled.

Masked: some tokens of a text are hidden and have to be told from the others (Devlin et al., "BERT",
2018). The output embeddings are the input's, and the softmax runs over the step's own answers and a
sample of the corpus's vocabulary, so 50,000 ids stay cheap on a CPU. Contrastive: a text, its
title, and one of rest, fix or relative attract each other, and repel the other texts of the step.
Distilled, where there is a frozen sentence encoder: the network's similarities learn to be like the
encoder's.

All randomness is a function of seed and step; dropout alone draws in another way on a GPU. No
files, no clock, no labels.

Shape legend: B passages of a step, M masked tokens, C candidates, D width, S solution embedding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import structlog
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn

from fixstream.trainer.features import FIRST_SUBWORD, Encoded, Special
from fixstream.trainer.learner import SPARSE_PARAMETERS, Learner
from fixstream.trainer.network import ByteDropout, TokenBatch, pack
from fixstream.trainer.optimizer import AdamOptimizerWithWarmup, NonFiniteGradient, OptimizerConfig
from fixstream.trainer.passages import Corpus, crop
from fixstream.trainer.processes import ALONE, Processes
from fixstream.trainer.step import contrastive_loss, on_device
from fixstream.trainer.wide import Floats

log = structlog.get_logger(__name__)

_HEAD = "masked_head."


@dataclass(frozen=True, slots=True)
class PretrainingConfig:
    """How much is trained, and how."""

    epochs: int = 10
    """Times that each passage is seen."""
    batch_size: int = 32
    """Passages of a step."""
    peak_rate: float = 5e-4
    """Learning rate after the warm-up; it shrinks to a tenth of it until the last step."""
    warmup_share: float = 0.1
    """Part of all steps in which the rate rises."""
    mask_share: float = 0.15
    """Part of the tokens that have to be guessed."""
    num_negatives: int = 2048
    """Ids of the corpus beside the right ones among which a guess chooses."""
    masked_weight: float = 0.5
    """Of the masked loss; the contrastive one counts 1."""
    distilled_weight: float = 10.0
    """Of the distilled loss, where there is a sentence encoder; the loss is small by its nature."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.epochs < 1:
            raise ValueError("a step has at least two passages, and there is at least one epoch")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the pre-training stands."""

    step: int
    num_steps: int
    losses: dict[str, float]
    """Of this step: `masked`, `contrastive`, and `distilled` where it is."""


class MaskedTokenHead(nn.Module):
    """What stands between the network's tokens and its embeddings when it guesses; not kept."""

    def __init__(self, width: int, generator: torch.Generator, device: torch.device) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width, device=device)
        self.norm = nn.LayerNorm(width, device=device)
        drawn = torch.empty(width, width)  # On the CPU: the same weights on every device.
        drawn.normal_(0.0, 1.0 / math.sqrt(width), generator=generator)
        with torch.no_grad():
            self.dense.weight.copy_(drawn)
            self.dense.bias.zero_()

    def forward(self, tokens: Tensor) -> Tensor:
        """[M, D] -> [M, D]."""
        guess: Tensor = self.norm(F.gelu(self.dense(tokens), approximate="tanh"))
        return guess


@dataclass(frozen=True, slots=True)
class _Step:
    """What is drawn for one step, the same in every process."""

    rows: list[Encoded]  # 3B: masked wholes, then titles, then partners
    targets: list[list[tuple[int, int]]]  # B: (place, id) of the masked tokens
    candidates: Tensor  # [C] ascending
    families: Tensor  # [B]
    fixes: Tensor  # [B]
    places: list[int]  # B


class Pretraining:
    """Trains one learner's network; what stands beside the network is left alone."""

    def __init__(
        self,
        learner: Learner,
        corpus: Corpus,
        config: PretrainingConfig,
        *,
        teacher: Floats | None = None,
        processes: Processes = ALONE,
    ) -> None:
        """Prepares the first step.

        Args:
            learner: its network is trained in place, on the device where it lies.
            corpus: at least two passages.
            config: how.
            teacher: [passages, any] embeddings of unit norm, by a frozen sentence encoder.
            processes: those that share each step.

        Raises:
            ValueError: the corpus is too small.
        """
        if len(corpus.passages) < 2:
            raise ValueError("pre-training needs at least two different errors")
        self._network = learner.model.network
        self._precision = learner.config.precision
        self._corpus = corpus
        self._families = corpus.families()
        self._vocabulary = np.array([t for t in corpus.vocabulary if t >= FIRST_SUBWORD])
        self._config = config
        self._teacher = None if teacher is None else torch.from_numpy(teacher)
        self._processes = processes
        generator = torch.Generator().manual_seed(config.seed)
        width, device = self._network.config.embedding_dim, self._network.device
        self._head = MaskedTokenHead(width, generator, device)
        self._size = min(config.batch_size, len(corpus.passages))
        self._steps_of_epoch = len(corpus.passages) // self._size
        self.num_steps = self._steps_of_epoch * config.epochs
        self.optimizer = self._fresh_optimizer()

    def run(
        self,
        should_stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> int:
        """Takes all steps, or those until it should stop; returns how many it took.

        A step whose loss is no number is left out, with a warning.
        """
        for step in range(self.num_steps):
            if self._processes.agree(should_stop()):
                return step
            try:
                losses = self.take(step)
            except NonFiniteGradient as error:
                log.warning("step left out", step=step, reason=str(error))
            else:
                on_progress(Progress(step + 1, self.num_steps, losses))
        return self.num_steps

    def take(self, number: int) -> dict[str, float]:
        """Takes one step, counted from 0; returns its losses.

        Raises:
            NonFiniteGradient: nothing has moved.
        """
        losses = self.losses(number)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        self._processes.add_gradients(self._parameters().values())
        self.optimizer.step()
        losses["masked"] = self._processes.add_up(losses["masked"])
        return {name: loss.detach().item() for name, loss in losses.items()}

    def losses(self, number: int) -> dict[str, Tensor]:
        """Those of one step, on the network's device; of `masked` this process's part."""
        drawn = self._draw(number)
        network, processes = self._network, self._processes
        device = network.device
        batch = pack(processes.own(drawn.rows)).to(device)
        generator = torch.Generator().manual_seed(_number(self._config.seed, 2, number))
        dropout = ByteDropout(network.config.dropout, on_device(generator, device))
        with self._precision.autocast(device):
            tokens = network.read(batch, dropout)
            embedding = network.judge(tokens, batch).embedding.float()
        losses = self._losses(drawn, processes.joined(embedding, len(drawn.rows)))
        losses["masked"] = self._config.masked_weight * self._masked_loss(drawn, batch, tokens)
        return losses

    def _losses(self, drawn: _Step, embedding: Tensor) -> dict[str, Tensor]:
        """Those of the embeddings [3B, S]: the same in every process."""
        repeats, device = len(drawn.rows) // len(drawn.places), embedding.device
        families, fixes = drawn.families.repeat(repeats), drawn.fixes.repeat(repeats)
        losses = {"contrastive": contrastive_loss(embedding, families.to(device), fixes.to(device))}
        if self._teacher is not None:
            told = self._teacher[drawn.places].to(device)
            losses["distilled"] = self._config.distilled_weight * likeness_loss(
                embedding[: len(told)], told
            )
        return losses

    def _masked_loss(self, drawn: _Step, batch: TokenBatch, tokens: Tensor) -> Tensor:
        """This process's part of the mean over all masked tokens of the step."""
        device = tokens.device
        starts = torch.empty_like(batch.lengths)
        starts[batch.order] = torch.cumsum(batch.lengths, 0) - batch.lengths
        own = drawn.targets[self._processes.rank :: self._processes.size]
        masked = [
            (row, place, answer) for row, targets in enumerate(own) for place, answer in targets
        ]
        rows, places, answers = torch.tensor(masked, dtype=torch.int64).view(-1, 3).unbind(1)
        num_all = sum(len(targets) for targets in drawn.targets)
        candidates = drawn.candidates.to(device)
        with self._precision.autocast(device):
            guesses = self._head(tokens[starts[rows.to(device)] + places.to(device)])
            logits = guesses @ self._network.token_embedding(candidates).T
        right = torch.searchsorted(drawn.candidates, answers.contiguous()).to(device)
        return F.cross_entropy(logits.float(), right, reduction="sum") / max(num_all, 1)

    def _draw(self, number: int) -> _Step:
        config, passages = self._config, self._corpus.passages
        epoch, place = divmod(number, self._steps_of_epoch)
        order = np.random.default_rng((config.seed, 0, epoch)).permutation(len(passages))
        chosen = [int(p) for p in order[place * self._size : (place + 1) * self._size]]
        random = np.random.default_rng((config.seed, 1, number))
        masked = [self._masked(passages[p].whole, random) for p in chosen]
        views = [self._views(p, random) for p in chosen]
        targets = [told for _, told in masked]
        num_negatives = min(config.num_negatives, len(self._vocabulary))
        negatives = random.choice(self._vocabulary, num_negatives, replace=False)
        answers = {answer for told in targets for _, answer in told}
        return _Step(
            rows=[row for row, _ in masked] + [a for a, _ in views] + [b for _, b in views],
            targets=targets,
            candidates=torch.tensor(sorted(answers.union(negatives.tolist()))),
            families=torch.tensor([passages[p].family for p in chosen]),
            fixes=torch.tensor([passages[p].fix_id for p in chosen]),
            places=chosen,
        )

    def _masked(
        self, whole: Encoded, random: np.random.Generator
    ) -> tuple[Encoded, list[tuple[int, int]]]:
        """Hides tokens: four of five behind the mask, half of the others behind a wrong one."""
        ids = list(whole.token_ids)
        targets = []
        draws = random.random((len(ids), 2))
        for place, (is_drawn, how) in enumerate(draws):
            if ids[place] < FIRST_SUBWORD or is_drawn >= self._config.mask_share:
                continue
            targets.append((place, ids[place]))
            if how < 0.8:
                ids[place] = int(Special.MASK)
            elif how < 0.9:
                ids[place] = int(random.choice(self._vocabulary))
        return replace(whole, token_ids=tuple(ids)), targets

    def _views(self, place: int, random: np.random.Generator) -> tuple[Encoded, Encoded]:
        """Two more rows that belong to the passage."""
        passage = self._corpus.passages[place]
        partners = [one for one in (passage.fix, passage.rest) if one is not None]
        relatives = [p for p in self._families.get(passage.family, ()) if p != place]
        if relatives:
            partners.append(self._corpus.passages[int(random.choice(relatives))].whole)
        if partners:
            return passage.title, partners[int(random.integers(len(partners)))]
        first, second = (
            crop(passage.whole, float(random.random()), 0.4 + 0.4 * float(random.random()))
            for _ in range(2)
        )
        return first, second

    def _parameters(self) -> dict[str, nn.Parameter]:
        head = {_HEAD + name: p for name, p in self._head.named_parameters()}
        return {**dict(self._network.named_parameters()), **head}

    def _fresh_optimizer(self) -> AdamOptimizerWithWarmup:
        config = self._config
        schedule = OptimizerConfig(
            peak_rate=config.peak_rate,
            warmup_steps=max(1, round(self.num_steps * config.warmup_share)),
            decay=0.1,
            decay_steps=max(1, round(self.num_steps * (1 - config.warmup_share))),
        )
        return AdamOptimizerWithWarmup(self._parameters().items(), SPARSE_PARAMETERS, schedule)


def likeness_loss(embedding: Tensor, told: Tensor) -> Tensor:
    """How far the cosines between the rows are from those that a teacher gives them.

    Args:
        embedding: [B, S] of unit norm.
        told: [B, any] of unit norm.

    Returns:
        The mean squared difference over all pairs of different rows.
    """
    count = len(told)
    others = 1.0 - torch.eye(count, device=told.device)
    differences = (embedding @ embedding.T - told @ told.T) * others
    return differences.square().sum() / (count * (count - 1))


def _number(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0]) >> 1
