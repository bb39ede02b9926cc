"""The whole trainer on a real broker: batches in, signed updates out, nothing learnt twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.runtime.stopping import StopSignal
from fixstream.runtime.topics_admin import apply_topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import OffsetGap
from fixstream.schemas.records import ModelUpdate
from fixstream.schemas.topics import MODEL_UPDATES, TRAINING_BATCHES
from fixstream.trainer.checkpoint import (
    FolderCheckpointStore,
    SigningKey,
    TrustedKeys,
    open_update,
)
from fixstream.trainer.model import ErrorText, TrainedModel
from fixstream.trainer.service import run
from fixstream.trainer.updates import UpdateHistory, read_history
from support.deadlines import eventually
from support.kafka import Kafka
from support.trainer_service import SETTINGS, learning, newest_manifest, running_trainer, send
from support.training import TINY_ENVIRONMENT, training_batch

pytestmark = pytest.mark.kafka


def history(kafka: Kafka, folder: Path) -> UpdateHistory:
    return read_history(
        kafka.settings, Codec(), "error-learning", TrustedKeys.load(folder / "keys")
    )


def training(kafka: Kafka, folder: Path) -> AbstractContextManager[list[BaseException]]:
    return running_trainer(kafka, learning(folder))


def accounted_for(folder: Path, count: int) -> Callable[[], bool]:
    def check() -> bool:
        manifest = newest_manifest(folder)
        return manifest is not None and manifest.counts.seen >= count

    return check


def test_batches_become_a_signed_update_that_opens(kafka_topics: Kafka, tmp_path: Path) -> None:
    send(kafka_topics, training_batch(0, 32), training_batch(32, 64))
    with training(kafka_topics, tmp_path) as failures:
        eventually(accounted_for(tmp_path, 64), 60.0)
    assert not failures
    manifest = newest_manifest(tmp_path)
    assert manifest is not None
    assert manifest.counts.seen == 64
    assert [o.next_offset for o in manifest.origin_offsets] == [64]
    update = history(kafka_topics, tmp_path).newest
    assert update is not None
    assert update.version == manifest.version
    in_use = history(kafka_topics, tmp_path).in_use
    assert in_use is not None
    store, trusted = FolderCheckpointStore(tmp_path), TrustedKeys.load(tmp_path / "keys")
    model = TrainedModel.from_artifact(open_update(in_use, store, trusted, None))
    prediction = model.predict([ErrorText("connection refused by 3", "ConnectionError")])[0]
    assert prediction.category.value == "connection"


def test_a_restart_goes_on_where_the_manifest_ends(kafka_topics: Kafka, tmp_path: Path) -> None:
    send(kafka_topics, training_batch(0, 32))
    with training(kafka_topics, tmp_path):
        eventually(accounted_for(tmp_path, 32), 60.0)
    first = newest_manifest(tmp_path)
    # The processor crashed after its batch and sends part of the range once more.
    send(kafka_topics, training_batch(16, 40), training_batch(40, 48))
    with training(kafka_topics, tmp_path) as failures:
        eventually(accounted_for(tmp_path, 48), 60.0)
    second = newest_manifest(tmp_path)
    assert not failures
    assert first is not None
    assert second is not None
    assert first.counts.seen == 32
    assert (second.counts.seen, second.counts.skipped) == (48, 16)
    assert second.version > first.version


def test_a_gap_stops_it_with_the_offsets_in_the_message(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    send(kafka_topics, training_batch(0, 8), training_batch(12, 20))
    with training(kafka_topics, tmp_path) as failures:
        eventually(lambda: failures, 60.0)
    assert isinstance(failures[0], OffsetGap)
    assert "expected a batch from offset 8, got one from 12" in str(failures[0])
    manifest = newest_manifest(tmp_path)
    assert manifest is None or manifest.counts.seen <= 8


def test_an_unreadable_message_is_set_aside_and_training_goes_on(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    publisher = RecordPublisher(make_producer(kafka_topics.settings), Codec(), ce_source="test")
    topic = kafka_topics.settings.topic(TRAINING_BATCHES)
    publisher.publish_bytes(topic, "errors.raw.v1-0", b"no record of ours")
    publisher.flush(10.0)
    send(kafka_topics, training_batch(0, 16))
    with training(kafka_topics, tmp_path) as failures:
        eventually(accounted_for(tmp_path, 16), 60.0)
    assert not failures
    manifest = newest_manifest(tmp_path)
    assert manifest is not None
    assert manifest.counts.seen == 16


def test_an_update_that_a_crash_swallowed_is_published_at_the_next_start(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    other = tmp_path / "lost-topic"
    send(kafka_topics, training_batch(0, 32))
    with training(kafka_topics, other):
        eventually(accounted_for(other, 32), 60.0)
    published = history(kafka_topics, other).newest
    assert published is not None
    # As after a crash between rename and publish: a topic that has never heard of the checkpoint.
    again = Kafka(kafka_topics.bootstrap_servers, kafka_topics.prefix + "again.")
    apply_topics(again.settings)
    settings = SETTINGS.model_copy(update={"accept_gaps": True})
    stop = StopSignal()
    thread = threading.Thread(
        target=run, args=(settings, again.settings, learning(other), stop), name="second"
    )
    thread.start()
    try:
        update = eventually(lambda: history(again, other).newest, 60.0)
    finally:
        stop.set()
        thread.join(60.0)
    assert update == published


def test_forged_updates_do_not_steer_a_restart(kafka_topics: Kafka, tmp_path: Path) -> None:
    send(kafka_topics, training_batch(0, 32))
    with training(kafka_topics, tmp_path):
        eventually(accounted_for(tmp_path, 32), 60.0)
    honest = history(kafka_topics, tmp_path)
    assert honest.newest is not None
    stranger = SigningKey.load_or_create(tmp_path / "stranger" / "signing.pem")
    forged = [
        replace(honest.newest, version=9999),
        stranger.sign_update(
            replace(honest.newest, version=2**62, kind=UpdateKind.ROLLED_BACK, artifact_uri="x")
        ),
    ]
    publisher = RecordPublisher(make_producer(kafka_topics.settings), Codec(), ce_source="test")
    for update in forged:
        publisher.publish(kafka_topics.settings.topic(MODEL_UPDATES), update.model, update)
    publisher.flush(10.0)
    assert history(kafka_topics, tmp_path) == honest


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_minus_nine_trains_every_example_once(kafka_topics: Kafka, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        **kafka_topics.environment,
        **TINY_ENVIRONMENT,
        "CHECKPOINT_DIR": str(tmp_path),
        "FIXSTREAM_TRAINER_METRICS_PORT": "0",
        "FIXSTREAM_TRAINER_WIDE_BUCKETS": "1024",
        "FIXSTREAM_TRAINER_CHECKPOINT_EVERY_STEPS": "2",
        "FIXSTREAM_TRAINER_CHECKPOINT_INTERVAL_S": "0.5",
        "FIXSTREAM_TRAINER_NUM_THREADS": "1",
        "FIXSTREAM_TRAINER_NICENESS": "0",
        "FIXSTREAM_TRAINER_STEP_WAIT_S": "0.05",
    }
    command = [sys.executable, "-c", "from fixstream.trainer.service import run; run()"]
    num_sent, num_kills = 0, 3
    for _ in range(num_kills):
        process = subprocess.Popen(command, env=environment)
        try:
            send(
                kafka_topics,
                *(training_batch(n, n + 20) for n in range(num_sent, num_sent + 60, 20)),
            )
            num_sent += 60
            eventually(accounted_for(tmp_path, num_sent - 40), 120.0)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    process = subprocess.Popen(command, env=environment)
    try:
        eventually(accounted_for(tmp_path, num_sent), 120.0)
    finally:
        process.terminate()
        assert process.wait(60.0) == 0
    manifest = newest_manifest(tmp_path)
    assert manifest is not None
    # Were one learnt twice or left out, the count and the offset could not both be right.
    assert manifest.counts.seen == num_sent
    assert [offset.next_offset for offset in manifest.origin_offsets] == [num_sent]
    assert updates_are_growing(kafka_topics, tmp_path)


def updates_are_growing(kafka: Kafka, folder: Path) -> bool:
    newest = history(kafka, folder).newest
    assert isinstance(newest, ModelUpdate)
    assert newest.kind in (UpdateKind.PROMOTED, UpdateKind.REJECTED)
    return newest.version >= 3
