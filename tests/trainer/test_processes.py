"""Two processes of torchrun over loopback take the steps that one process takes with all rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from fixstream.trainer.processes import ALONE, Processes, meeting
from support import two_processes

LOSS_TOLERANCE = 1e-4
"""Relative: sums of other halves differ in their last digits, and six steps pass that on."""
WEIGHT_TOLERANCE = 1e-4
"""Absolute, where a single step moves a weight by up to 0.01."""
ROOT = Path(__file__).resolve().parents[2]


def result_of_two(task: str, folder: Path) -> dict[str, Tensor]:
    """What the first of two processes has written."""
    folder.mkdir()
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(Path(two_processes.__file__)), task, str(folder),
    ]  # fmt: skip
    path = os.pathsep.join([str(ROOT / ".namespace"), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return load_file(folder / "result.safetensors")


def assert_same(two: dict[str, Tensor], one: dict[str, Tensor]) -> None:
    torch.testing.assert_close(two.pop("totals"), one["totals"], rtol=LOSS_TOLERANCE, atol=0.0)
    for name, tensor in two.items():
        if name.startswith("network."):
            assert float((tensor - one[name]).abs().max()) < WEIGHT_TOLERANCE, name


def test_a_led_learner_ends_with_the_loss_and_the_weights_of_one_alone(tmp_path: Path) -> None:
    two_processes.learn(ALONE, tmp_path)
    one = load_file(tmp_path / "result.safetensors")
    assert len(one["totals"]) == two_processes.NUM_STEPS
    assert_same(result_of_two("learn", tmp_path / "two"), one)


def test_pretraining_ends_with_the_loss_and_the_weights_of_one_alone(tmp_path: Path) -> None:
    two_processes.pretrain(ALONE, tmp_path)
    one = load_file(tmp_path / "result.safetensors")
    assert_same(result_of_two("pretrain", tmp_path / "two"), one)


@pytest.mark.parametrize(("num_rows", "size"), [(7, 2), (2, 2), (9, 4)])
def test_each_row_belongs_to_one_process(num_rows: int, size: int) -> None:
    rows = range(num_rows)
    shares = [Processes(rank, size).own(rows) for rank in range(size)]
    assert sorted(row for share in shares for row in share) == list(rows)


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with meeting() as processes:
        assert processes.is_alone
        assert processes.is_first
