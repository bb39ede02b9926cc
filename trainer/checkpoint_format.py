"""What a checkpoint is called, what lies in it, and what a place for checkpoints has to promise.

Knows no place itself: folders and remote stores keep the promises each in their own way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import safetensors.torch
from torch import Tensor

from fixstream.schemas.errors import ArtifactRejected, RetryLater
from fixstream.trainer.manifest import FileEntry, Manifest, sha256_hex
from fixstream.trainer.signing import SigningKey

WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.safetensors"
REPLAY = "replay.safetensors"
TOKENIZER = "tokenizer.json"
FEEDBACK = "feedback.json"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"

HOLDER_CHARS = 32
_NAME = re.compile(r"checkpoint-(\d{8})")
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_CHUNK_BYTES = 1 << 20
# safetensors makes files for their owner alone; the inference service may be another user, and
# what it reads is verified and holds no secret.
_READABLE = 0o644


class CheckpointNotWritten(RetryLater):
    """The checkpoint could not be written (a full disk, say); the ones before it are untouched."""


class StoreUnreachable(RetryLater):
    """The store itself does not answer or is not there, so nothing is known of its checkpoints."""


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


class CheckpointStore(Protocol):
    """Where checkpoints lie. What cannot be reached at all raises StoreUnreachable."""

    @property
    def place(self) -> str:
        """The address as it may be shown: without a password."""
        ...

    def write(self, manifest: Manifest, content: Content, key: SigningKey) -> StoredCheckpoint:
        """Stores a checkpoint whole or not at all.

        Raises:
            CheckpointNotWritten: nothing of the attempt is taken for a checkpoint.
            ValueError: there is a checkpoint of this version already.
        """
        ...

    def names(self) -> list[str]:
        """The complete checkpoints, oldest first."""
        ...

    def read(self, name: str, file: str, max_bytes: int | None = None) -> bytes:
        """One file's bytes; raises ArtifactRejected if it is not there or over the limit."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Removes checkpoints; none is ever seen half deleted, one that is gone is no error."""
        ...

    def exclusively(self) -> AbstractContextManager[str]:
        """Takes the store for the one trainer that writes to it, as far as the store can tell.

        Returns:
            The holder's name: no two living trainers can hold the same one.

        Raises:
            Misconfigured: another trainer holds it, or it cannot be written to.
        """
        ...

    def clear_unfinished(self) -> None:
        """Removes what a killed writer left; only the one trainer of a store may call it."""
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


def is_checkpoint_name(name: str) -> bool:
    """Whether this is what checkpoints are called."""
    return _NAME.fullmatch(name) is not None


def check_address(name: str, file: str) -> None:
    """Raises ArtifactRejected unless a checkpoint's plain file is meant: no path, no URL."""
    if not is_checkpoint_name(name):
        raise ArtifactRejected(f"no name of a checkpoint: {name[:80]!r}")
    if not _FILE.fullmatch(file):
        raise ArtifactRejected(f"no name of a checkpoint's file: {file[:80]!r}")


def write_files(
    folder: Path, manifest: Manifest, content: Content, key: SigningKey
) -> StoredCheckpoint:
    """Writes all files of a checkpoint into a new folder; signature and manifest come last.

    Raises:
        OSError, SafetensorError: the disk refused; what is there has to be thrown away.
    """
    folder.mkdir(parents=True)
    for file, tensors in content.tensors.items():
        safetensors.torch.save_file(dict(tensors), folder / file)
    for file, text in content.texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    entries = {file: _entry(folder / file) for file in (*content.tensors, *content.texts)}
    complete = replace(manifest, files=entries)
    data = complete.to_bytes()
    signature = f"{key.key_id} {key.sign(data).hex()}\n"
    (folder / SIGNATURE).write_text(signature, encoding="ascii")
    (folder / MANIFEST).write_bytes(data)
    for path in folder.iterdir():
        path.chmod(_READABLE)
    return StoredCheckpoint(checkpoint_name(manifest.version), complete, sha256_hex(data))


def _entry(path: Path) -> FileEntry:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(digest.hexdigest(), size)
