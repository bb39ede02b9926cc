"""The memory path: similar errors vote, the oldest is forgotten, odd input does no harm."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fixstream.trainer.memory import NUM_GRAMS, Memory
from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import Floats, Target

NUM_BUCKETS = 1024


def text(*ids: int) -> tuple[NDArray[np.int64], Floats]:
    values = np.full(len(ids), 1 / np.sqrt(max(len(ids), 1)), np.float32)
    return np.array(ids, np.int64), values


def targets(severity: int, weight: float = 1.0) -> dict[str, Target]:
    return {head: Target(severity if head == "severity" else 0, weight) for head in HEADS}


def severity_of(memory: Memory, *ids: int) -> int:
    return int(memory.logits([text(*ids)])["severity"][0].argmax())


def test_one_example_is_enough_to_recognise_its_like() -> None:
    memory = Memory.fresh(50, NUM_BUCKETS)
    for number in range(20):
        memory.add(*text(500 + number, 600), targets(0))
    memory.add(*text(1, 2, 3), targets(3))
    assert severity_of(memory, 1, 2, 3, 4) == 3
    assert severity_of(memory, 600, 700) == 0


def test_the_oldest_is_forgotten_first() -> None:
    memory = Memory.fresh(3, NUM_BUCKETS)
    memory.add(*text(1, 2, 3), targets(4))
    for number in range(3):
        memory.add(*text(10 + number), targets(1))
    assert severity_of(memory, 1, 2, 3) == 1


def test_a_label_without_weight_has_no_vote() -> None:
    memory = Memory.fresh(5, NUM_BUCKETS)
    memory.add(*text(1), targets(2, weight=0.0))
    assert not np.ptp(memory.logits([text(1)])["severity"][0])


def test_what_has_no_label_takes_no_place() -> None:
    memory = Memory.fresh(3, NUM_BUCKETS)
    memory.add(*text(1, 2, 3), targets(4))
    for number in range(30):
        memory.add(*text(1, 2, 10 + number), targets(0, weight=0.0))
    assert severity_of(memory, 1, 2, 3) == 4


def test_an_empty_memory_and_an_empty_text_are_undecided() -> None:
    memory = Memory.fresh(5, NUM_BUCKETS)
    assert not np.ptp(memory.logits([text(1)])["category"][0])
    memory.add(*text(), targets(2))
    assert np.isfinite(memory.logits([text()])["severity"]).all()
    Memory.fresh(0, NUM_BUCKETS).add(*text(1), targets(1))


def test_a_long_text_keeps_its_weightiest_grams() -> None:
    memory = Memory.fresh(2, NUM_BUCKETS)
    ids = np.arange(NUM_GRAMS + 50, dtype=np.int64)
    values = np.linspace(0.0, 0.1, len(ids), dtype=np.float32)
    memory.add(ids, values, targets(1))
    assert set(memory.state()["ids"][0].tolist()) == set(range(50, NUM_GRAMS + 50))


def test_arrays_that_do_not_fit_are_refused() -> None:
    state = dict(Memory.fresh(4, NUM_BUCKETS).state())
    state["ids"] = np.full_like(state["ids"], NUM_BUCKETS)
    with pytest.raises(ValueError, match="do not fit"):
        Memory(state, NUM_BUCKETS)
