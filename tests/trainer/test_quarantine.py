"""Texts in quarantine train once, when the stream's clock says so, and never before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import safetensors.torch
import torch

from fixstream.runtime.clock import SettableClock
from fixstream.schemas.records import OffsetRange, TrainingBatch
from fixstream.trainer.admission import Admission, Admitted
from fixstream.trainer.candidate import Start
from fixstream.trainer.checkpoint import TOKENIZER, FolderCheckpointStore, SigningKey
from fixstream.trainer.examples import learning_example
from fixstream.trainer.learner import Learner
from fixstream.trainer.ledger import Ledger, WaitingExample
from fixstream.trainer.quarantine import Coordinate, Quarantine
from fixstream.trainer.recorder import CheckpointRecorder
from fixstream.trainer.training import LoopConfig, TrainingLoop
from support.training import RAW_TOPIC, START, TINY_LEARNER, training_batch, training_example

SOURCE = ("training.batches.v1", 0)
CONFIG = replace(TINY_LEARNER, held_out_share=0.0)
TOKENIZER_OF_ALL = Learner(CONFIG).tokenizer
HERE = (Coordinate(1, 0, 0), Coordinate(2, 0, 0))


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def batch(
    first: int, after: int, at: datetime, until: datetime | None = None, *, is_held: bool = False
) -> TrainingBatch:
    """A batch that was closed at a time; all of it in quarantine, or nothing."""
    made = replace(training_batch(first, after), created_at=at)
    if not is_held:
        return made
    held = [replace(one, weight=0.0, train_after=until) for one in made.examples]
    return replace(made, examples=tuple(held))


STREAM = [
    batch(0, 6, hour(0)),
    batch(6, 9, hour(1), hour(4), is_held=True),
    batch(9, 13, hour(2), hour(3), is_held=True),
    batch(13, 16, hour(2.5)),
    batch(16, 20, hour(3)),
    batch(20, 24, hour(5)),
    batch(24, 28, hour(5)),
]


class Trained:
    """A learner that is fed batch by batch, as the loop does, and may be killed and resumed."""

    def __init__(self) -> None:
        self.learner = Learner(CONFIG)
        self.ledger = Ledger(accept_gaps=True)

    def feed(self, made: TrainingBatch, max_released: int = 8) -> Admitted:
        self.ledger.accept(made, SOURCE, made.origin.first_offset)
        admission = Admission(self.learner, self.ledger.blocked)
        admitted = admission.admit(self.ledger.take(100), max_released)
        if admitted.examples:
            self.learner.learn(admitted.examples, 4)
        return admitted

    def kill_and_resume(self) -> None:
        content = self.learner.snapshot(self.learner.validation.champion)
        tensors = {
            file: safetensors.torch.load(safetensors.torch.save(dict(group)))
            for file, group in content.tensors.items()
        }
        self.learner = Learner(CONFIG)
        self.learner.restore(tensors, content.texts[TOKENIZER].encode())
        self.ledger = Ledger(self.ledger.position(), accept_gaps=True)


def test_it_trains_once_when_the_streams_clock_has_passed_its_end() -> None:
    run = Trained()
    seen = [(len(a.fresh), len(a.released)) for a in map(run.feed, STREAM)]
    assert seen == [(6, 0), (0, 0), (0, 0), (3, 0), (4, 4), (4, 3), (4, 0)]
    assert len(run.learner.quarantine) == 0


def test_what_comes_out_weighs_what_it_would_have_weighed() -> None:
    run = Trained()
    run.feed(STREAM[2])
    released = run.feed(STREAM[5]).released
    assert released == [
        learning_example(training_example(n), TOKENIZER_OF_ALL) for n in (9, 10, 11, 12)
    ]
    assert any(released[0].weights)


@pytest.mark.parametrize("crash_after", range(len(STREAM)))
def test_killed_and_resumed_equals_unbroken_bit_by_bit(crash_after: int) -> None:
    unbroken, broken = Trained(), Trained()
    for place, made in enumerate(STREAM):
        unbroken.feed(made, max_released=2)
        broken.feed(made, max_released=2)
        if place == crash_after:
            broken.kill_and_resume()
    left, right = (
        run.learner.snapshot(run.learner.validation.champion).tensors for run in (unbroken, broken)
    )
    for file, tensors in left.items():
        assert tensors.keys() == right[file].keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, right[file][name]), f"{file}: {name}"


@pytest.mark.parametrize("until", [None, datetime(9999, 12, 31, tzinfo=UTC), hour(24 * 500)])
def test_a_time_without_reason_never_trains_and_takes_no_place(until: datetime | None) -> None:
    run = Trained()
    admitted = run.feed(batch(0, 3, hour(0), until, is_held=True))
    assert (admitted.num_dropped, len(admitted.examples), len(run.learner.quarantine)) == (3, 0, 0)


def test_one_whose_end_has_passed_already_trains_at_once() -> None:
    run = Trained()
    admitted = run.feed(batch(0, 3, hour(5), hour(4), is_held=True))
    assert [one for _, one in admitted.fresh] == [
        learning_example(training_example(n), TOKENIZER_OF_ALL) for n in range(3)
    ]


def test_what_was_blocked_meanwhile_is_not_released() -> None:
    run = Trained()
    run.feed(STREAM[2])
    for blocked in (OffsetRange(RAW_TOPIC, 0, 10, 12), OffsetRange(*SOURCE, 9, 10)):
        held = Quarantine()
        held.load_state_tensors(run.learner.quarantine.state_tensors())
        held.advance(hour(9))
        released, num_blocked = held.release(9, [blocked])
        assert (len(released), num_blocked) in ((2, 2), (0, 4))
        assert len(held) == 0


def test_the_nearest_ends_keep_their_places() -> None:
    held = Quarantine(capacity=3)
    held.advance(START)
    examples = [learning_example(training_example(n), TOKENIZER_OF_ALL) for n in range(5)]
    lost = [
        held.hold(one, HERE, hour(end)) for one, end in zip(examples, (5, 1, 9, 3, 7), strict=True)
    ]
    assert (sum(lost), len(held)) == (2, 3)
    held.advance(hour(99))
    held.advance(START)  # A batch whose clock stands behind takes nothing back.
    released, _ = held.release(2)
    assert released == [examples[1], examples[3]]
    assert held.release(9)[0] == [examples[0]]


def test_the_loop_accounts_for_them(tmp_path: Path) -> None:
    learner, ledger, clock = Learner(CONFIG), Ledger(), SettableClock()
    key = SigningKey.load_or_create(tmp_path / "keys" / "signing.pem")
    recorder = CheckpointRecorder(FolderCheckpointStore(tmp_path), key, lambda _: None, 2)
    loop = TrainingLoop(learner, ledger, recorder, _nothing, clock, LoopConfig(batch_size=8))
    loop.begin(Start())
    for made in (*STREAM, batch(28, 30, hour(6), hour(9), is_held=True)):
        ledger.accept(made, SOURCE, made.origin.first_offset)
        clock.advance(9.0)
        while ledger.num_waiting:
            loop.advance()
            clock.advance(9.0)
    counts = loop.counts
    assert (counts.trained, counts.quarantined, counts.dropped, counts.seen) == (28, 2, 0, 30)
    loop.finish(20.0)
    recorder.close()


def _nothing(examples: Sequence[WaitingExample], reason: str) -> None:
    raise AssertionError(f"{len(examples)} examples were set aside: {reason}")
