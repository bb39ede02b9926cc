"""Checkpoints: folders that are written whole or not at all, and verified before they are used.

A checkpoint is written under a temporary name, flushed to the disk, and renamed. It is read once:
the bytes that are hashed are the bytes that become tensors. Nothing is ever unpickled. This module
does not decide what is promoted and talks to no broker.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected, Misconfigured, RetryLater
from fixstream.schemas.records import ModelUpdate
from fixstream.trainer.manifest import (
    MAX_MANIFEST_BYTES,
    Counts,
    FileEntry,
    Manifest,
    PartitionOffset,
    sha256_hex,
)
from fixstream.trainer.signing import SigningKey, TrustedKeys

__all__ = [
    "Artifact",
    "CheckpointNotWritten",
    "CheckpointStore",
    "Counts",
    "FolderCheckpointStore",
    "Manifest",
    "PartitionOffset",
    "SigningKey",
    "StoredCheckpoint",
    "TrustedKeys",
    "checkpoint_name",
    "open_update",
    "read_artifact",
    "read_tensors",
]

WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.safetensors"
REPLAY = "replay.safetensors"
TOKENIZER = "tokenizer.json"
FEEDBACK = "feedback.json"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"

_NAME = re.compile(r"checkpoint-(\d{8})")
_WRITING = ".writing-"
_LOCK = ".trainer-lock"
_NAME_CHARS = 32
_CHUNK_BYTES = 1 << 20

TensorsOf = Callable[[bytes], dict[str, Tensor]]
"""Reads safetensors; raises ValueError, KeyError or SafetensorError if they are none."""
_READABLE = 0o644


class CheckpointNotWritten(RetryLater):
    """The checkpoint could not be written (a full disk, say); the ones before it are untouched."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be written: tensors and texts, by file name."""

    tensors: Mapping[str, Mapping[str, Tensor]]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint that lies complete in a store."""

    name: str
    manifest: Manifest
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """The verified parts of a checkpoint that a model is made of."""

    manifest: Manifest
    tokenizer_json: bytes
    tensors: Mapping[str, Tensor]


class CheckpointStore(Protocol):
    """Where checkpoints lie."""

    def write(self, manifest: Manifest, content: Content, key: SigningKey) -> StoredCheckpoint:
        """Stores a checkpoint whole or not at all; raises CheckpointNotWritten."""
        ...

    def names(self) -> list[str]:
        """The complete checkpoints, oldest first."""
        ...

    def read(self, name: str, file: str, max_bytes: int | None = None) -> bytes:
        """One file's bytes; raises ArtifactRejected if it is not there or over the limit."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Removes checkpoints; one that is gone already is no error."""
        ...


def checkpoint_name(version: int) -> str:
    """The name of a version's checkpoint, which is also its `artifact_uri`.

    It is relative to the store, so that the trainer and the inference service may reach one store
    by different paths.
    """
    return f"checkpoint-{version:08d}"


