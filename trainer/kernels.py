"""The dense parts of an encoder layer, computed step by step or compiled into fewer passes.

Compiled by torch.compile: norms, casts and activations are fused with each other, which pays on a
GPU, where each of them is a pass over memory. Attention and dropout stay outside, for their shapes
and draws change with every batch. Both ways compute the same function of the same weights. The
GELU is the exact one: by tanh it takes three times as long on a CPU in bfloat16.

Shape legend: T tokens, D width, F hidden width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn

_Function = Callable[..., Tensor]


class Kernels:
    """By the modules themselves, whatever stands in their place: quantised ones too."""

    def project(self, x: Tensor, norm: nn.Module, projection: nn.Module) -> Tensor:
        """[T, D] -> [T, 3D] queries, keys and values of what is normed."""
        projected: Tensor = projection(norm(x))
        return projected

    def feed_forward(
        self, x: Tensor, norm: nn.Module, expand: nn.Module, contract: nn.Module
    ) -> Tensor:
        """[T, D] -> [T, D] through [T, F]."""
        fed: Tensor = contract(F.gelu(expand(norm(x))))
        return fed

    def __deepcopy__(self, memo: dict[int, Any]) -> Kernels:
        return self  # Without state: a copied network computes with the same.


PLAIN = Kernels()


_Weights = tuple[Tensor, Tensor]
"""A weight and its bias. Tensors, not modules: so one compiled function serves every layer."""


def _weights(module: nn.Module) -> _Weights:
    weight, bias = module.weight, module.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    return weight, bias


def _normed(x: Tensor, norm: _Weights) -> Tensor:
    return F.layer_norm(x, norm[0].shape, *norm)


def _project(x: Tensor, norm: _Weights, projection: _Weights) -> Tensor:
    return F.linear(_normed(x, norm), *projection)


def _feed_forward(x: Tensor, norm: _Weights, expand: _Weights, contract: _Weights) -> Tensor:
    hidden = F.gelu(F.linear(_normed(x, norm), *expand))
    return F.linear(hidden, *contract)


class CompiledKernels(Kernels):
    """By torch.compile, made when they are first used, for any number of tokens."""

    def __init__(self, backend: str) -> None:
        self._project: _Function = torch.compile(_project, dynamic=True, backend=backend)
        self._feed_forward: _Function = torch.compile(_feed_forward, dynamic=True, backend=backend)

    def project(self, x: Tensor, norm: nn.Module, projection: nn.Module) -> Tensor:
        """As `Kernels.project`."""
        return self._project(x, _weights(norm), _weights(projection))

    def feed_forward(
        self, x: Tensor, norm: nn.Module, expand: nn.Module, contract: nn.Module
    ) -> Tensor:
        """As `Kernels.feed_forward`."""
        return self._feed_forward(x, _weights(norm), _weights(expand), _weights(contract))


@cache
def compiled(backend: str = "inductor") -> Kernels:
    """The kernels by one of torch.compile's backends; there is one of each in a process.

    Args:
        backend: `inductor` needs a C++ compiler, on a GPU Triton as well.
    """
    return CompiledKernels(backend)


def kernels_for(device: torch.device, is_compiled: bool | None) -> Kernels:
    """The kernels to train with; unless said otherwise they are compiled on a GPU only."""
    wanted = device.type == "cuda" if is_compiled is None else is_compiled
    return compiled() if wanted else PLAIN
