"""Checkpoints: whole or not at all, and nothing altered is ever loaded."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected, Misconfigured
from fixstream.schemas.records import ModelUpdate, OffsetRange
from fixstream.trainer.checkpoint import (
    MANIFEST,
    SIGNATURE,
    TOKENIZER,
    WEIGHTS,
    CheckpointNotWritten,
    Content,
    Counts,
    FolderCheckpointStore,
    Manifest,
    PartitionOffset,
    SigningKey,
    StoredCheckpoint,
    TrustedKeys,
    open_update,
    stored_checkpoint,
)
from fixstream.trainer.features import HashedTokenizer
from fixstream.trainer.manifest import sha256_hex
from fixstream.trainer.model import ErrorText, TrainedModel
from fixstream.trainer.recorder import deletable
from fixstream.trainer.signing import update_statement
from fixstream.trainer.updates import update_of
from support.records import UPDATE
from support.training import START, TINY_LEARNER, TINY_MODEL

MODEL = TrainedModel.fresh(TINY_MODEL, HashedTokenizer(TINY_LEARNER.tokenizer), seed=3)


def manifest(version: int = 1, kind: UpdateKind = UpdateKind.PROMOTED) -> Manifest:
    return Manifest(
        model="error-learning",
        version=version,
        parent=version - 1 or None,
        champion=version,
        kind=kind,
        reason=None if kind is UpdateKind.PROMOTED else "worse",
        created_at=START,
        config=TINY_MODEL,
        seed=3,
        counts=Counts(steps=7, trained=50, held_out=6),
        batch_offsets=(PartitionOffset("training.batches.v1", 0, 9),),
        origin_offsets=(PartitionOffset("errors.raw.v1", 2, 56),),
        lineage=(OffsetRange("errors.raw.v1", 2, 0, 56),),
        metrics={"loss": 0.1 + 0.2},
        versions={"torch": "x"},
    )


CONTENT = Content({WEIGHTS: MODEL.tensors()}, {TOKENIZER: MODEL.tokenizer.to_json()})


class Fixture:
    """A store with one checkpoint, and the update about it."""

    def __init__(self, root: Path, kind: UpdateKind = UpdateKind.PROMOTED) -> None:
        self.store = FolderCheckpointStore(root)
        self.key = SigningKey.load_or_create(root / "keys" / "signing.pem")
        self.trusted = TrustedKeys.load(root / "keys")
        self.stored: StoredCheckpoint = self.store.write(manifest(kind=kind), CONTENT, self.key)
        self.folder = root / self.stored.name
        self.update: ModelUpdate = update_of(self.stored, self.key)

    def open(self, update: ModelUpdate | None = None, newest: int | None = None) -> TrainedModel:
        artifact = open_update(update or self.update, self.store, self.trusted, newest)
        return TrainedModel.from_artifact(artifact)


@pytest.fixture
def fixture(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path)


def test_what_is_written_is_what_is_read(fixture: Fixture) -> None:
    model = fixture.open()
    text = ErrorText("connection refused", "ConnectionError", domain_hint="cloud")
    ours, theirs = MODEL.predict([text])[0], model.predict([text])[0]
    assert ours.severity == theirs.severity
    assert ours.embedding.tolist() == theirs.embedding.tolist()
    read = stored_checkpoint(fixture.store, fixture.stored.name, fixture.trusted)
    assert read == fixture.stored


def test_another_user_can_read_every_file(fixture: Fixture) -> None:
    folder = fixture.store.root / fixture.stored.name
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert set(modes.values()) == {0o644}, modes


def test_an_update_verifies_after_its_trip_through_avro(fixture: Fixture) -> None:
    codec = Codec()
    again = codec.decode(codec.encode(fixture.update), ModelUpdate)
    fixture.open(again)


def test_every_field_of_an_update_is_signed(fixture: Fixture) -> None:
    changes: list[dict[str, object]] = [
        {"version": 5},
        {"parent": 9},
        {"kind": UpdateKind.ROLLED_BACK},
        {"artifact_uri": "checkpoint-00000002"},
        {"metrics": {"loss": 0.0}},
        {"lineage": ()},
        {"examples_seen": 1},
        {"reason": "because"},
        {"manifest_sha256": "0" * 64},
    ]
    for change in changes:
        with pytest.raises(ArtifactRejected, match="wrong signature"):
            fixture.open(replace(fixture.update, **change))  # type: ignore[arg-type]


def test_a_stranger_may_not_sign(fixture: Fixture, tmp_path: Path) -> None:
    stranger = SigningKey.load_or_create(tmp_path / "stranger" / "signing.pem")
    with pytest.raises(ArtifactRejected, match="not a trusted key"):
        fixture.open(stranger.sign_update(fixture.update))


def test_versions_only_grow(fixture: Fixture) -> None:
    with pytest.raises(ArtifactRejected, match="version 1 is not above 1"):
        fixture.open(newest=1)


def test_a_rejected_candidate_is_never_opened(tmp_path: Path) -> None:
    with pytest.raises(ArtifactRejected, match="is rejected, not to be used"):
        Fixture(tmp_path, UpdateKind.REJECTED).open()


def test_a_rollback_opens_the_older_checkpoint(fixture: Fixture) -> None:
    rollback = replace(fixture.update, version=4, kind=UpdateKind.ROLLED_BACK, reason="feedback")
    fixture.open(fixture.key.sign_update(rollback), newest=3)


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER])
def test_a_changed_byte_is_found(fixture: Fixture, file: str) -> None:
    path = fixture.folder / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactRejected, match=f"{file} is altered"):
        fixture.open()


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER])
def test_a_truncated_file_is_found(fixture: Fixture, file: str) -> None:
    path = fixture.folder / file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactRejected, match=f"{file} is truncated"):
        fixture.open()


def test_a_longer_file_is_not_even_read(fixture: Fixture) -> None:
    with (fixture.folder / WEIGHTS).open("ab") as file:
        file.truncate(1 << 40)  # Sparse: it takes no room, but would not fit into memory.
    with pytest.raises(ArtifactRejected, match="too large"):
        fixture.open()


def test_a_changed_manifest_is_found(fixture: Fixture) -> None:
    path = fixture.folder / MANIFEST
    path.write_text(path.read_text().replace('"trained": 50', '"trained": 51'))
    with pytest.raises(ArtifactRejected, match="not the one that was signed"):
        fixture.open()
    with pytest.raises(ArtifactRejected, match="wrong signature"):
        stored_checkpoint(fixture.store, fixture.stored.name, fixture.trusted)


@pytest.mark.parametrize("text", ["", "short zz", "unknown 00"])
def test_a_strange_signature_file_is_found(fixture: Fixture, text: str) -> None:
    (fixture.folder / SIGNATURE).write_text(text)
    with pytest.raises(ArtifactRejected):
        stored_checkpoint(fixture.store, fixture.stored.name, fixture.trusted)


def test_a_missing_checkpoint_is_told_by_its_name(fixture: Fixture) -> None:
    fixture.store.delete([fixture.stored.name, fixture.stored.name])
    with pytest.raises(ArtifactRejected, match=f"{fixture.stored.name}/manifest.json cannot be"):
        fixture.open()


@pytest.mark.parametrize(
    "uri", ["../secrets", "/etc", "checkpoint-1", "checkpoint-00000001/..", "", "file:///x"]
)
def test_a_path_never_leaves_the_folder(fixture: Fixture, uri: str) -> None:
    update = fixture.key.sign_update(replace(fixture.update, artifact_uri=uri))
    with pytest.raises(ArtifactRejected, match="no name of a checkpoint"):
        fixture.open(update)


def test_a_link_out_of_the_folder_is_not_followed(fixture: Fixture, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    fixture.folder.rename(outside)
    fixture.folder.symlink_to(outside)
    with pytest.raises(ArtifactRejected, match="points out of"):
        fixture.open()


def wrong_shape() -> dict[str, torch.Tensor]:
    return {**MODEL.tensors(), "network.final_norm.weight": torch.ones(99)}


def test_correctly_signed_nonsense_is_rejected(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path)
    contents = {
        2: Content({WEIGHTS: wrong_shape()}, CONTENT.texts),
        3: Content(CONTENT.tensors, {TOKENIZER: "{}"}),
        4: Content({WEIGHTS: {"a": torch.ones(1)}}, CONTENT.texts),
        5: Content({}, {**CONTENT.texts, WEIGHTS: "no tensors"}),
        6: Content({WEIGHTS: not_a_number()}, CONTENT.texts),
    }
    for version, content in contents.items():
        stored = fixture.store.write(manifest(version), content, fixture.key)
        with pytest.raises(ArtifactRejected):
            fixture.open(update_of(stored, fixture.key))


def not_a_number() -> dict[str, torch.Tensor]:
    name = "network.solution_head.bias"
    return {**MODEL.tensors(), name: torch.full_like(MODEL.tensors()[name], torch.nan)}


def test_a_full_disk_leaves_the_old_ones_and_no_rubbish(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(CheckpointNotWritten, match="No space left"):
        fixture.store.write(manifest(2), CONTENT, fixture.key)
    monkeypatch.undo()
    assert {entry.name for entry in fixture.store.root.iterdir()} == {"keys", fixture.stored.name}
    fixture.open()


def test_a_killed_writers_rubbish_is_not_a_checkpoint(fixture: Fixture) -> None:
    half = fixture.store.root / ".writing-checkpoint-00000002"
    half.mkdir()
    (half / MANIFEST).write_text("{")
    assert fixture.store.names() == [fixture.stored.name]
    fixture.store.clear_unfinished()
    assert not half.exists()


def test_a_second_trainer_in_one_folder_refuses(fixture: Fixture) -> None:
    other = FolderCheckpointStore(fixture.store.root)
    with (
        fixture.store.exclusively(),
        pytest.raises(Misconfigured, match="another trainer"),
        other.exclusively(),
    ):
        pass
    with other.exclusively():
        pass


def test_one_version_is_written_once(fixture: Fixture) -> None:
    with pytest.raises(ValueError, match="exists already"):
        fixture.store.write(manifest(1), CONTENT, fixture.key)


def test_the_newest_and_those_in_use_are_never_deleted() -> None:
    names = [f"checkpoint-{number:08d}" for number in (1, 2, 3, 4, 5)]
    assert deletable(names, in_use={1, 5}, num_kept=2) == names[1:3]
    assert deletable(names[:2], in_use=(), num_kept=2) == []


def test_the_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    key = SigningKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load_or_create(path).key_id == key.key_id
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="may be read by others"):
        SigningKey.load_or_create(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(Misconfigured, match="no private key"):
        SigningKey.load_or_create(path)


def test_the_manifests_hash_names_its_bytes(fixture: Fixture) -> None:
    data = (fixture.folder / MANIFEST).read_bytes()
    assert sha256_hex(data) == fixture.update.manifest_sha256
    assert Manifest.from_bytes(data) == fixture.stored.manifest


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": 99}', b'{"format": 1}'])
def test_a_strange_manifest_is_rejected(data: bytes) -> None:
    with pytest.raises(ArtifactRejected, match=r"manifest\.json"):
        Manifest.from_bytes(data)


def test_a_signature_covers_the_blocked_ranges_and_old_signatures_still_hold(
    tmp_path: Path,
) -> None:
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    trusted = key.trusting()
    plain = replace(UPDATE, blocked=())
    assert b"blocked" not in update_statement(plain)
    signed = key.sign_update(replace(UPDATE, blocked=(OffsetRange("raw", 0, 3, 9),)))
    trusted.verify_update(signed)
    for altered in ((), (OffsetRange("raw", 0, 3, 8),)):
        with pytest.raises(ArtifactRejected, match="wrong signature"):
            trusted.verify_update(replace(signed, blocked=altered))
