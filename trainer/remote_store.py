"""Checkpoints in an object store or any other place that fsspec has a driver for.

Such places rename nothing and flush nothing. So the files come first and the manifest comes last:
what has no manifest is no checkpoint, and is cleared away by the next trainer. A checkpoint is made
on the local disk and sent from there, so it is never in memory as a whole. No key lies here: keys
are local files. Keeping a second trainer out is the business of the lease on the broker.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from safetensors import SafetensorError

from fixstream.schemas.errors import ArtifactRejected, FixstreamError, Misconfigured
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

log = structlog.get_logger(__name__)

_HOLDER = "trainer.txt"
_SECRET_IN_URL = re.compile(r"(?<=://)[^/@]*@")
_MAX_REASON_CHARS = 300


class RemoteCheckpointStore:
    """A prefix at a URL.

    Args:
        url: its address.
        driver: fsspec's file system for it; without a cache of listings, for others write here.
        root: the address as the driver spells it.
    """

    def __init__(self, url: str, driver: Any, root: str) -> None:
        self.place = _SECRET_IN_URL.sub("", url)
        self._driver = driver
        self._root = root.rstrip("/")
        self._doubtful: set[str] = set()

    def write(self, manifest: Manifest, content: Content, key: SigningKey) -> StoredCheckpoint:
        """Stores a checkpoint whole or not at all.

        Raises:
            CheckpointNotWritten: the store or the local disk refused. What has arrived is not
                taken for a checkpoint, or is the whole of this one: the next `write` of the
                version clears it away, and so does the next trainer.
            ValueError: there is a checkpoint of this version already.
        """
        name = checkpoint_name(manifest.version)
        try:
            self._clear_doubtful(name)
            if self._size(name, MANIFEST) is not None:
                raise ValueError(f"{name} exists already")
            with tempfile.TemporaryDirectory(prefix="fixstream-") as staging:
                folder = Path(staging) / name
                stored = write_files(folder, manifest, content, key)
                self._doubtful.add(name)
                self._send(folder, name)
        except FileExistsError:
            raise CheckpointNotWritten(f"{name}: another writer has stored it") from None
        except (OSError, SafetensorError, StoreUnreachable) as error:
            self._try_to_clear(name)
            raise CheckpointNotWritten(f"{name} could not be written: {error}") from error
        self._doubtful.discard(name)
        return stored

    def names(self) -> list[str]:
        """The complete checkpoints, oldest first; raises StoreUnreachable."""
        return [name for name in self._all() if self._size(name, MANIFEST) is not None]

    def read(self, name: str, file: str, max_bytes: int | None = None) -> bytes:
        """One file's bytes.

        Raises:
            ArtifactRejected: the name is no checkpoint's, or the file is missing or too large.
            StoreUnreachable: the store does not answer.
        """
        check_address(name, file)
        size = self._size(name, file)
        if size is None:
            raise ArtifactRejected(f"{name}/{file} cannot be read: it is not in the store")
        if max_bytes is not None and size > max_bytes:
            raise ArtifactRejected(f"{name}/{file} is too large: {size} bytes")
        try:
            with self._asking(f"reading {name}/{file}"):
                return bytes(self._driver.cat_file(self._path(name, file)))
        except FileNotFoundError:  # Deleted since.
            raise ArtifactRejected(f"{name}/{file} cannot be read: it is gone") from None

    def delete(self, names: Iterable[str]) -> None:
        """Removes checkpoints, the manifests first: half deleted is no checkpoint any more.

        Raises:
            StoreUnreachable: the store does not answer.
        """
        for name in names:
            assert is_checkpoint_name(name), name
            self._remove(self._path(name, MANIFEST))
            for path in self._listed(self._path(name)):
                self._remove(path)

    @contextmanager
    def exclusively(self) -> Iterator[str]:
        """Shows that the store can be written to, before anything is learnt.

        It locks nothing: the lease on the broker does, and `clear_unfinished` has to wait for it.

        Returns:
            A new name for this trainer.

        Raises:
            StoreUnreachable: the store refuses, or does not answer.
        """
        holder = secrets.token_hex(HOLDER_CHARS // 2)
        with self._asking("writing to it"):
            self._driver.makedirs(self._root, exist_ok=True)
            self._driver.pipe_file(self._path(_HOLDER), holder.encode())
        yield holder

    def clear_unfinished(self) -> None:
        """Removes what a killed writer left; only the one trainer of a store may call it."""
        self.delete(name for name in self._all() if self._size(name, MANIFEST) is None)

    def _send(self, folder: Path, name: str) -> None:
        manifest = folder / MANIFEST
        others = sorted(path for path in folder.iterdir() if path != manifest)
        with self._asking(f"writing {name}"):
            self._driver.makedirs(self._path(name), exist_ok=True)
            for path in others:
                self._driver.put_file(str(path), self._path(name, path.name))
        for path in others:
            if self._size(name, path.name) != path.stat().st_size:
                raise StoreUnreachable(f"{path.name} did not arrive whole")
        self._commit(name, manifest.read_bytes())

    def _commit(self, name: str, data: bytes) -> None:
        """Raises FileExistsError if there is another manifest, where the store can tell."""
        path = self._path(name, MANIFEST)
        try:
            with self._asking(f"completing {name}"):
                self._driver.pipe_file(path, data, mode="create")
        except FileExistsError:
            with self._asking(f"completing {name}"):
                # A driver that tries again after a lost answer meets its own work.
                is_ours = bytes(self._driver.cat_file(path)) == data
            if not is_ours:
                self._doubtful.discard(name)
                raise

    def _clear_doubtful(self, name: str) -> None:
        if name in self._doubtful:
            self.delete([name])
            self._doubtful.discard(name)

    def _try_to_clear(self, name: str) -> None:
        try:
            self._clear_doubtful(name)
        except StoreUnreachable as error:
            log.warning("unfinished checkpoint not cleared", checkpoint=name, reason=str(error))

    def _all(self) -> list[str]:
        """Names of checkpoints, unfinished ones too."""
        found = (path.rstrip("/").rpartition("/")[2] for path in self._listed(self._root))
        return sorted(name for name in found if is_checkpoint_name(name))

    def _listed(self, path: str) -> list[str]:
        # `ls`, and not `find` or `exists`: fsspec lets those answer "nothing there" when a
        # connection is lost, and a trainer would then begin from nothing.
        try:
            with self._asking("listing"):
                self._driver.invalidate_cache(path)
                return [str(one) for one in self._driver.ls(path, detail=False)]
        except FileNotFoundError:
            return []

    def _size(self, name: str, file: str) -> int | None:
        """Bytes of a file; None if it is not there."""
        try:
            with self._asking(f"looking for {name}/{file}"):
                self._driver.invalidate_cache(self._path(name))
                return int(self._driver.info(self._path(name, file))["size"])
        except FileNotFoundError:
            return None

    def _remove(self, path: str) -> None:
        try:
            with self._asking("deleting"):
                self._driver.rm_file(path)
        except FileNotFoundError:
            return

    def _path(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Everything that a driver may raise as StoreUnreachable, but for a missing file."""
        try:
            yield
        except (FixstreamError, FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # Drivers raise whatever their clients do: there is no family.
            reason = f"{type(error).__name__}: {error}"[:_MAX_REASON_CHARS]
            log.warning("checkpoint store", place=self.place, doing=what, reason=reason)
            raise StoreUnreachable(f"{self.place}: {what}: {reason}") from error


def open_remote(url: str) -> RemoteCheckpointStore:
    """The store at a URL; nothing is asked of it yet.

    Raises:
        Misconfigured: no driver for it is installed, or it names no place.
        StoreUnreachable: the driver connects at once, and nobody answers.
    """
    from fsspec.core import url_to_fs

    shown = _SECRET_IN_URL.sub("", url)
    if "::" in url:
        raise Misconfigured(f"checkpoints cannot be kept at a chain of addresses: {shown}")
    try:
        driver, root = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise Misconfigured(f"{shown} needs a driver: {error}") from None
    except ValueError as error:
        raise Misconfigured(f"{shown}: {error}") from None
    except Exception as error:  # As above: whatever the driver's client raises.
        log.warning("checkpoint store", place=shown, doing="opening", reason=type(error).__name__)
        raise StoreUnreachable(f"{shown}: {type(error).__name__}: {error}") from error
    if not root.strip("/"):
        raise Misconfigured(f"{shown} names no place for checkpoints")
    return RemoteCheckpointStore(url, driver, root)
