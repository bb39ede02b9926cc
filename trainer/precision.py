"""Chooses the number format of the matrix products by a short measurement on this machine.

Not every CPU has fast bfloat16, and where it is slow it is slower than float32 by far.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum

import torch

_WORTHWHILE = 1.3
"""bfloat16 costs accuracy, so it has to be clearly faster."""
_CPU = torch.device("cpu")


class Precision(StrEnum):
    """Number format of the network's matrix products; weights are float32 in both."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"

    def autocast(self, device: torch.device = _CPU) -> AbstractContextManager[object]:
        """The context in which the network has to run on a device."""
        if self is Precision.FLOAT32:
            return nullcontext()
        return torch.autocast(device.type, dtype=torch.bfloat16)


def fastest_precision(device: torch.device) -> Precision:
    """The format to train in: on a CPU by measuring, on a GPU by what it says of itself."""
    if device.type == "cpu":
        return measure_precision()
    return Precision.BFLOAT16 if torch.cuda.is_bf16_supported() else Precision.FLOAT32


def measure_precision(rows: int = 512, width: int = 512, repeats: int = 3) -> Precision:
    """Times a product [rows, width] x [width, 2 width] in both formats (some 20 ms in all)."""
    seconds = {}
    for precision, dtype in (
        (Precision.FLOAT32, torch.float32),
        (Precision.BFLOAT16, torch.bfloat16),
    ):
        left = torch.ones(rows, width, dtype=dtype)
        right = torch.ones(width, 2 * width, dtype=dtype)
        seconds[precision] = min(_seconds_of_product(left, right) for _ in range(repeats))
    is_faster = seconds[Precision.BFLOAT16] * _WORTHWHILE < seconds[Precision.FLOAT32]
    return Precision.BFLOAT16 if is_faster else Precision.FLOAT32


def _seconds_of_product(left: torch.Tensor, right: torch.Tensor) -> float:
    started = time.perf_counter()
    left @ right
    return time.perf_counter() - started
