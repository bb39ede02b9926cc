"""The loop: when steps and checkpoints are due, and what becomes of a failed one."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fixstream.runtime.clock import SettableClock
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import RetryLater
from fixstream.schemas.records import ModelUpdate
from fixstream.trainer.candidate import Start
from fixstream.trainer.checkpoint import (
    CheckpointNotWritten,
    Content,
    FolderCheckpointStore,
    Manifest,
    SigningKey,
    StoredCheckpoint,
)
from fixstream.trainer.gate import Answers, Cost, Verdict
from fixstream.trainer.learner import Learner
from fixstream.trainer.ledger import Ledger, WaitingExample
from fixstream.trainer.recorder import CheckpointRecorder
from fixstream.trainer.snapshot import Snapshot
from fixstream.trainer.training import LoopConfig, TrainingLoop
from support.deadlines import eventually
from support.training import TINY_LEARNER, training_batch

SOURCE = ("training.batches.v1", 0)
CONFIG = LoopConfig(
    batch_size=8, replay_share=0.5, step_wait_s=2.0, checkpoint_every_steps=3,
    checkpoint_interval_s=60.0,
)  # fmt: skip


class RefusingStore(FolderCheckpointStore):
    """A folder on a disk that is full as long as it is told to be."""

    is_full = False

    def write(self, manifest: Manifest, content: Content, key: SigningKey) -> StoredCheckpoint:
        if self.is_full:
            raise CheckpointNotWritten("no space left")
        return super().write(manifest, content, key)


class Bench:
    """A loop with a settable clock, a real store and a list for a topic."""

    def __init__(self, root: Path) -> None:
        self.clock = SettableClock()
        self.store = RefusingStore(root)
        self.ledger = Ledger()
        self.updates: list[ModelUpdate] = []
        self.set_aside: list[WaitingExample] = []
        self.num_failing_publishes = 0
        self.learner = Learner(TINY_LEARNER)
        key = SigningKey.load_or_create(root / "keys" / "signing.pem")
        self.recorder = CheckpointRecorder(self.store, key, self._publish, num_kept=2)
        self.loop = TrainingLoop(
            self.learner, self.ledger, self.recorder, self._put, self.clock, CONFIG
        )
        self.loop.begin(Start())

    def _publish(self, update: ModelUpdate) -> None:
        if self.num_failing_publishes:
            self.num_failing_publishes -= 1
            raise RetryLater("no broker")
        self.updates.append(update)

    def _put(self, examples: Sequence[WaitingExample], reason: str) -> None:
        self.set_aside += examples

    def feed(self, first: int, after: int) -> None:
        self.ledger.accept(training_batch(first, after), SOURCE, first)

    def settle(self) -> None:
        """Turns the loop until the running checkpoint has ended."""

        def is_idle() -> bool:
            self.loop.advance()
            return not self.recorder.is_busy

        eventually(is_idle, 20.0)


@contextmanager
def bench(root: Path) -> Iterator[Bench]:
    found = Bench(root)
    try:
        yield found
    finally:
        found.recorder.close()


def test_a_few_examples_wait_for_company_but_not_for_ever(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        b.feed(0, 2)
        assert not b.loop.advance()
        b.clock.advance(1.9)
        assert not b.loop.advance()
        b.clock.advance(0.2)
        assert b.loop.advance()
        assert b.ledger.num_waiting == 0


def test_a_step_is_half_replay_unless_there_is_a_backlog(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        b.feed(0, 40)
        b.loop.advance()
        assert b.ledger.num_waiting == 32
        b.loop.advance()
        assert b.ledger.num_waiting == 28


def test_a_checkpoint_comes_after_its_steps_and_its_update_after_it(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        b.feed(0, 12)
        for _ in range(3):
            assert not b.updates
            b.loop.advance()
        b.settle()
        assert [(u.version, u.kind, u.parent) for u in b.updates] == [
            (1, UpdateKind.PROMOTED, None)
        ]
        assert b.updates[0].examples_seen == 12
        assert [(r.first_offset, r.next_offset) for r in b.updates[0].lineage] == [(0, 12)]


def test_steps_go_on_while_the_gate_looks_at_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined, may_judge = Snapshot.examined, threading.Event()

    def slowly(snapshot: Snapshot) -> tuple[Answers, Cost, Verdict]:
        assert may_judge.wait(60.0)
        return examined(snapshot)

    monkeypatch.setattr(Snapshot, "examined", slowly)
    with bench(tmp_path) as b:
        b.feed(0, 40)
        b.loop.advance()
        b.loop.begin_checkpoint()
        while b.loop.advance():
            pass
        assert b.recorder.is_busy
        assert b.loop.counts.steps > 2
        may_judge.set()
        b.settle()
        assert b.updates[0].metrics["steps"] == 1


def test_a_checkpoint_comes_after_its_interval_if_something_was_learnt(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        b.clock.advance(100.0)
        b.settle()
        assert not b.updates
        b.feed(0, 4)
        b.settle()
        assert len(b.updates) == 1


def test_a_full_disk_delays_and_loses_nothing(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        b.store.is_full = True
        b.feed(0, 24)
        for _ in range(6):
            b.loop.advance()
            b.settle()
        assert b.loop.counts.seen == 24
        assert not b.store.names()
        b.store.is_full = False
        b.settle()
        assert not b.updates, "it must not try again at once"
        b.clock.advance(61.0)
        b.settle()
        assert [(u.version, u.examples_seen) for u in b.updates] == [(1, 24)]
        assert [(r.first_offset, r.next_offset) for r in b.updates[0].lineage] == [(0, 24)]


def test_an_unreachable_broker_delays_the_update_not_the_steps(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        b.num_failing_publishes = 1
        b.feed(0, 20)
        b.loop.advance()
        b.loop.begin_checkpoint()
        b.loop.advance()
        assert b.loop.counts.steps == 2
        b.settle()
        assert b.updates[0].version == 1


def test_the_end_writes_what_no_checkpoint_holds_yet(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        b.feed(0, 4)
        b.loop.advance()
        b.loop.finish(20.0)
        b.loop.finish(20.0)
        assert [update.examples_seen for update in b.updates] == [4]


def test_examples_with_a_loss_that_is_not_finite_are_set_aside(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        b.feed(0, 4)
        b.loop.advance()
        parameter = b.learner.model.network.solution_head.bias
        before = parameter.detach().clone()
        parameter.data.fill_(math.nan)
        b.feed(4, 8)
        b.loop.advance()
        assert len(b.set_aside) + b.loop.counts.held_out >= 4
        assert b.loop.counts.set_aside == len(b.set_aside) > 0
        assert b.loop.counts.steps == 1
        parameter.data.copy_(before)
        b.feed(8, 12)
        b.loop.advance()
        assert b.loop.counts.steps == 2
        assert b.loop.counts.seen == 12


def test_only_the_newest_and_the_one_in_use_stay(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        for number in range(5):
            b.feed(number * 4, number * 4 + 4)
            b.loop.advance()
            b.loop.begin_checkpoint()
            b.settle()
        assert [name[-1] for name in b.store.names()] == ["4", "5"]


def test_the_lineage_of_a_resumed_loop_goes_on(tmp_path: Path) -> None:
    with bench(tmp_path) as b:
        b.loop.begin(replace(Start(), next_version=8, parent=7, champion=6))
        b.feed(0, 4)
        b.loop.advance()
        b.loop.finish(20.0)
        assert (b.updates[0].version, b.updates[0].parent) == (8, 7)


def test_a_model_that_costs_too_much_is_rejected_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowned: list[Answers] = []
    with bench(tmp_path) as b:
        monkeypatch.setattr(b.learner.validation, "crown", crowned.append)
        b.loop.begin(replace(Start(), champion=1, champion_cost=Cost(1000, 0.0)))
        b.feed(0, 4)
        b.loop.advance()
        b.loop.finish(20.0)
        assert b.updates[0].kind is UpdateKind.REJECTED
        assert "times the champion's" in (b.updates[0].reason or "")
        assert b.updates[0].metrics["champion_cost.size_bytes"] == 1000
        assert b.updates[0].metrics["cost.size_bytes"] > 1250
        assert not crowned  # The next candidate is compared with the champion, not with this one.
