"""Reading safetensors without their library's long copy: the same tensors, none on trust."""

from __future__ import annotations

import contextlib
import json

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixstream.inference.weights import tensors_of

TENSORS = {
    "matrix": torch.arange(12, dtype=torch.float32).view(3, 4),
    "scalar": torch.tensor(7.5),
    "empty": torch.zeros(0, 3),
    "counts": torch.tensor([1, 2**40], dtype=torch.int64),
    "flags": torch.tensor([True, False]),
}
DATA = safetensors.torch.save(TENSORS, {"made": "here"})


def test_the_tensors_are_those_of_the_library() -> None:
    read, known = tensors_of(DATA), safetensors.torch.load(DATA)
    assert read.keys() == known.keys()
    for name, tensor in known.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor), name
    read["matrix"].add_(1)  # Each has memory of its own.
    assert torch.equal(tensors_of(DATA)["matrix"], TENSORS["matrix"])


def described(**entry: object) -> bytes:
    header = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}})
    return len(header).to_bytes(8, "little") + header.encode() + bytes(8)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        (10**9).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{",
        (7).to_bytes(8, "little") + b'{"x":1}',
        (200_000).to_bytes(8, "little") + b"[" * 200_000,
        described(dtype="F999"),
        described(shape=[3]),
        described(shape=[-2]),
        described(shape=[2.0]),
        described(shape="2"),
        described(data_offsets=[0, 16], shape=[4]),
        described(data_offsets=[8, 0]),
        described(data_offsets=[-8, 0]),
        described(data_offsets=[0]),
    ],
)
def test_what_does_not_hold_is_refused(data: bytes) -> None:
    assert tensors_of(described())["x"].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's own errors are among them
        tensors_of(data)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(position=st.integers(0, len(DATA) - 1), byte=st.integers(0, 255), cut=st.integers(0, 40))
def test_a_changed_file_reads_or_is_refused(position: int, byte: int, cut: int) -> None:
    changed = bytearray(DATA)
    changed[position] = byte
    with contextlib.suppress(ValueError):
        tensors_of(bytes(changed[: len(changed) - cut]))
