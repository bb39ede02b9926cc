"""The trainer as processes on a real broker: two that train together, and one that was paused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixstream.schemas.codec import Codec
from fixstream.trainer.checkpoint import (
    WEIGHTS,
    FolderCheckpointStore,
    TrustedKeys,
    read_tensors,
    stored_checkpoint,
)
from fixstream.trainer.precision import Precision
from fixstream.trainer.updates import UpdateHistory, read_history
from support.deadlines import eventually
from support.kafka import Kafka
from support.trainer_service import learning, newest_manifest, running_trainer, send_range
from support.training import TINY_ENVIRONMENT

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ("-m", "fixstream.cli", "train")
IN_TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
STEADY = {"replay_share": 0.0, "held_out_share": 0.0, "step_wait_s": 600.0}
"""Steps of eight new examples each, however the batches come in."""
LIKENESS = 0.01
"""Of two ways of learning: the distance between them, as a share of the way."""


@contextmanager
def trainer(
    kafka: Kafka, folder: Path, *command: str, **changes: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A trainer as a process; killed at the end of the block if it runs still."""
    environment = {
        **os.environ,
        **kafka.environment,
        **TINY_ENVIRONMENT,
        "CHECKPOINT_DIR": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT / ".namespace"),
        "FIXSTREAM_TRAINER_METRICS_PORT": "0",
        "FIXSTREAM_TRAINER_WIDE_BUCKETS": "1024",
        "FIXSTREAM_TRAINER_CHECKPOINT_INTERVAL_S": "0.5",
        "FIXSTREAM_TRAINER_NICENESS": "0",
        "FIXSTREAM_TRAINER_LEASE_WAIT_S": "90",
        **changes,
    }
    process = subprocess.Popen([sys.executable, *(command or TRAIN)], env=environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def seen(folder: Path) -> int:
    manifest = newest_manifest(folder)
    return manifest.counts.seen if manifest else 0


def history(kafka: Kafka, folder: Path) -> UpdateHistory:
    return read_history(
        kafka.settings, Codec(), "error-learning", TrustedKeys.load(folder / "keys")
    )


def network(folder: Path, place: int = -1) -> Tensor:
    """All weights of the network of a checkpoint, one after the other."""
    store = FolderCheckpointStore(folder)
    stored = stored_checkpoint(store, store.names()[place], TrustedKeys.load(folder / "keys"))
    tensors = read_tensors(store, stored, WEIGHTS)
    return torch.cat([tensors[n].flatten() for n in sorted(tensors) if n.startswith("network.")])


def test_two_processes_learn_stop_and_resume_as_one_does(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    two, one = tmp_path / "two", tmp_path / "one"
    changes = {f"FIXSTREAM_TRAINER_{name.upper()}": str(value) for name, value in STEADY.items()}
    changes |= {
        "DROPOUT": "0.0",  # Two processes drop other units than one.
        "LEARNING_RATE": "1.0",  # So that six steps of the warm-up go somewhere.
        "FIXSTREAM_TRAINER_PRECISION": "float32",
        "FIXSTREAM_TRAINER_CHECKPOINTS_KEPT": "50",
    }
    for first in (0, 24):
        send_range(kafka_topics, first, first + 24)
        with trainer(kafka_topics, two, *IN_TWO, *TRAIN, **changes) as process:
            eventually(lambda first=first: seen(two) == first + 24, 120.0)  # type: ignore[misc]
            process.send_signal(signal.SIGTERM)
            process.wait(60.0)
    places = learning(one).model_copy(update={"dropout": 0.0, "learning_rate": 1.0})
    alone = {**STEADY, "model": "alone", "precision": Precision.FLOAT32, "checkpoints_kept": 50}
    with running_trainer(kafka_topics, places, **alone):
        eventually(lambda: seen(one) == 48, 120.0)
    manifest = newest_manifest(two)
    assert manifest is not None
    assert (manifest.counts.steps, manifest.counts.trained) == (6, 48)
    assert [offset.next_offset for offset in manifest.origin_offsets] == [48]
    assert history(kafka_topics, two).newest_version == manifest.version
    way = (network(one) - network(one, 0)).norm()
    assert float(way) > 0.0
    assert float((network(two) - network(one)).norm() / way) < LIKENESS


def test_a_paused_trainer_that_lost_its_lease_ends_and_leaves_everything_as_it_is(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    send_range(kafka_topics, 0, 40)
    with trainer(kafka_topics, first) as paused:
        eventually(lambda: seen(first) == 40, 120.0)
        eventually(lambda: history(kafka_topics, first).newest_version > 0, 60.0)
        paused.send_signal(signal.SIGSTOP)
        # Another machine, whose copy of the folder knows nothing of the first one's lock.
        shutil.copytree(first, second, ignore=shutil.ignore_patterns(".*"))
        send_range(kafka_topics, 40, 80)
        with trainer(kafka_topics, second) as other:
            eventually(lambda: seen(second) == 80, 120.0)
            before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
            versions = [one.version for one in history(kafka_topics, second).updates]
            paused.send_signal(signal.SIGCONT)
            assert paused.wait(60.0) == 1
            other.terminate()
            assert other.wait(60.0) == 0
    # A checkpoint that was due as it woke may lie beside the others, but nobody was told of it.
    assert {path: path.read_bytes() for path in before} == before
    assert [one.version for one in history(kafka_topics, second).updates] == versions
    assert seen(second) == 80
