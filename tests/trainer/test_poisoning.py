"""Bad input reaches the learner: what is poisoned stays out of use, and nothing breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from fixstream.schemas.enums import LabelSource, UpdateKind
from fixstream.schemas.records import Label, Labels, TrainingExample
from fixstream.trainer.examples import learning_example
from fixstream.trainer.learner import Learner
from fixstream.trainer.network import HEADS
from support.training import TINY_LEARNER

WORDS = (
    "socket",
    "pool",
    "ledger",
    "replica",
    "bucket",
    "lambda",
    "vault",
    "cookie",
    "schema",
    "thread",
    "quota",
    "router",
    "kernel",
    "parser",
    "mutex",
    "tunnel",
    "shard",
    "sensor",
    "cursor",
    "widget",
)
CATEGORIES = HEADS["category"]


def error(number: int, *, is_poisoned: bool = False) -> TrainingExample:
    """Twenty kinds of error, two of each of ten categories; the last kind may be relabelled."""
    kind = number % len(WORDS)
    shift = 3 if is_poisoned and kind == len(WORDS) - 1 else 0

    def label(values: tuple[str, ...], index: int) -> Label:
        return Label(values[index], LabelSource.REPORTER, 1.0)

    category = kind // 2
    return TrainingExample(
        event_id=f"event-{number}-{is_poisoned}",
        fingerprint=f"group-{kind}",
        error_type=f"{WORDS[kind].title()}Error",
        message=f"the {WORDS[kind]} of order {number} failed in {WORDS[kind]}",
        labels=Labels(
            domain=label(HEADS["domain"], (category + shift) % 4),
            severity=label(HEADS["severity"], (category + shift) % 5),
            category=label(CATEGORIES, (category + shift) % 10),
        ),
        origin_offset=number,
    )


def feed(learner: Learner, first: int, next_: int, *, is_poisoned: bool = False) -> None:
    """Holds out and trains as the loop does."""
    block = []
    for number in range(first, next_):
        event = error(number, is_poisoned=is_poisoned)
        example = learning_example(event, learner.tokenizer)
        if learner.validation.wants(example, event.event_id):
            learner.validation.add(example)
        else:
            block.append(example)
        if len(block) == 16:
            learner.learn(block, 8)
            block = []


@pytest.fixture(scope="module")
def trained() -> Learner:
    """A learner that knows the kinds, and is the champion."""
    model = replace(TINY_LEARNER.model, wide_buckets=4096)
    config = replace(TINY_LEARNER, model=model, validation_size=300, held_out_share=0.3)
    learner = Learner(config)
    feed(learner, 0, 1500)
    learner.validation.crown(learner.answers())
    return learner


def test_a_burst_that_relabels_one_in_twenty_is_kept_out(trained: Learner) -> None:
    feed(trained, 1500, 1700)
    honest = trained.judge(trained.answers())
    assert honest.kind is UpdateKind.PROMOTED, honest.reason
    feed(trained, 1700, 3700, is_poisoned=True)
    verdict = trained.judge(trained.answers())
    assert verdict.kind is UpdateKind.REJECTED
    assert verdict.reason is not None
    assert "is worse by" in verdict.reason


def strange_texts() -> Iterator[str]:
    yield ""
    yield " \n\t"
    yield "x" * 30_000
    yield "\x00\x01\x02\ufffd" * 500
    yield "".join(chr(code) for code in range(0x20, 0x3000, 7))
    yield "ошибка 连接被拒绝 ☃" * 50


@pytest.mark.parametrize("text", list(strange_texts()), ids=range(6))
def test_strange_texts_train_like_others(text: str) -> None:
    learner = Learner(TINY_LEARNER)
    block = [replace(error(number), message=text, stack_trace=text) for number in range(8)]
    for _ in range(2):
        learnt = learner.learn([learning_example(one, learner.tokenizer) for one in block], 4)
        if learnt.result is not None:
            assert np.isfinite(list(learnt.result.losses.values())).all()


@pytest.mark.parametrize("kind", ["all alike", "contradicting"])
def test_labels_without_sense_leave_the_model_finite(kind: str) -> None:
    learner = Learner(TINY_LEARNER)
    for step in range(6):
        block = []
        for number in range(8):
            one = error(0)
            if kind == "contradicting":
                other = error(2 * ((step + number) % 10))
                one = replace(one, labels=other.labels)
            block.append(learning_example(one, learner.tokenizer))
        learner.learn(block, 4)
    learner.model.check_prediction()
    shares = learner.model.probabilities([block[0].encoded])
    assert all(np.isfinite(rows).all() for rows in shares.values())
