"""Going back to a version, and blocking ranges, with a trainer that runs or does not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixstream.cli.main import app
from fixstream.runtime.clock import SystemClock
from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected, Misconfigured
from fixstream.schemas.records import FixFeedback, ModelUpdate, OffsetRange
from fixstream.schemas.topics import FEEDBACK
from fixstream.trainer.checkpoint import FolderCheckpointStore, SigningKey, TrustedKeys, open_update
from fixstream.trainer.lease import LeaseRefused
from fixstream.trainer.rollback import NotPossible, block_range, merged, roll_back
from fixstream.trainer.update_log import Superseded, UpdateLog
from support.deadlines import eventually
from support.kafka import Kafka
from support.records import UPDATE
from support.trainer_service import (
    desk,
    learning,
    newest_manifest,
    running_trainer,
    send_range,
)
from support.training import RAW_TOPIC, START


def training(
    kafka: Kafka, folder: Path, wait_s: float = 20.0
) -> AbstractContextManager[list[BaseException]]:
    return running_trainer(kafka, learning(folder), lease_wait_s=wait_s, checkpoints_kept=50)


def key(folder: Path) -> SigningKey:
    return SigningKey.load(folder / "keys" / "signing.pem")


def seen(folder: Path, count: int) -> Callable[[], bool]:
    def check() -> bool:
        manifest = newest_manifest(folder)
        return manifest is not None and manifest.counts.seen + manifest.counts.blocked >= count

    return check


def in_use(kafka: Kafka, folder: Path) -> ModelUpdate | None:
    return desk(kafka, folder).history().in_use


@pytest.mark.kafka
def test_a_running_trainer_goes_back_and_skips_what_was_learnt_since(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    send_range(kafka_topics, 0, 32)
    with training(kafka_topics, tmp_path) as failures:
        eventually(lambda: seen(tmp_path, 32)() and in_use(kafka_topics, tmp_path), 60.0)
        good = in_use(kafka_topics, tmp_path)
        assert good is not None
        learnt = newest_manifest(tmp_path)
        assert learnt is not None
        send_range(kafka_topics, 32, 64)
        eventually(lambda: seen(tmp_path, 64)() or failures, 60.0)
        target = good.version
        update = roll_back(desk(kafka_topics, tmp_path), key(tmp_path), target, "poisoned")
        send_range(kafka_topics, 64, 80)

        def has_gone_on() -> bool:
            manifest = newest_manifest(tmp_path)
            return (
                manifest is not None
                and manifest.version > update.version
                and manifest.origin_offsets[0].next_offset == 80
            )

        eventually(lambda: has_gone_on() or failures, 60.0)
    assert not failures
    end = newest_manifest(tmp_path)
    assert end is not None
    assert update.kind is UpdateKind.ROLLED_BACK
    (blocked,) = update.blocked
    assert (blocked.topic, blocked.next_offset) == (RAW_TOPIC, 64)
    # Each event is counted once: learnt, held out, or blocked.
    assert end.counts.blocked == blocked.next_offset - blocked.first_offset
    assert end.counts.seen + end.counts.blocked == 80
    assert all(each.first_offset >= 64 for each in end.lineage)
    store, trusted = FolderCheckpointStore(tmp_path), TrustedKeys.load(tmp_path / "keys")
    assert open_update(update, store, trusted, update.version - 1).manifest.version == target


@pytest.mark.kafka
def test_a_trainer_that_was_down_hears_of_it_at_its_start(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    send_range(kafka_topics, 0, 16)
    with training(kafka_topics, tmp_path):
        eventually(seen(tmp_path, 16), 60.0)
    promoted = in_use(kafka_topics, tmp_path)
    assert promoted is not None
    blocked = OffsetRange(RAW_TOPIC, 0, 16, 24)
    first = block_range(desk(kafka_topics, tmp_path), key(tmp_path), blocked, "a broken crawler")
    assert first.kind is UpdateKind.BLOCKED
    assert in_use(kafka_topics, tmp_path) == promoted
    # Blocks are kept by what is said after them.
    second = roll_back(desk(kafka_topics, tmp_path), key(tmp_path), promoted.version, "to be sure")
    assert OffsetRange(RAW_TOPIC, 0, 16, 24) in second.blocked or any(
        each.next_offset >= 24 for each in second.blocked
    )
    send_range(kafka_topics, 16, 40)
    with training(kafka_topics, tmp_path) as failures:
        eventually(lambda: seen(tmp_path, 40)() or failures, 60.0)
    end = newest_manifest(tmp_path)
    assert not failures
    assert end is not None
    assert end.version > second.version
    assert end.counts.blocked >= 8
    assert end.counts.seen + end.counts.blocked == 40


@pytest.mark.kafka
def test_what_cannot_be_gone_back_to(kafka_topics: Kafka, tmp_path: Path) -> None:
    send_range(kafka_topics, 0, 16)
    with training(kafka_topics, tmp_path):
        eventually(seen(tmp_path, 16), 60.0)
    at = desk(kafka_topics, tmp_path)
    with pytest.raises(NotPossible, match="version 99 does not exist"):
        roll_back(at, key(tmp_path), 99, "x")
    with pytest.raises(NotPossible, match="the range is empty"):
        block_range(at, key(tmp_path), OffsetRange(RAW_TOPIC, 0, 5, 5), "x")
    promoted = in_use(kafka_topics, tmp_path)
    assert promoted is not None
    folder = tmp_path / promoted.artifact_uri
    weights = folder / "weights.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ArtifactRejected, match="is altered"):
        roll_back(at, key(tmp_path), promoted.version, "x")
    folder.rename(tmp_path / "gone")
    with pytest.raises(NotPossible, match="not kept any more"):
        roll_back(at, key(tmp_path), promoted.version, "x")
    assert at.history().newest_version == promoted.version


@pytest.mark.kafka
def test_the_second_trainer_of_a_model_refuses(kafka_topics: Kafka, tmp_path: Path) -> None:
    send_range(kafka_topics, 0, 16)
    with training(kafka_topics, tmp_path / "one") as failures:
        eventually(seen(tmp_path / "one", 16), 60.0)
        with training(kafka_topics, tmp_path / "two", wait_s=1.5) as refusals:
            eventually(lambda: refusals, 30.0)
        assert isinstance(refusals[0], LeaseRefused)
        # And the first one is not disturbed.
        send_range(kafka_topics, 16, 32)
        eventually(lambda: seen(tmp_path / "one", 32)() or failures, 60.0)
    assert not failures
    assert newest_manifest(tmp_path / "two") is None


@pytest.mark.kafka
def test_who_took_the_log_over_shuts_the_others_out(kafka_topics: Kafka) -> None:
    """A trainer that was paused, and wakes up after another one has started."""
    paused, other = (
        UpdateLog(kafka_topics.settings, Codec(), "error-learning", SystemClock()) for _ in range(2)
    )
    paused.take_over()
    paused.publish(UPDATE)
    other.take_over()
    with pytest.raises(Superseded):
        paused.publish(UPDATE)
    other.publish(UPDATE)


@pytest.mark.kafka
def test_the_commands(kafka_topics: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send_range(kafka_topics, 0, 16)
    with training(kafka_topics, tmp_path):
        eventually(seen(tmp_path, 16), 60.0)
    for name, value in kafka_topics.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CHECKPOINT_DIR", str(tmp_path))
    promoted = in_use(kafka_topics, tmp_path)
    assert promoted is not None
    version = str(promoted.version)

    def asked(*words: str) -> str:
        found = CliRunner().invoke(app, ["models", *words])
        if found.exception is not None:
            raise found.exception
        return found.output

    assert "in use" in asked("list")
    assert "validation" in asked("show", version) or "steps" in asked("show", version)
    assert "are good" in asked("verify")
    assert "are good" in asked("verify", version)
    assert "are good" in asked("verify", str(tmp_path / promoted.artifact_uri))
    said = asked("block-range", RAW_TOPIC, "0", "2", "5", "--reason", "poisoned")
    assert "2 to 4 is blocked" in said
    assert "has learnt from it already; `fixstream retrain` builds" in said
    with pytest.raises(NotPossible, match=r"nothing is learnt from 'errors\.rw\.v1'"):
        asked("block-range", "errors.rw.v1", "0", "2", "5", "--reason", "misspelt")
    assert "back in use" in asked("rollback", version, "--reason", "to be sure")
    assert "rolled_back" in asked("list")
    monkeypatch.setenv("FIXSTREAM_TRAINER_SIGNING_KEY", str(tmp_path / "keys" / "none.pem"))
    with pytest.raises(Misconfigured, match="no signing key"):
        asked("rollback", version, "--reason", "x")


def test_ranges_are_merged_where_they_touch() -> None:
    def one(first: int, next_: int, partition: int = 0) -> OffsetRange:
        return OffsetRange("raw", partition, first, next_)

    assert merged([one(5, 8), one(0, 3), one(3, 5), one(9, 10), one(0, 3, 1)]) == (
        one(0, 8),
        one(9, 10),
        one(0, 3, 1),
    )


def test_a_key_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    SigningKey.load_or_create(path)
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="may be read by others"):
        SigningKey.load(path)


@pytest.mark.kafka
def test_fixes_that_work_less_bring_the_model_before_back(
    kafka_topics: Kafka, tmp_path: Path
) -> None:
    send_range(kafka_topics, 0, 32)
    with training(kafka_topics, tmp_path):
        eventually(seen(tmp_path, 32), 60.0)
    versions = [one.version for one in desk(kafka_topics, tmp_path).history().updates]
    first, last = versions[0], versions[-1]
    assert first < last
    publisher = RecordPublisher(make_producer(kafka_topics.settings), Codec(), ce_source="test")
    for number in range(40):
        is_before = number < 20
        record = FixFeedback(
            feedback_id=f"f{number}",
            error_id=f"e{number}",
            solution_worked=is_before,
            submitted_at=START,
            submitter=f"s{number % 20}",
            model_version=first if is_before else last,
        )
        publisher.publish(kafka_topics.settings.topic(FEEDBACK), record.error_id, record)
    publisher.flush(10.0)
    with training(kafka_topics, tmp_path) as failures:
        firsts = iter(range(32, 4000, 8))

        def goes_back() -> ModelUpdate | None:
            start = next(firsts)
            send_range(kafka_topics, start, start + 8)
            return next(
                (
                    one
                    for one in desk(kafka_topics, tmp_path).history().updates
                    if one.kind is UpdateKind.ROLLED_BACK
                ),
                None,
            )

        update = eventually(goes_back, 60.0)
    assert not failures
    assert update is not None
    assert update.reason is not None
    assert update.reason.startswith("fixes worked in")
    assert update.blocked
