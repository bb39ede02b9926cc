"""Three deployments on the real broker learn together, each with errors that the others lack."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.runtime.ports import free_port
from fixstream.runtime.process import GuardedProcess
from fixstream.runtime.settings import load_settings
from fixstream.runtime.topics_admin import apply_topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.records import TrainingExample
from fixstream.schemas.topics import TRAINING_BATCHES
from fixstream.trainer.checkpoint import TrustedKeys
from fixstream.trainer.examples import learning_example
from fixstream.trainer.features import ErrorText
from fixstream.trainer.federation.seals import new_key
from fixstream.trainer.learner import Learner
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.service import LearningSettings, TrainerSettings, learner_config
from fixstream.trainer.warm_start import KEYS, take_warm_start
from support.kafka import Kafka, unique_prefix
from support.training import training_batch, training_example

pytestmark = pytest.mark.kafka

SIZE = {
    "VOCAB_SIZE": "1000",
    "EMBEDDING_DIM": "16",
    "HIDDEN_DIM": "32",
    "NUM_HEADS": "2",
    "NUM_LAYERS": "2",
    "MAX_SEQUENCE_LENGTH": "64",
    "LEARNING_BATCH_SIZE": "8",
    "FIXSTREAM_TRAINER_WIDE_BUCKETS": "256",
    "FIXSTREAM_TRAINER_MEMORY_PLACES": "16",
    "OMP_NUM_THREADS": "1",
}
"""A tiny model."""
NUM_EXAMPLES = 160
NUM_ROUNDS = 2
MEMBERS = ("north", "south", "west")


def kinds_of(member: str) -> tuple[int, int]:
    """Each deployment meets two of the stream's four kinds of error."""
    first = MEMBERS.index(member)
    return first, first + 1


def examples_of(member: str) -> list[TrainingExample]:
    kinds = kinds_of(member)
    numbers = [number for number in range(NUM_EXAMPLES * 2) if number % 4 in kinds]
    return [training_example(number) for number in numbers[:NUM_EXAMPLES]]


def publish(kafka: Kafka, member: str) -> None:
    apply_topics(kafka.settings)
    publisher = RecordPublisher(make_producer(kafka.settings), Codec(), ce_source="test")
    examples = examples_of(member)
    for first in range(0, NUM_EXAMPLES, 32):
        batch = training_batch(first, first + 32)
        batch = replace(batch, examples=tuple(examples[first : first + 32]))
        publisher.publish(kafka.settings.topic(TRAINING_BATCHES), "errors.raw.v1-0", batch)
    publisher.flush(30.0)


def party(name: str, folder: Path, arguments: Sequence[str], kafka: Kafka) -> GuardedProcess:
    """`fixstream federate ...`, not started yet."""
    return GuardedProcess(
        [sys.executable, "-m", "fixstream.cli", "federate", *arguments],
        log_file=folder / f"{name}.log",
        env={**os.environ, **kafka.environment},
    )


def accuracy(model: TrainedModel) -> float:
    """On new errors of all four kinds alike."""
    fresh = [training_example(number) for number in range(1000, 1080)]
    said = model.predict([ErrorText.from_example(one) for one in fresh])
    right = [a.category.value == b.labels.category.value for a, b in zip(said, fresh, strict=True)]
    return sum(right) / len(right)


def fresh_learner() -> Learner:
    """As each party has it at the start."""
    return Learner(learner_config(load_settings(TrainerSettings), load_settings(LearningSettings)))


def local_accuracy(member: str) -> float:
    """Of a deployment that learns the same examples, in the same steps, by itself."""
    learner = fresh_learner()
    examples = [learning_example(one, learner.tokenizer) for one in examples_of(member)]
    for first in range(0, len(examples), 4):
        learner.learn(examples[first : first + 4], 4)
    return accuracy(learner.model)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_three_deployments_know_together_what_none_knows_alone(
    kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SIZE.items():
        monkeypatch.setenv(name, value)
    key, out = tmp_path / "federation.key", tmp_path / "warm"
    new_key(key)
    place = ("--key", str(key), "--address", f"127.0.0.1:{free_port()}")
    server = party(
        "server",
        tmp_path,
        ["server", *place, "--out", str(out), "--rounds", str(NUM_ROUNDS)],
        kafka,
    )
    with ExitStack() as stack:
        stack.enter_context(server)
        members = []
        for member in MEMBERS:
            own = Kafka(kafka.bootstrap_servers, unique_prefix())
            publish(own, member)
            arguments = [
                *("client", *place, "--member", member, "--folder", str(tmp_path / member)),
                *("--examples", "80", "--clip-norm", "20", "--noise-multiplier", "0.0002"),
            ]
            members.append(stack.enter_context(party(member, tmp_path, arguments, own)))
        for process in (server, *members):
            assert process.wait(150.0) == 0, process.tail()
        said = ["\n".join(process.tail()) for process in members]
    assert f"{NUM_ROUNDS} of {NUM_ROUNDS} rounds counted" in "\n".join(server.tail())
    for told in said:
        assert re.search(rf"{NUM_ROUNDS} updates sent so far; .* epsilon [\d.e+]+", told)
    learner = fresh_learner()
    stored = take_warm_start(learner, out, TrustedKeys.load(out / KEYS))
    assert stored.manifest.version == NUM_ROUNDS
    together = accuracy(learner.model)
    alone = max(local_accuracy(member) for member in MEMBERS)
    assert together > alone + 0.2, (together, alone)
