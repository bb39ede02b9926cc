"""A trainer whose store is a URL, is deleted underneath it, or is spoilt while it is down."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from fixstream.inference.loading import CheckpointLoader, LoaderConfig
from fixstream.inference.served import ErrorText
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import ArtifactRejected
from fixstream.schemas.records import OffsetRange
from fixstream.trainer.checkpoint import (
    WEIGHTS,
    CheckpointStore,
    FolderCheckpointStore,
    TrustedKeys,
    open_store,
)
from fixstream.trainer.rollback import merged
from fixstream.trainer.updates import UpdateHistory, read_history
from support.deadlines import eventually
from support.kafka import Kafka
from support.stores import faulty_place
from support.trainer_service import learning, newest_in, running_trainer, send_range
from support.training import RAW_TOPIC

pytestmark = pytest.mark.kafka


def training(kafka: Kafka, address: str, keys: Path) -> AbstractContextManager[list[BaseException]]:
    places = learning(Path("unused")).model_copy(update={"checkpoint_dir": address})
    return running_trainer(kafka, places, checkpoints_kept=50, signing_key=keys / "signing.pem")


def history(kafka: Kafka, keys: Path) -> UpdateHistory:
    return read_history(kafka.settings, Codec(), "error-learning", TrustedKeys.load(keys))


def seen(store: CheckpointStore, keys: Path, count: int) -> Callable[[], bool]:
    def check() -> bool:
        manifest = newest_in(store, keys)
        return manifest is not None and manifest.counts.seen >= count

    return check


def spoil(folder: Path) -> None:
    path = folder / WEIGHTS
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_checkpoints_at_a_url_are_resumed_and_served(kafka_topics: Kafka, tmp_path: Path) -> None:
    keys, address = tmp_path / "keys", "faulty://bucket/models"
    with faulty_place():
        store = open_store(address)
        for count in (32, 48):
            send_range(kafka_topics, 0 if count == 32 else 32, count)
            with training(kafka_topics, address, keys) as failures:
                eventually(lambda: failures or seen(store, keys, count)(), 60.0)  # noqa: B023
            assert not failures
        manifest = newest_in(store, keys)
        assert manifest is not None
        assert manifest.counts.seen == 48
        update = history(kafka_topics, keys).in_use
        assert update is not None
        loader = CheckpointLoader(store, keys, LoaderConfig("float32"))
        loader.verify(update)
        model = loader.load(update)
        assert model.predict([ErrorText("connection refused by 3", "ConnectionError")])
        model.close()


def test_a_folder_deleted_underneath_is_made_anew_and_the_model_serves_on(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    folder, keys = tmp_path / "models", tmp_path / "keys"
    store = FolderCheckpointStore(folder)
    send_range(kafka_topics, 0, 32)
    with training(kafka_topics, str(folder), keys) as failures:
        eventually(lambda: failures or seen(store, keys, 32)(), 60.0)
        eventually(lambda: history(kafka_topics, keys).in_use, 60.0)
        update = history(kafka_topics, keys).in_use
        assert update is not None
        loader = CheckpointLoader(store, keys, LoaderConfig("float32"))
        loader.verify(update)
        model = loader.load(update)
        shutil.rmtree(folder)
        send_range(kafka_topics, 32, 64)
        eventually(lambda: failures or seen(store, keys, 64)(), 60.0)
        assert model.predict([ErrorText("connection refused by 3", "ConnectionError")])
        model.close()
    assert not failures
    manifest = newest_in(store, keys)
    assert manifest is not None
    assert manifest.counts.seen == 64
    # What was written since is whole, and a restart goes on from it.
    send_range(kafka_topics, 64, 72)
    with training(kafka_topics, str(folder), keys) as failures:
        eventually(lambda: failures or seen(store, keys, 72)(), 60.0)
    assert not failures


def test_the_checkpoint_before_a_spoilt_one_is_taken_up_and_nothing_learnt_twice(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    folder, keys = tmp_path / "models", tmp_path / "keys"
    store = FolderCheckpointStore(folder)
    for first in (0, 32):
        send_range(kafka_topics, first, first + 32)
        with training(kafka_topics, str(folder), keys) as failures:
            eventually(lambda: failures or seen(store, keys, first + 32)(), 60.0)  # noqa: B023
        assert not failures
    lost = store.names()[-1]
    spoil(folder / lost)
    send_range(kafka_topics, 64, 72)
    with training(kafka_topics, str(folder), keys) as failures:
        eventually(
            lambda: failures or (store.names()[-1] > lost and seen(store, keys, 72)()),
            60.0,
        )
    assert not failures
    manifest = newest_in(store, keys)
    assert manifest is not None
    assert manifest.counts.seen == 72  # Each once: what the spoilt one had learnt was undone.
    now = history(kafka_topics, keys)
    in_force = now.in_force()
    assert not any(one.artifact_uri == lost and one.version in in_force for one in now.updates)
    ranges = [r for one in now.updates if one.version in in_force for r in one.lineage]
    assert sum(r.next_offset - r.first_offset for r in ranges) == 72
    assert merged(ranges) == (OffsetRange(RAW_TOPIC, 0, 0, 72),)
    for name in store.names():
        spoil(folder / name)
    with training(kafka_topics, str(folder), keys) as failures:
        eventually(lambda: failures, 60.0)
    assert isinstance(failures[0], ArtifactRejected)
    assert "no checkpoint can be used" in str(failures[0])
