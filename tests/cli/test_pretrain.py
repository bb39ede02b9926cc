"""`fixstream pretrain` from a history file to a warm start that a trainer would take."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from fixstream.cli.main import app
from fixstream.cli.new_learner import learner_from_settings
from fixstream.schemas.errors import Misconfigured
from fixstream.trainer.checkpoint import TrustedKeys
from fixstream.trainer.warm_start import KEYS, take_warm_start
from support.histories import history
from support.training import TINY_ENVIRONMENT


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TINY_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FIXSTREAM_TRAINER_WIDE_BUCKETS", "256")


def written(path: Path, *extra: str) -> Path:
    lines = [json.dumps(line) for line in history(60)]
    path.write_text("\n".join([*lines, *extra]) + "\n", encoding="utf-8")
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["pretrain", *arguments])


def test_a_history_becomes_a_warm_start_and_can_be_gone_on_with(tmp_path: Path) -> None:
    file, out = written(tmp_path / "past.jsonl", "{not json"), tmp_path / "warm"
    first = run(str(file), "--out", str(out), "--epochs", "2")
    assert first.exit_code == 0, first.output
    assert "1 bad lines" in first.output
    again = run(str(file), "--out", str(out), "--epochs", "1", "--go-on")
    assert again.exit_code == 0, again.output
    learner = learner_from_settings()
    fresh = {name: tensor.clone() for name, tensor in learner.model.tensors().items()}
    stored = take_warm_start(learner, out, TrustedKeys.load(out / KEYS))
    assert stored.manifest.version == 2
    assert re.search(r"pre-training, \d+ steps on \d+ errors", stored.manifest.reason or "")
    moved = [
        name
        for name, tensor in learner.model.tensors().items()
        if name.startswith("network.layers") and not tensor.equal(fresh[name])
    ]
    assert moved


def test_it_trains_where_the_trainer_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, out = written(tmp_path / "past.jsonl"), tmp_path / "warm"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("FIXSTREAM_TRAINER_PRECISION", "float32")
    told = run(str(file), "--out", str(out), "--epochs", "1").output
    assert "training on cpu in float32" in told
    monkeypatch.setenv("FIXSTREAM_TRAINER_DEVICE", "cuda")
    refused = run(str(file), "--out", str(out), "--epochs", "1")
    assert isinstance(refused.exception, Misconfigured)
    assert "no GPU" in str(refused.exception)


def test_a_file_with_nothing_to_learn_from_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    empty, out = tmp_path / "empty.jsonl", tmp_path / "warm"
    empty.write_text("{}\n", encoding="utf-8")
    result = run(str(empty), "--out", str(out))
    assert isinstance(result.exception, Misconfigured)
    assert "1 bad lines" in str(result.exception)
    assert not (out / "checkpoint-00000001").exists()


def test_going_on_with_nothing_is_told(tmp_path: Path) -> None:
    file = written(tmp_path / "past.jsonl")
    result = run(str(file), "--out", str(tmp_path / "warm"), "--go-on")
    assert isinstance(result.exception, Misconfigured)
    assert "no warm start" in str(result.exception)