def version_of(name: str) -> int:
    """The version of a checkpoint by its name; raises ValueError for any other name."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"no name of a checkpoint: {name[:80]!r}")
    return int(match[1])


class FolderCheckpointStore:
    """A folder on a local or mounted disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, manifest: Manifest, content: Content, key: SigningKey) -> StoredCheckpoint:
        """Stores a checkpoint whole or not at all.

        Raises:
            CheckpointNotWritten: the disk refused; nothing of the attempt is left behind.
            ValueError: there is a checkpoint of this version already.
        """
        name = checkpoint_name(manifest.version)
        final = self.root / name
        if final.exists():
            raise ValueError(f"{name} exists already")
        temporary = self.root / f"{_WRITING}{name}"
        try:
            stored = self._write_into(temporary, manifest, content, key)
            temporary.rename(final)
            _flush_folder(self.root)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise CheckpointNotWritten(f"{name} could not be written: {error}") from error
        return stored

    def names(self) -> list[str]:
        """The complete checkpoints, oldest first."""
        if not self.root.is_dir():
            return []
        return sorted(
            entry.name
            for entry in self.root.iterdir()
            if _NAME.fullmatch(entry.name) and (entry / MANIFEST).is_file()
        )

    def read(self, name: str, file: str, max_bytes: int | None = None) -> bytes:
        """One file's bytes.

        Raises:
            ArtifactRejected: the name is no checkpoint's, or the file is missing, outside of the
                folder, or larger than `max_bytes`.
        """
        if not _NAME.fullmatch(name):
            raise ArtifactRejected(f"no name of a checkpoint: {name[:80]!r}")
        path = self.root / name / file
        try:
            if not path.resolve().is_relative_to(self.root.resolve()):
                raise ArtifactRejected(f"{name}/{file} points out of the checkpoint folder")
            size = path.stat().st_size
            if max_bytes is not None and size > max_bytes:
                raise ArtifactRejected(f"{name}/{file} is too large: {size} bytes")
            return path.read_bytes()
        except OSError as error:
            raise ArtifactRejected(f"{name}/{file} cannot be read: {error.strerror}") from error

    def delete(self, names: Iterable[str]) -> None:
        """Removes checkpoints; renamed first, so that none is ever seen half deleted."""
        for name in names:
            assert _NAME.fullmatch(name), name
            doomed = self.root / f"{_WRITING}deleted-{name}"
            try:
                (self.root / name).rename(doomed)
            except FileNotFoundError:
                continue
            shutil.rmtree(doomed, ignore_errors=True)

    @contextmanager
    def exclusively(self) -> Iterator[str]:
        """Holds the folder's lock for the one trainer that writes here.

        The system lets go of it when the process ends, however it ends.

        Returns:
            The folder's own name: no two living trainers can hold the same one.

        Raises:
            Misconfigured: another trainer holds it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / _LOCK).open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured(f"another trainer works in {self.root}") from None
            lock.seek(0)
            name = lock.read(_NAME_CHARS)
            if len(name) < _NAME_CHARS:
                name = secrets.token_hex(_NAME_CHARS // 2)
                lock.truncate(0)
                lock.write(name)
                lock.flush()
            yield name

    def clear_unfinished(self) -> None:
        """Removes what a killed writer left; only the one trainer of a store may call it."""
        for leftover in self.root.glob(f"{_WRITING}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _write_into(
        self, folder: Path, manifest: Manifest, content: Content, key: SigningKey
    ) -> StoredCheckpoint:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file, tensors in content.tensors.items():
            safetensors.torch.save_file(dict(tensors), folder / file)
        for file, text in content.texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        entries = {file: _flush_file(folder / file) for file in (*content.tensors, *content.texts)}
        complete = replace(manifest, files=entries)
        data = complete.to_bytes()
        (folder / MANIFEST).write_bytes(data)
        signature = f"{key.key_id} {key.sign(data).hex()}\n"
        (folder / SIGNATURE).write_text(signature, encoding="ascii")
        for file in (MANIFEST, SIGNATURE):
            _flush_file(folder / file)
        _flush_folder(folder)
        return StoredCheckpoint(checkpoint_name(manifest.version), complete, sha256_hex(data))


def _flush_file(path: Path) -> FileEntry:
    """Forces a file onto the disk, and says what is in it."""
    # safetensors makes files for their owner alone; the inference service may be another user,
    # and what it reads is verified and holds no secret.
    path.chmod(_READABLE)
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        os.fsync(file.fileno())
    return FileEntry(digest.hexdigest(), size)


def _flush_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stored_checkpoint(store: CheckpointStore, name: str, trusted: TrustedKeys) -> StoredCheckpoint:
    """A checkpoint of the store, its manifest verified by the signature beside it.

    Raises:
        ArtifactRejected: the manifest is unreadable, unsigned or altered.
    """
    data = store.read(name, MANIFEST, MAX_MANIFEST_BYTES)
    key_id, _, signature = (
        store.read(name, SIGNATURE, 1024).decode("ascii", "replace").partition(" ")
    )
    try:
        raw_signature = bytes.fromhex(signature.strip())
    except ValueError:
        raise ArtifactRejected(f"{name}/{SIGNATURE} is no signature") from None
    trusted.verify(key_id, raw_signature, data)
    manifest = Manifest.from_bytes(data)
    if checkpoint_name(manifest.version) != name:
        raise ArtifactRejected(f"{name} holds the manifest of version {manifest.version}")
    return StoredCheckpoint(name, manifest, sha256_hex(data))


def open_update(
    update: ModelUpdate,
    store: CheckpointStore,
    trusted: TrustedKeys,
    newest_version: int | None,
    tensors_of: TensorsOf = safetensors.torch.load,
) -> Artifact:
    """Verifies a promoted or rolled-back update and reads the model that it names.

    Args:
        update: the statement from the updates topic.
        store: where its checkpoint lies.
        trusted: the keys whose signature counts.
        newest_version: version of the last update that was accepted, if any.
        tensors_of: reads the bytes of the weights.

    Raises:
        ArtifactRejected: with the reason; nothing has been changed.
    """
    trusted.verify_update(update)
    if newest_version is not None and update.version <= newest_version:
        raise ArtifactRejected(f"version {update.version} is not above {newest_version}")
    if not update.kind.is_servable:
        raise ArtifactRejected(f"version {update.version} is {update.kind.value}, not to be used")
    data = store.read(update.artifact_uri, MANIFEST, MAX_MANIFEST_BYTES)
    if sha256_hex(data) != update.manifest_sha256:
        raise ArtifactRejected("manifest.json is not the one that was signed")
    manifest = Manifest.from_bytes(data)
    if update.kind is UpdateKind.PROMOTED and manifest.version != update.version:
        raise ArtifactRejected(f"the manifest is of version {manifest.version}")
    stored = StoredCheckpoint(update.artifact_uri, manifest, sha256_hex(data))
    return read_artifact(store, stored, tensors_of)


def read_artifact(
    store: CheckpointStore,
    stored: StoredCheckpoint,
    tensors_of: TensorsOf = safetensors.torch.load,
) -> Artifact:
    """Reads the model of a checkpoint whose manifest was verified.

    Raises:
        ArtifactRejected: a file is missing, altered, or no safetensors.
    """
    return Artifact(
        stored.manifest,
        read_verified(store, stored, TOKENIZER),
        read_tensors(store, stored, WEIGHTS, tensors_of),
    )


def read_tensors(
    store: CheckpointStore,
    stored: StoredCheckpoint,
    file: str,
    tensors_of: TensorsOf = safetensors.torch.load,
) -> dict[str, Tensor]:
    """The tensors of one file; raises ArtifactRejected as `read_artifact`."""
    data = read_verified(store, stored, file)
    try:
        return tensors_of(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ArtifactRejected(f"{file} is no safetensors file: {error}") from error


def read_verified(store: CheckpointStore, stored: StoredCheckpoint, file: str) -> bytes:
    """A file's bytes, if they are the ones that the manifest names; raises ArtifactRejected."""
    entry = stored.manifest.files.get(file)
    if entry is None:
        raise ArtifactRejected(f"the manifest names no {file}")
    data = store.read(stored.name, file, entry.size_bytes)
    if len(data) != entry.size_bytes:
        raise ArtifactRejected(f"{file} is truncated: {len(data)} of {entry.size_bytes} bytes")
    if sha256_hex(data) != entry.sha256:
        raise ArtifactRejected(f"{file} is altered: its hash is not the manifest's")
    return data
