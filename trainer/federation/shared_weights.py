"""Which weights deployments share, and how they get into and out of a model.

Shared are the network and the weights of the wide path. Everything that holds single texts or
counts of them stays at home: the memory of recent errors, document frequencies, what the mixture
and the optimizer have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray

from fixstream.schemas.errors import ArtifactRejected
from fixstream.trainer.model import TrainedModel

Floats = NDArray[np.float32]

_WIDE = "wide.weights"
_NETWORK = "network."


class SharedPart(StrEnum):
    """What of the model is learnt together."""

    WIDE = "wide"
    NETWORK = "network"
    ALL = "all"


class SharedWeights:
    """The shared tensors of one model, in an order that all deployments agree on."""

    def __init__(self, model: TrainedModel, part: SharedPart) -> None:
        self._tensors = {
            name: tensor
            for name, tensor in sorted(model.tensors().items())
            if tensor.dtype == torch.float32 and _is_shared(name, part)
        }

    @property
    def form(self) -> str:
        """A digest of names and shapes; only deployments of one form can learn together."""
        told = [f"{name}{tuple(tensor.shape)}" for name, tensor in self._tensors.items()]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]

    def read(self) -> list[Floats]:
        """Copies of the weights."""
        return [
            tensor.detach().numpy().astype(np.float32, copy=True)
            for tensor in self._tensors.values()
        ]

    def write(self, arrays: Sequence[Floats]) -> None:
        """Takes over weights, in place.

        Raises:
            ArtifactRejected: they are of another form, or not finite; nothing has changed.
        """
        check_form(arrays, [tuple(tensor.shape) for tensor in self._tensors.values()])
        with torch.no_grad():
            for tensor, array in zip(self._tensors.values(), arrays, strict=True):
                tensor.copy_(torch.from_numpy(array))

    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each array."""
        return [tuple(tensor.shape) for tensor in self._tensors.values()]


def check_form(arrays: Sequence[Floats], shapes: Sequence[tuple[int, ...]]) -> None:
    """Raises ArtifactRejected unless these are finite float32 arrays of these shapes."""
    if [array.shape for array in arrays] != list(shapes):
        raise ArtifactRejected("the arrays are not of the shared weights' shapes")
    if any(array.dtype != np.float32 for array in arrays):
        raise ArtifactRejected("the arrays are not float32")
    if not all(bool(np.isfinite(array).all()) for array in arrays):
        raise ArtifactRejected("the arrays hold numbers that are not finite")


def _is_shared(name: str, part: SharedPart) -> bool:
    is_wide, is_network = name == _WIDE, name.startswith(_NETWORK)
    return {
        SharedPart.WIDE: is_wide,
        SharedPart.NETWORK: is_network,
        SharedPart.ALL: is_wide or is_network,
    }[part]
