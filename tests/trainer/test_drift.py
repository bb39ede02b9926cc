"""A stream that changes is noticed, one that does not is left alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fixstream.schemas.enums import LabelSource
from fixstream.trainer.adwin import Adwin
from fixstream.trainer.drift import LOSS, NOVELTY, DriftConfig, DriftMonitor
from fixstream.trainer.examples import LearningExample, learning_example
from fixstream.trainer.features import Encoded
from fixstream.trainer.learner import Learner
from support.training import TINY_LEARNER, training_example

Series = NDArray[np.float64]


def coins(shares: Sequence[float], count: int, seed: int = 0) -> Series:
    """So many throws at each share in turn."""
    source = np.random.default_rng(seed)
    return np.concatenate([source.random(count) < share for share in shares]).astype(np.float64)


def detections(window: Adwin, series: Series) -> list[int]:
    return [place for place, value in enumerate(series) if window.add(np.array([value]))]


SERIES = {
    "abrupt": coins((0.2, 0.6), 3000),
    "there and back": coins((0.2, 0.8, 0.2), 1500),
    "small": coins((0.4, 0.5), 3000),
    "stationary": coins((0.3,), 6000),
}


@pytest.mark.parametrize("name", SERIES)
def test_it_cuts_where_the_known_implementation_does(name: str) -> None:
    drift = pytest.importorskip("river.drift")
    theirs, known = drift.ADWIN(), []
    for place, value in enumerate(SERIES[name]):
        theirs.update(value)
        if theirs.drift_detected:
            known.append(place)
    window = Adwin()
    ours = detections(window, SERIES[name])
    assert bool(ours) == bool(known)
    # Theirs may drop more of the old at once; each of its cuts is one of ours, two looks off.
    assert all(min(abs(place - one) for one in ours) <= 64 for place in known)
    assert all(place >= min(known) - 64 for place in ours)


def test_a_long_window_stays_small_and_knows_its_mean() -> None:
    window, series = Adwin(), SERIES["stationary"]
    detections(window, series)
    assert window.num_stretches <= 5 * np.log2(len(series))
    assert window.mean[0] == pytest.approx(series[-window.width :].mean())


def test_after_a_change_only_the_new_is_remembered() -> None:
    window, series = Adwin(), SERIES["abrupt"]
    detections(window, series)
    assert window.width <= 3100
    assert window.mean[0] == pytest.approx(series[-window.width :].mean())


def examples(count: int, shift: int = 0, seed: int = 0) -> Iterator[LearningExample]:
    """Labels of a skewed mix; a shift gives another one."""
    source = random.Random(seed)
    for number in range(count):
        kind = (min(source.randrange(4), source.randrange(4)) + shift) % 4
        yield LearningExample(Encoded((1, 20)), (kind, kind, kind), (1.0, 1.0, 1.0), group=number)


def watched(monitor: DriftMonitor, stream: Iterator[LearningExample], loss: float) -> list[str]:
    source = random.Random(1)
    found = []
    for example in stream:
        novelty = float(source.random() < 0.1)
        mistake = float(source.random() < loss)
        found += monitor.observe([example], [novelty], [mistake])
    return found


def test_nothing_is_found_where_nothing_changes() -> None:
    assert watched(DriftMonitor(), examples(4000), 0.3) == []


def test_another_mix_of_labels_is_found_soon() -> None:
    monitor = DriftMonitor()
    watched(monitor, examples(1500), 0.3)
    found = watched(monitor, examples(160, shift=2), 0.3)
    assert set(found) == {"labels_category", "labels_domain", "labels_severity"}


def test_rising_mistakes_are_found_and_falling_ones_are_learning() -> None:
    monitor = DriftMonitor()
    assert watched(monitor, examples(1000), 0.7) == []
    assert watched(monitor, examples(1000), 0.2) == []
    assert LOSS in watched(monitor, examples(200), 0.7)
    assert monitor.signals()[LOSS].num_detections > 0


def test_new_words_are_found_and_known_ones_are_learning() -> None:
    monitor = DriftMonitor()
    for share in (1.0, 0.1):
        for value in coins((share,), 600):
            assert monitor.observe([], [float(value)], []) == []
    found = [name for value in coins((0.8,), 200) for name in monitor.observe([], [value], [])]
    assert NOVELTY in found


def test_it_resumes_where_it_was() -> None:
    whole, broken = DriftMonitor(), DriftMonitor()
    for monitor in (whole, broken):
        watched(monitor, examples(700), 0.3)
    resumed = DriftMonitor()
    resumed.load_state_tensors(broken.state_tensors())
    for monitor in (whole, resumed):
        watched(monitor, examples(300, shift=1), 0.6)
    assert whole.metrics() == resumed.metrics()
    left, right = whole.state_tensors(), resumed.state_tensors()
    assert all(left[name].equal(right[name]) for name in left)


@pytest.mark.parametrize("forgets", [True, False])
def test_after_a_change_the_weights_are_free_to_move_again(forgets: bool) -> None:
    config = replace(TINY_LEARNER, held_out_share=0.0, drift=DriftConfig(forgets=forgets))
    learner = Learner(config)
    mixture = learner.model.mixture.heads["category"]
    blocks = [
        [
            learning_example(training_example(n, source=LabelSource.REPORTER), learner.tokenizer)
            for n in range(first, first + 16)
        ]
        for first in range(0, 64, 16)
    ]
    for block in blocks:
        learner.learn(block)
    mixture.state()["squares"][...] = 50.0
    for _ in range(20):
        learner.learn([replace(one, classes=(7, 2, 3)) for one in blocks[0]])
        if learner.drift.signals()["labels_category"].num_detections:
            break
    assert learner.drift.signals()["labels_category"].num_detections > 0
    assert bool((mixture.state()["squares"] < 10.0).any()) is forgets


def test_released_texts_say_nothing_of_the_present() -> None:
    learner = Learner(replace(TINY_LEARNER, held_out_share=0.0))
    block = [learning_example(training_example(n), learner.tokenizer) for n in range(8)]
    learner.learn(block, num_released=3)
    assert learner.drift.signals()["labels_category"].width == 5
    assert learner.drift.signals()[NOVELTY].width == 5
