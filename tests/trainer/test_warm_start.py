"""Warm starts: who may begin with one, what then tells of it, and what stops the start."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fixstream.runtime.clock import SystemClock
from fixstream.runtime.stopping import StopSignal
from fixstream.schemas.errors import FixstreamError, Misconfigured
from fixstream.trainer.candidate import WARM_START, Start
from fixstream.trainer.checkpoint import TrustedKeys, checkpoint_name
from fixstream.trainer.learner import Learner
from fixstream.trainer.ledger import Position
from fixstream.trainer.resume import Resumption
from fixstream.trainer.service import learner_config, run
from fixstream.trainer.warm_start import KEYS, begun_warm, take_warm_start, write_warm_start
from support.deadlines import eventually
from support.kafka import Kafka
from support.trainer_service import SETTINGS, learning, newest_manifest, send
from support.training import TINY_LEARNER, training_batch

FRESH = Resumption(None, None, Position((), ()), Start(next_version=4))


def marked_learner(mark: float = 1.5) -> Learner:
    learner = Learner(TINY_LEARNER)
    with torch.no_grad():
        learner.model.network.solution_head.bias.fill_(mark)
    return learner


def mark_of(learner: Learner) -> float:
    return float(learner.model.network.solution_head.bias.detach()[0])


def test_a_fresh_lineage_begins_with_the_newest_one_and_tells_of_it(tmp_path: Path) -> None:
    for mark in (1.5, 2.5):
        write_warm_start(tmp_path, marked_learner(mark), f"mark {mark}", SystemClock())
    learner = Learner(TINY_LEARNER)
    begun = begun_warm(FRESH, learner, tmp_path)
    assert mark_of(learner) == 2.5
    assert begun.start.next_version == 4
    assert begun.start.warm_start is not None
    assert begun.start.warm_start.startswith(f"2 of {tmp_path.name}, sha256 ")
    assert begun.start.warm_start.endswith(": mark 2.5")


def test_it_is_not_looked_at_where_there_is_a_checkpoint_or_no_folder(tmp_path: Path) -> None:
    stored = write_warm_start(tmp_path, marked_learner(), "mark", SystemClock())
    learner = Learner(TINY_LEARNER)
    with_checkpoint = replace(FRESH, checkpoint=stored)
    assert begun_warm(with_checkpoint, learner, tmp_path) is with_checkpoint
    assert begun_warm(FRESH, learner, None) is FRESH
    assert mark_of(learner) == 0.0


def test_without_one_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no warm start in"):
        begun_warm(FRESH, Learner(TINY_LEARNER), tmp_path / "nothing")


def test_one_of_another_size_or_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    write_warm_start(tmp_path, marked_learner(), "mark", SystemClock())
    larger = replace(TINY_LEARNER, model=replace(TINY_LEARNER.model, solution_dim=16))
    with pytest.raises(Misconfigured, match="is refused: its model is of another size"):
        begun_warm(FRESH, Learner(larger), tmp_path)
    weights = tmp_path / checkpoint_name(1) / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    learner = Learner(TINY_LEARNER)
    with pytest.raises(Misconfigured, match="is refused: "):
        begun_warm(FRESH, learner, tmp_path)
    assert mark_of(learner) == 0.0


def test_a_strangers_one_is_refused(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_warm_start(ours, marked_learner(), "mark", SystemClock())
    write_warm_start(theirs, marked_learner(), "mark", SystemClock())
    with pytest.raises(Misconfigured, match="not a trusted key"):
        take_warm_start(Learner(TINY_LEARNER), theirs, TrustedKeys.load(ours / KEYS))


@pytest.mark.kafka
def test_the_service_begins_with_it_once_and_stops_where_it_is_refused(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    warm, folder = tmp_path / "warm", tmp_path / "checkpoints"
    settings = SETTINGS.model_copy(update={"warm_start": warm})
    with pytest.raises(Misconfigured, match="there is no warm start in"):
        run(settings, kafka_topics.settings, learning(folder), StopSignal())
    assert newest_manifest(folder) is None
    learner = Learner(learner_config(settings, learning(folder)))
    write_warm_start(warm, learner, "past errors", SystemClock())
    _train(kafka_topics, folder, 0)
    first = newest_manifest(folder)
    # Were it looked at again, what is no warm start any more would stop the trainer.
    (warm / checkpoint_name(1) / "manifest.json").write_text(json.dumps({}))
    _train(kafka_topics, folder, 32)
    second = newest_manifest(folder)
    assert first is not None
    assert second is not None
    assert first.versions[WARM_START].endswith(": past errors")
    assert second.versions[WARM_START] == first.versions[WARM_START]
    assert second.counts.seen == 64


def _train(kafka: Kafka, folder: Path, first: int) -> None:
    """A trainer learns one more batch, and ends in order."""
    send(kafka, training_batch(first, first + 32))
    settings = SETTINGS.model_copy(update={"warm_start": folder.parent / "warm"})
    stop, failures = StopSignal(), list[FixstreamError]()

    def target() -> None:
        try:
            run(settings, kafka.settings, learning(folder), stop)
        except FixstreamError as error:
            failures.append(error)

    thread = threading.Thread(target=target, name="trainer-with-warm-start")
    thread.start()
    try:
        eventually(lambda: failures or _has_seen(folder, first + 32), 60.0)
    finally:
        stop.set()
        thread.join(60.0)
    assert not failures


def _has_seen(folder: Path, count: int) -> bool:
    manifest = newest_manifest(folder)
    return manifest is not None and manifest.counts.seen >= count
