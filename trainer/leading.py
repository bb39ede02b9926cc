"""The training service on several processes: one leads, the others follow its steps.

The first process is the whole trainer: it alone reads Kafka, keeps the ledger, writes checkpoints
and publishes. Before each step it hands the step to the others, and all take it together, each with
its share of the rows. The others hold the same network and optimizer, which they are handed when
the leader takes up a model; they know nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog
import torch
from torch import Tensor

from fixstream.trainer.features import Encoded
from fixstream.trainer.kernels import PLAIN, Kernels
from fixstream.trainer.network import ErrorLearningModel, ModelConfig
from fixstream.trainer.optimizer import AdamOptimizerWithWarmup, OptimizerConfig
from fixstream.trainer.precision import Precision
from fixstream.trainer.prefixes import under
from fixstream.trainer.processes import Processes, ProcessLost
from fixstream.trainer.step import (
    EncodedPair,
    NonFiniteLoss,
    StepBatch,
    StepResult,
    train_step,
)

log = structlog.get_logger(__name__)

_END, _MODEL, _STEP = 0, 1, 2
_PRECISIONS = tuple(Precision)


class RunStep(Protocol):
    """Takes one step, as `train_step` does."""

    def __call__(
        self,
        network: ErrorLearningModel,
        optimizer: AdamOptimizerWithWarmup,
        batch: StepBatch,
        generator: torch.Generator,
        precision: Precision,
    ) -> StepResult: ...


class LeadingStep:
    """Takes each step together with the processes that follow."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._led: ErrorLearningModel | None = None

    def __call__(
        self,
        network: ErrorLearningModel,
        optimizer: AdamOptimizerWithWarmup,
        batch: StepBatch,
        generator: torch.Generator,
        precision: Precision,
    ) -> StepResult:
        """As `train_step`.

        Args:
            network: another object than at the last step is handed to the others first.
            optimizer: the network's own.
            batch: the whole step.
            generator: seeded for this step, and not used yet.
            precision: of the others as well: they do not measure their own.

        Raises:
            NonFiniteLoss: nothing has changed, in any process.
            ProcessLost: another process has ended.
        """
        if network is not self._led:
            self._processes.broadcast(_model_message(network, optimizer))
            self._led = network
        self._processes.broadcast(_step_message(batch, generator.initial_seed(), precision))
        return _together(network, optimizer, (batch, generator, precision), self._processes)

    def end(self) -> None:
        """Lets the others go."""
        try:
            self._processes.broadcast({"kind": torch.tensor([_END])})
        except ProcessLost as error:
            log.warning("a process had gone before", reason=str(error))


def follow(
    processes: Processes,
    model: ModelConfig,
    schedule: OptimizerConfig,
    sparse: Sequence[str],
    device: torch.device,
    kernels: Kernels = PLAIN,
) -> int:
    """Takes the leader's steps until it lets go; returns how many.

    Args:
        processes: those of this run.
        model: size of the network; the leader's has to be the same.
        schedule: the leader's.
        sparse: names of the parameters with sparse gradients.
        device: where this process trains.
        kernels: what its layers compute with.

    Raises:
        ProcessLost: the leader has ended without a word.
    """
    network: ErrorLearningModel | None = None
    optimizer: AdamOptimizerWithWarmup | None = None
    num_steps = 0
    while True:
        message = processes.broadcast()
        kind = int(message["kind"])
        if kind == _END:
            return num_steps
        if kind == _MODEL:
            network = ErrorLearningModel.from_tensors(model, under("network.", message))
            network.to(device)
            network.compute_with(kernels)
            optimizer = AdamOptimizerWithWarmup(network.named_parameters(), sparse, schedule)
            optimizer.load_state_tensors(under("optimizer.", message))
            continue
        assert network is not None, "a step came before its model"
        assert optimizer is not None, "a step came before its optimizer"
        try:
            _together(network, optimizer, _step_of(message), processes)
        except NonFiniteLoss:
            log.debug("step not taken")  # The leader sets its examples aside.
        num_steps += 1


def _together(
    network: ErrorLearningModel,
    optimizer: AdamOptimizerWithWarmup,
    step: tuple[StepBatch, torch.Generator, Precision],
    processes: Processes,
) -> StepResult:
    try:
        return train_step(network, optimizer, *step, processes)
    except RuntimeError as error:  # All that torch says of a closed connection.
        raise ProcessLost(f"a step of several processes failed: {error}") from error


def _model_message(
    network: ErrorLearningModel, optimizer: AdamOptimizerWithWarmup
) -> dict[str, Tensor]:
    return {
        "kind": torch.tensor([_MODEL]),
        **{f"network.{name}": tensor for name, tensor in network.state_dict().items()},
        **{f"optimizer.{name}": tensor for name, tensor in optimizer.state_tensors().items()},
    }


def _step_message(batch: StepBatch, seed: int, precision: Precision) -> dict[str, Tensor]:
    texts = [*batch.encoded, *(one for pair in batch.pairs for one in (pair.error, pair.fix))]
    return {
        "kind": torch.tensor([_STEP]),
        "seed": torch.tensor([seed]),
        "precision": torch.tensor([_PRECISIONS.index(precision)]),
        "tokens": torch.tensor([token for text in texts for token in text.token_ids]),
        "lengths": torch.tensor([len(text.token_ids) for text in texts]),
        "classes": batch.classes,
        "weights": batch.weights,
        "groups": batch.groups,
        "solutions": batch.solutions,
        "pair_weights": torch.tensor([pair.weight for pair in batch.pairs], dtype=torch.float64),
        "pair_signs": torch.tensor([pair.is_positive for pair in batch.pairs], dtype=torch.bool),
    }


def _step_of(
    message: Mapping[str, Tensor],
) -> tuple[StepBatch, torch.Generator, Precision]:
    parts = torch.split(message["tokens"], message["lengths"].tolist())
    # A step shows hints of its own drawing, so what is led has none.
    texts = [Encoded(tuple(part.tolist())) for part in parts]
    num_rows = len(message["groups"])
    judged = zip(
        texts[num_rows::2],
        texts[num_rows + 1 :: 2],
        message["pair_weights"].tolist(),
        message["pair_signs"].tolist(),
        strict=True,
    )
    batch = StepBatch(
        encoded=texts[:num_rows],
        classes=message["classes"],
        weights=message["weights"],
        groups=message["groups"],
        solutions=message["solutions"],
        pairs=[EncodedPair(*pair) for pair in judged],
    )
    generator = torch.Generator().manual_seed(int(message["seed"]))
    return batch, generator, _PRECISIONS[int(message["precision"])]
