"""Checkpoints in a folder on a local or mounted disk.

A checkpoint is written under a temporary name, flushed to the disk, and renamed, so it is there
whole or not at all. A lock of the system keeps a second trainer on the same folder out.
"""

from __future__ import annotations

import fcntl
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from safetensors import SafetensorError

from fixstream.runtime.whole_file import flush_path
from fixstream.schemas.errors import ArtifactRejected, Misconfigured
from fixstream.trainer.checkpoint_format import (
    HOLDER_CHARS,
    MANIFEST,
    CheckpointNotWritten,
    Content,
    StoredCheckpoint,
    StoreUnreachable,
    check_address,
    checkpoint_name,
    is_checkpoint_name,
    write_files,
)
from fixstream.trainer.manifest import Manifest
from fixstream.trainer.signing import SigningKey

_WRITING = ".writing-"
_LOCK = ".trainer-lock"


class FolderCheckpointStore:
    """A folder on a local or mounted disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.root)

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
            shutil.rmtree(temporary, ignore_errors=True)
            stored = write_files(temporary, manifest, content, key)
            for path in (*temporary.iterdir(), temporary):
                flush_path(path)
            temporary.rename(final)
            flush_path(self.root)
        except (OSError, SafetensorError) as error:
            # Also what was renamed already: the caller will write this version anew.
            for left in (temporary, final):
                shutil.rmtree(left, ignore_errors=True)
            raise CheckpointNotWritten(f"{name} could not be written: {error}") from error
        return stored

    def names(self) -> list[str]:
        """The complete checkpoints, oldest first."""
        if not self.root.is_dir():
            return []
        return sorted(
            entry.name
            for entry in self.root.iterdir()
            if is_checkpoint_name(entry.name) and (entry / MANIFEST).is_file()
        )

    def read(self, name: str, file: str, max_bytes: int | None = None) -> bytes:
        """One file's bytes.

        Raises:
            ArtifactRejected: the name is no checkpoint's, or the file is missing, outside of the
                folder, or larger than `max_bytes`.
            StoreUnreachable: the folder itself is not there.
        """
        check_address(name, file)
        path = self.root / name / file
        try:
            if not path.resolve().is_relative_to(self.root.resolve()):
                raise ArtifactRejected(f"{name}/{file} points out of the checkpoint folder")
            size = path.stat().st_size
            if max_bytes is not None and size > max_bytes:
                raise ArtifactRejected(f"{name}/{file} is too large: {size} bytes")
            return path.read_bytes()
        except OSError as error:
            if not self.root.is_dir():
                raise StoreUnreachable(f"the checkpoint folder {self.root} is not there") from None
            raise ArtifactRejected(f"{name}/{file} cannot be read: {error.strerror}") from error

    def delete(self, names: Iterable[str]) -> None:
        """Removes checkpoints; renamed first, so that none is ever seen half deleted.

        Raises:
            StoreUnreachable: the folder refuses.
        """
        for name in names:
            assert is_checkpoint_name(name), name
            doomed = self.root / f"{_WRITING}deleted-{name}"
            try:
                (self.root / name).rename(doomed)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreUnreachable(f"{name} cannot be deleted: {error.strerror}") from error
            shutil.rmtree(doomed, ignore_errors=True)

    @contextmanager
    def exclusively(self) -> Iterator[str]:
        """Holds the folder's lock for the one trainer that writes here.

        The system lets go of it when the process ends, however it ends.

        Returns:
            The folder's own name: no two living trainers can hold the same one.

        Raises:
            Misconfigured: another trainer holds it, or the folder cannot be made.
        """
        with self._opened_lock() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured(f"another trainer works in {self.root}") from None
            lock.seek(0)
            name = lock.read(HOLDER_CHARS)
            if len(name) < HOLDER_CHARS:
                name = secrets.token_hex(HOLDER_CHARS // 2)
                lock.truncate(0)
                lock.write(name)
                lock.flush()
            yield name

    def clear_unfinished(self) -> None:
        """Removes what a killed writer left; only the one trainer of a store may call it."""
        for leftover in self.root.glob(f"{_WRITING}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _opened_lock(self) -> TextIO:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            return (self.root / _LOCK).open("a+", encoding="ascii")
        except OSError as error:
            raise Misconfigured(
                f"checkpoints cannot be kept in {self.root}: {error.strerror}"
            ) from error
