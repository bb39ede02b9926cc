"""AdamW with linear warm-up, exponential decay and gradient clipping, as the specification asks.

Two kinds of parameters move differently. Dense ones go through PyTorch's fused AdamW, called as the
operator that it is: `torch.optim` imports the compiler, 174 MB of memory that a CPU never uses.
Tables whose gradient is sparse (the token embedding: two thirds of all parameters, of which a
batch touches a few hundred rows) move row by row: each touched row is an Adam of its own whose
clock ticks only when it is touched. On a CPU a dense update of that table would cost more than its
forward and backward pass. The module knows nothing of models or losses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """The schedule and AdamW's constants; the first two are the specification's."""

    peak_rate: float = 0.001
    """Learning rate at the end of the warm-up."""
    warmup_steps: int = 1000
    """Steps of linear warm-up."""
    decay: float = 0.95
    """Factor on the rate per `decay_steps` after the warm-up."""
    decay_steps: int = 1000
    """Steps in which the rate shrinks by `decay`, exponentially."""
    min_rate_share: float = 0.1
    """The rate stays above this share of the peak: a stream never ends."""
    max_gradient_norm: float = 1.0
    """Gradients of a longer norm are scaled down to it."""
    weight_decay: float = 0.01
    """Decoupled, and not on norms, biases and embeddings."""
    beta1: float = 0.9
    """Decay of the mean of the gradients."""
    beta2: float = 0.98
    """Decay of the mean of their squares."""
    epsilon: float = 1e-8
    """Added to the root of the mean square."""

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 1."""
        if step <= self.warmup_steps:
            return self.peak_rate * step / max(self.warmup_steps, 1)
        shrunk = self.decay ** ((step - self.warmup_steps) / self.decay_steps)
        return float(self.peak_rate * max(shrunk, self.min_rate_share))


class NonFiniteGradient(ArithmeticError):
    """A gradient is infinite or not a number; no parameter has moved."""


