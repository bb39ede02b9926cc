"""One training step of the network: forward, losses, a check, and only then the optimizer moves.

The step is a function of its arguments: no clock, no files, and all randomness from the generator
that it is given. Shape legend: B rows of the step, the first of which are new and the others
replayed; S width of the solution embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from fixstream.trainer.examples import NO_SOLUTION, LearningExample
from fixstream.trainer.features import Encoded, ErrorText, Tokenizer, cropped
from fixstream.trainer.network import HEADS, ByteDropout, ErrorLearningModel, NetworkOutput, pack
from fixstream.trainer.optimizer import AdamOptimizerWithWarmup, NonFiniteGradient
from fixstream.trainer.pairs import MAX_PAIR_WEIGHT, TrainingPair
from fixstream.trainer.precision import Precision
from fixstream.trainer.processes import ALONE, Processes

_HINT_SHARE = 0.1
"""How often an example shows a label as a hint, and the head then learns nothing from it."""
_CONTRASTIVE_WEIGHT = 0.2
_CONTRASTIVE_TEMPERATURE = 0.1
# Enum order starts at 1 in the hint tables; 0 is the masked hint.
_FIRST_HINT = 1


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A `TrainingPair` as ids."""

    error: Encoded
    fix: Encoded
    weight: float
    is_positive: bool

    @classmethod
    def of(cls, pair: TrainingPair, tokenizer: Tokenizer, max_tokens: int) -> EncodedPair:
        """Encodes a pair; longer texts are cropped."""
        error, fix = (
            cropped(tokenizer.encode(ErrorText(text)), max_tokens)
            for text in (pair.error_text, pair.fix_text)
        )
        return cls(error, fix, min(pair.weight, MAX_PAIR_WEIGHT), pair.is_positive)


class NonFiniteLoss(ArithmeticError):
    """The loss or a gradient is infinite or not a number; nothing was changed."""


