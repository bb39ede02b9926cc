"""Reads safetensors bytes into tensors without keeping the interpreter from other threads.

The library's own reader copies everything in one call that holds the interpreter lock: at full
size no request is served for a fifth of a second. Here each tensor is copied by numpy, which lets
go of the lock. It trusts nothing that it reads: every offset, shape and type is checked. It opens
no files and verifies no hashes.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

MAX_HEADER_BYTES = 1 << 20
_LENGTH_BYTES = 8
_METADATA = "__metadata__"
_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def tensors_of(data: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file, each in memory of its own.

    Raises:
        ValueError: It is none, or says something of itself that does not hold.
    """
    header, start = _header(data)
    return {name: _tensor(data, start, name, entry) for name, entry in header.items()}


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if length > MAX_HEADER_BYTES or start > len(data):
        raise ValueError("the header is longer than it may be")
    try:
        header = json.loads(data[_LENGTH_BYTES:start])
    except RecursionError:
        raise ValueError("the header is nested too deep") from None
    if not isinstance(header, dict):
        raise ValueError("the header is no object")  # noqa: TRY004 - of the file, not of the code
    header.pop(_METADATA, None)
    return header, start


def _tensor(data: bytes, start: int, name: str, entry: object) -> Tensor:
    try:
        dtype, shape, (first, end) = _described(entry)
    except (KeyError, TypeError) as error:
        raise ValueError(f"tensor {name[:80]!r} is not described as it should be") from error
    count = math.prod(shape)
    if not 0 <= first <= end <= len(data) - start or end - first != count * dtype.itemsize:
        raise ValueError(f"tensor {name[:80]!r} does not lie where the header says")
    here = np.frombuffer(data, dtype, count, start + first) if count else np.empty(0, dtype)
    return torch.from_numpy(here.reshape(shape).copy())


def _described(entry: Any) -> tuple[np.dtype[Any], list[int], tuple[int, int]]:
    dtype = _DTYPES[entry["dtype"]]
    shape = entry["shape"]
    first, end = entry["data_offsets"]
    if not all(type(one) is int and one >= 0 for one in (*shape, first, end)):
        raise TypeError("sizes have to be whole numbers")
    return dtype, shape, (first, end)