class AdamOptimizerWithWarmup:
    """Moves the parameters of one network.

    Args:
        parameters: name and parameter; those named `*embedding*`, `*norm*` and biases do not decay.
        sparse: names of the parameters whose gradients are sparse tables.
        config: the schedule.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[str, nn.Parameter]],
        sparse: Iterable[str] = (),
        config: OptimizerConfig | None = None,
    ) -> None:
        self.config = config or OptimizerConfig()
        self.num_steps = 0
        sparse_names = set(sparse)
        named = dict(parameters)
        self._dense = {name: p for name, p in named.items() if name not in sparse_names}
        self._tables = {name: RowAdam(named[name], self.config) for name in sorted(sparse_names)}
        self._moments: dict[str, dict[str, Tensor]] = {}  # As `torch.optim` names and keeps them.

    @property
    def rate(self) -> float:
        """Learning rate of the last step; 0 before the first."""
        return self.config.rate(self.num_steps) if self.num_steps else 0.0

    def step(self) -> float:
        """Moves every parameter that has a gradient, and clears the gradients.

        Returns:
            The norm of all gradients together, before clipping.

        Raises:
            NonFiniteGradient: nothing has moved; the gradients are cleared.
        """
        norm, scale = self._clip()
        if not math.isfinite(norm):
            self.zero_grad()
            raise NonFiniteGradient(f"gradient norm is {norm}")
        self.num_steps += 1
        rate = self.config.rate(self.num_steps)
        self._move_dense(rate)
        for table in self._tables.values():
            table.step(rate, scale)
        self.zero_grad()
        return norm

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        for parameter in self._dense.values():
            parameter.grad = None
        for table in self._tables.values():
            table.parameter.grad = None

    def state_tensors(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs, by name; live tensors."""
        tensors = {"num_steps": torch.tensor([self.num_steps])}
        for name in self._dense:
            for key, value in self._moments.get(name, {}).items():
                tensors[f"dense.{name}.{key}"] = value
        for name, table in self._tables.items():
            tensors.update({f"rows.{name}.{key}": value for key, value in table.state().items()})
        return tensors

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `state_tensors`; raises KeyError or RuntimeError where they do not fit."""
        self.num_steps = int(tensors["num_steps"][0])
        for name, parameter in self._dense.items():
            prefix = f"dense.{name}."
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            for value in state.values():
                if value.dim() and value.shape != parameter.shape:
                    raise ValueError(f"the optimizer's state of {name} has another shape")
            if state:
                self._moments[name] = {
                    k: v.to(parameter.device, copy=True) for k, v in state.items()
                }
        for name, table in self._tables.items():
            prefix = f"rows.{name}."
            table.load_state(
                {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            )

    @torch.no_grad()
    def _move_dense(self, rate: float) -> None:
        gradients = {name: p.grad for name, p in self._dense.items() if p.grad is not None}
        for is_decaying in (True, False):
            names = [name for name in gradients if _decays(name) is is_decaying]
            moments = [self._moments_of(name) for name in names]
            if not names:
                continue
            counts = [one["step"] for one in moments]
            torch._foreach_add_(counts, 1)
            torch._fused_adamw_(
                [self._dense[name] for name in names],
                [gradients[name] for name in names],
                [one["exp_avg"] for one in moments],
                [one["exp_avg_sq"] for one in moments],
                [],
                counts,
                lr=rate,
                beta1=self.config.beta1,
                beta2=self.config.beta2,
                weight_decay=self.config.weight_decay if is_decaying else 0.0,
                eps=self.config.epsilon,
                amsgrad=False,
                maximize=False,
            )

    def _moments_of(self, name: str) -> dict[str, Tensor]:
        if name not in self._moments:
            parameter = self._dense[name]
            self._moments[name] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self._moments[name]

    def _clip(self) -> tuple[float, float]:
        """Scales the dense gradients in place; tables are scaled as they move."""
        gradients = [p.grad for p in self._dense.values() if p.grad is not None]
        rows = [values for table in self._tables.values() for values in table.gathered()]
        if not gradients and not rows:
            return 0.0, 1.0
        norms = torch._foreach_norm([*gradients, *rows])  # noqa: SLF001 (as clip_grad_norm_ does)
        norm = float(torch.linalg.vector_norm(torch.stack(norms)))
        scale = min(1.0, self.config.max_gradient_norm / (norm + 1e-6))
        if scale < 1.0 and gradients:
            torch._foreach_mul_(gradients, scale)
        return norm, scale


class RowAdam:
    """Adam for the rows of one table that a batch touches.

    Untouched rows do not move at all: their moments do not decay either, as in PyTorch's
    `SparseAdam`. Unlike there the bias correction counts the touches of the row, so that the first
    touch of a rare word moves it by one rate, not by several.
    """

    def __init__(self, parameter: nn.Parameter, config: OptimizerConfig) -> None:
        self.parameter = parameter
        self._config = config
        # Moments stand in the order in which the rows were first touched, so that those in use
        # lie together. numpy's zeros are not backed by memory before they are written to.
        num_rows, device = len(parameter), parameter.device
        self._mean = torch.from_numpy(np.zeros(parameter.shape, np.float32)).to(device)
        self._square = torch.from_numpy(np.zeros(parameter.shape, np.float32)).to(device)
        self._touches = torch.zeros(num_rows, dtype=torch.int32, device=device)
        self._rows = torch.zeros(num_rows, dtype=torch.int64, device=device)  # place -> row
        self._places = torch.full((num_rows,), -1, device=device)  # row -> place
        self._num_places = 0

    def gathered(self) -> list[Tensor]:
        """The gradient's rows, each touched row once."""
        gradient = self.parameter.grad
        if gradient is None:
            return []
        if not gradient.is_coalesced():
            gradient = self.parameter.grad = gradient.coalesce()
        return [gradient.values()]

    @torch.no_grad()
    def step(self, rate: float, scale: float) -> None:
        """Moves the touched rows; `scale` is the clipping's factor."""
        gradient = self.parameter.grad
        if gradient is None:
            return
        beta1, beta2 = self._config.beta1, self._config.beta2
        rows = gradient.indices()[0]
        values = gradient.values() * scale
        places = self._places_of(rows)
        touches = self._touches[places] + 1
        mean = self._mean[places].lerp_(values, 1 - beta1)
        square = self._square[places].mul_(beta2).addcmul_(values, values, value=1 - beta2)
        correction1 = (1 - beta1 ** touches.float())[:, None]
        correction2 = (1 - beta2 ** touches.float())[:, None]
        move = (mean / correction1) / ((square / correction2).sqrt_() + self._config.epsilon)
        self.parameter.index_add_(0, rows, move, alpha=-rate)
        self._touches.index_copy_(0, places, touches)
        self._mean.index_copy_(0, places, mean)
        self._square.index_copy_(0, places, square)

    def state(self) -> dict[str, Tensor]:
        """The rows that were ever touched, with their moments; live."""
        used = slice(self._num_places)
        return {
            "rows": self._rows[used],
            "touches": self._touches[used],
            "mean": self._mean[used],
            "square": self._square[used],
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """The reverse of `state`, on a fresh object."""
        moved = {name: tensor.to(self._rows.device) for name, tensor in state.items()}
        places = self._places_of(moved["rows"])
        self._touches[places] = moved["touches"]
        self._mean[places] = moved["mean"]
        self._square[places] = moved["square"]

    def _places_of(self, rows: Tensor) -> Tensor:
        """Where the moments of the rows stand; each row is there once."""
        places = self._places[rows]
        strange = rows[places < 0]
        if len(strange):
            first, self._num_places = self._num_places, self._num_places + len(strange)
            self._places[strange] = torch.arange(first, self._num_places, device=rows.device)
            self._rows[first : self._num_places] = strange
            places = self._places[rows]
        return places


def _decays(name: str) -> bool:
    return not (name.endswith("bias") or "norm" in name or "embedding" in name)