@dataclass(frozen=True, slots=True)
class StepBatch:
    """What one step trains on."""

    encoded: Sequence[Encoded]  # B, cropped, without hints
    classes: Tensor  # [B, heads] class indices
    weights: Tensor  # [B, heads] label weights, balanced over classes; 0 skips
    groups: Tensor  # [B]
    solutions: Tensor  # [B], NO_SOLUTION where there is none
    pairs: Sequence[EncodedPair] = ()
    """Errors and fixes that feedback has judged; they have no labels."""

    def to(self, device: torch.device) -> StepBatch:
        """The batch with its tensors on a device."""
        return replace(
            self,
            classes=self.classes.to(device),
            weights=self.weights.to(device),
            groups=self.groups.to(device),
            solutions=self.solutions.to(device),
        )


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step did; losses are of the rows before the step moved anything."""

    losses: dict[str, float]
    """Per head, `contrastive`, and `total`."""
    logits: dict[str, Tensor]  # head -> [B, classes], before the step; pairs have none
    gradient_norm: float
    num_tokens: int
    """That this process computed."""


def step_batch(
    examples: Sequence[LearningExample], encoded: Sequence[Encoded], balance: Tensor
) -> StepBatch:
    """Lays out a step.

    Args:
        examples: B examples.
        encoded: their (cropped) ids.
        balance: [B, heads] factors on the label weights.
    """
    weights = torch.tensor([example.weights for example in examples]) * balance
    return StepBatch(
        encoded=encoded,
        classes=torch.tensor([example.classes for example in examples]),
        weights=weights,
        groups=torch.tensor([example.group for example in examples]),
        solutions=torch.tensor([example.solution for example in examples]),
    )


def train_step(
    network: ErrorLearningModel,
    optimizer: AdamOptimizerWithWarmup,
    batch: StepBatch,
    generator: torch.Generator,
    precision: Precision = Precision.FLOAT32,
    processes: Processes = ALONE,
) -> StepResult:
    """Trains on one batch.

    Several processes that are given the same batch and a generator in the same state take the step
    together. Each computes its rows; losses and weights become the same in all of them.

    Raises:
        NonFiniteLoss: neither the network nor the optimizer has changed.
    """
    encoded, weights = _with_hints(batch, generator)
    of_pairs = [one for pair in batch.pairs for one in (pair.error, pair.fix)]
    rows = [*encoded, *of_pairs]
    device = network.device
    packed = pack(processes.own(rows)).to(device)
    with precision.autocast(device):
        own = network(packed, ByteDropout(network.config.dropout, on_device(generator, device)))
    output = _joined(own, len(rows), processes)
    losses = _losses(_rows(output, slice(len(encoded))), batch.to(device), weights.to(device))
    if batch.pairs:
        judged = output.embedding[len(encoded) :].float()
        losses["pairs"] = _CONTRASTIVE_WEIGHT * pair_loss(judged, batch.pairs)
    total = torch.stack(list(losses.values())).sum()
    if not bool(torch.isfinite(total)):
        raise NonFiniteLoss(f"loss is {total.detach().item()}")
    total.backward()  # type: ignore[no-untyped-call]
    processes.add_gradients(network.parameters())
    try:
        norm = optimizer.step()
    except NonFiniteGradient as error:
        raise NonFiniteLoss(str(error)) from error
    return StepResult(
        {name: loss.detach().item() for name, loss in (*losses.items(), ("total", total))},
        {h: logits.detach()[: len(encoded)].float().cpu() for h, logits in output.logits.items()},
        norm,
        packed.num_tokens,
    )


def on_device(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """The generator itself, or one of the same seed where it has to draw on another device."""
    if generator.device.type == device.type:
        return generator
    return torch.Generator(device).manual_seed(generator.initial_seed())


def _joined(own: NetworkOutput, num_rows: int, processes: Processes) -> NetworkOutput:
    """What all processes computed; gradients flow to the own rows."""
    if processes.is_alone:
        return own
    columns = [*own.logits.values(), own.embedding]
    widths = [column.shape[1] for column in columns]
    whole = processes.joined(torch.cat([column.float() for column in columns], dim=1), num_rows)
    *logits, embedding = torch.split(whole, widths, dim=1)
    return NetworkOutput(dict(zip(own.logits, logits, strict=True)), embedding)


def _rows(output: NetworkOutput, rows: slice) -> NetworkOutput:
    return NetworkOutput({h: v[rows] for h, v in output.logits.items()}, output.embedding[rows])


def _with_hints(batch: StepBatch, generator: torch.Generator) -> tuple[list[Encoded], Tensor]:
    """Shows a few labels as hints; where one is shown, its head has nothing to learn."""
    heads = list(HEADS)
    domain, severity = heads.index("domain"), heads.index("severity")
    draws = torch.rand(len(batch.encoded), 2, generator=generator) < _HINT_SHARE
    shown = draws & (batch.weights[:, [domain, severity]] > 0)
    weights = batch.weights.clone()
    weights[:, domain][shown[:, 0]] = 0.0
    weights[:, severity][shown[:, 1]] = 0.0
    hints = (batch.classes[:, [domain, severity]] + _FIRST_HINT) * shown
    encoded = [
        replace(one, domain_id=domain_id, severity_id=severity_id)
        for one, (domain_id, severity_id) in zip(batch.encoded, hints.tolist(), strict=True)
    ]
    return encoded, weights


def _losses(output: NetworkOutput, batch: StepBatch, weights: Tensor) -> dict[str, Tensor]:
    losses = {}
    for index, (head, logits) in enumerate(output.logits.items()):
        each = F.cross_entropy(logits.float(), batch.classes[:, index], reduction="none")
        # By the number of rows, not by the sum of weights: a batch of weak labels moves little.
        losses[head] = (each * weights[:, index]).sum() / len(batch.encoded)
    losses["contrastive"] = _CONTRASTIVE_WEIGHT * contrastive_loss(
        output.embedding.float(), batch.groups, batch.solutions
    )
    return losses


def contrastive_loss(embedding: Tensor, groups: Tensor, solutions: Tensor) -> Tensor:
    """Supervised contrastive loss: rows of one group, or with one fix, attract each other.

    Khosla et al., "Supervised Contrastive Learning", 2020, equation 2.

    Args:
        embedding: [B, S] of unit norm.
        groups: [B].
        solutions: [B], `NO_SOLUTION` where there is none.

    Returns:
        A scalar; 0 if no two rows belong together.
    """
    same_fix = (solutions[:, None] == solutions) & (solutions != NO_SOLUTION)
    is_self = torch.eye(len(groups), dtype=torch.bool, device=groups.device)
    positives = ((groups[:, None] == groups) | same_fix) & ~is_self
    anchors = positives.any(dim=1)
    if not bool(anchors.any()):
        return embedding.sum() * 0.0
    similarity = (embedding @ embedding.T / _CONTRASTIVE_TEMPERATURE).masked_fill(
        is_self, -torch.inf
    )
    log_share = F.log_softmax(similarity, dim=1).masked_fill(~positives, 0.0)
    return -(log_share.sum(dim=1)[anchors] / positives.sum(dim=1)[anchors]).mean()


def pair_loss(embedding: Tensor, pairs: Sequence[EncodedPair]) -> Tensor:
    """Draws errors to the fixes that solved them, and away from those that did not.

    A fix that worked has to be nearer than the other fixes of the step (van den Oord et al.,
    "Representation Learning with Contrastive Predictive Coding", 2018); one that failed has to be
    no nearer than a stranger.

    Args:
        embedding: [2P, S] of unit norm: error and fix of each pair in turn.
        pairs: P of them.

    Returns:
        A scalar; 0 if no pair counts.
    """
    errors, fixes = embedding[0::2], embedding[1::2]
    similarity = errors @ fixes.T / _CONTRASTIVE_TEMPERATURE
    device = embedding.device
    worked = torch.tensor([pair.is_positive for pair in pairs], device=device)
    weights = torch.tensor([pair.weight for pair in pairs], device=device)
    own = similarity.diagonal()
    each = torch.where(worked, torch.logsumexp(similarity, dim=1) - own, F.softplus(own))
    return (each * weights).sum() / len(pairs)
