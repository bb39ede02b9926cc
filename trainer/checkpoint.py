"""Checkpoints as they are read: verified before they are used, wherever they lie.

A file is read once: the bytes that are hashed are the bytes that become tensors. Nothing is ever
unpickled. This module does not decide what is promoted and talks to no broker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected, Misconfigured
from fixstream.schemas.records import ModelUpdate
from fixstream.trainer.checkpoint_format import (
    FEEDBACK,
    MANIFEST,
    OPTIMIZER,
    REPLAY,
    SIGNATURE,
    TOKENIZER,
    WEIGHTS,
    CheckpointNotWritten,
    CheckpointStore,
    Content,
    StoredCheckpoint,
    StoreUnreachable,
    checkpoint_name,
    version_of,
)
from fixstream.trainer.folder_store import FolderCheckpointStore
from fixstream.trainer.manifest import (
    MAX_MANIFEST_BYTES,
    Counts,
    Manifest,
    PartitionOffset,
    sha256_hex,
)
from fixstream.trainer.signing import SigningKey, TrustedKeys

__all__ = [
    "FEEDBACK",
    "MANIFEST",
    "OPTIMIZER",
    "REPLAY",
    "SIGNATURE",
    "TOKENIZER",
    "WEIGHTS",
    "Artifact",
    "CheckpointNotWritten",
    "CheckpointStore",
    "Content",
    "Counts",
    "FolderCheckpointStore",
    "Manifest",
    "PartitionOffset",
    "SigningKey",
    "StoreUnreachable",
    "StoredCheckpoint",
    "TrustedKeys",
    "checkpoint_name",
    "is_remote",
    "keys_beside",
    "open_store",
    "open_update",
    "read_artifact",
    "read_tensors",
    "read_verified",
    "stored_checkpoint",
    "version_of",
]

_LOCAL_SCHEMES = ("file", "local")

TensorsOf = Callable[[bytes], dict[str, Tensor]]
"""Reads safetensors; raises ValueError, KeyError or SafetensorError if they are none."""


def open_store(address: str | Path) -> CheckpointStore:
    """The store at an address: a path, `file:///path`, or any URL that fsspec has a driver for.

    Raises:
        Misconfigured: the address cannot be used; the message says why.
        StoreUnreachable: nobody answers there.
    """
    if not is_remote(address):
        return FolderCheckpointStore(_folder(os.fspath(address)))
    from fixstream.trainer.remote_store import open_remote

    return open_remote(os.fspath(address))


def is_remote(address: str | Path) -> bool:
    """Whether an address is a URL of another place than this machine's own disks."""
    scheme, mark, _ = os.fspath(address).partition("://")
    return bool(mark) and scheme not in _LOCAL_SCHEMES


def keys_beside(address: str | Path, setting: str) -> Path:
    """The folder for keys that belongs to a local store.

    Args:
        address: of the store.
        setting: the variable that says where keys lie otherwise.

    Raises:
        Misconfigured: the store is remote; keys are local files, whatever else is kept there.
    """
    if is_remote(address):
        raise Misconfigured(f"{setting} is needed: keys are not kept in a remote store")
    return _folder(os.fspath(address)) / "keys"


def _folder(address: str) -> Path:
    scheme, mark, path = address.partition("://")
    if not mark:
        return Path(address)
    if not path.startswith("/"):
        raise Misconfigured(f"{address}: a whole path has to follow {scheme}://")
    return Path(path)


@dataclass(frozen=True, slots=True)
class Artifact:
    """The verified parts of a checkpoint that a model is made of."""

    manifest: Manifest
    tokenizer_json: bytes
    tensors: Mapping[str, Tensor]


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
