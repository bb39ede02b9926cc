"""Ed25519 keys: the trainer signs manifests and model updates, everyone else verifies.

A signature covers every field of an update, so neither an old manifest under a new version nor a
changed metric passes. Private keys are files that only their owner may read; nothing here logs or
returns key material.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from fixstream.schemas.errors import ArtifactRejected, Misconfigured
from fixstream.schemas.records import ModelUpdate, OffsetRange

_OTHERS_MAY_READ = 0o077
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SigningKey:
    """The trainer's private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.key_id = _key_id(private.public_key())

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """Reads the key; at the first start makes it (mode 0600), and `<key id>.pub` beside it.

        Raises:
            Misconfigured: the file is no Ed25519 key, or others than its owner may read it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        key = cls(_read_private(path))
        public = path.parent / f"{key.key_id}.pub"
        if not public.exists():
            public.write_bytes(
                key._private.public_key().public_bytes(
                    Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
                )
            )
        return key

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Reads a key that has to be there already: commands use the trainer's, they make none.

        Raises:
            Misconfigured: there is none, it may not be read, or it is no safe Ed25519 key.
        """
        try:
            return cls(_read_private(path))
        except FileNotFoundError:
            raise Misconfigured(
                f"no signing key at {path}: run this where the trainer runs, or set "
                "FIXSTREAM_TRAINER_SIGNING_KEY to its file"
            ) from None
        except PermissionError:
            raise Misconfigured(
                f"the signing key {path} may not be read: run this as the trainer's user"
            ) from None

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of a message."""
        return self._private.sign(message)

    def sign_update(self, update: ModelUpdate) -> ModelUpdate:
        """The update with this key's id and its signature."""
        named = replace(update, key_id=self.key_id, signature=b"")
        return replace(named, signature=self.sign(update_statement(named)))

    def trusting(self, beside: Path | None = None) -> TrustedKeys:
        """A trust in this key, and in the public keys of a folder: those that it replaced."""
        others = TrustedKeys.load(beside).keys if beside is not None else {}
        return TrustedKeys({**others, self.key_id: self._private.public_key()})


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """The public keys whose signatures count."""

    keys: Mapping[str, Ed25519PublicKey]

    @classmethod
    def load(cls, path: Path) -> TrustedKeys:
        """Reads one `.pub` file, or all of a folder; none there yet is an empty trust.

        Raises:
            Misconfigured: a file is no Ed25519 public key.
        """
        files = sorted(path.glob("*.pub")) if path.is_dir() else [path] if path.exists() else []
        keys = [_read_public(file) for file in files]
        return cls({_key_id(key): key for key in keys})

    def verify(self, key_id: str, signature: bytes, message: bytes) -> None:
        """Raises ArtifactRejected unless a trusted key of this id made the signature."""
        key = self.keys.get(key_id)
        if key is None:
            raise ArtifactRejected(f"signed by {key_id[:32]!r}, which is not a trusted key")
        try:
            key.verify(signature, message)
        except InvalidSignature:
            raise ArtifactRejected(f"wrong signature under key {key_id}") from None

    def verify_update(self, update: ModelUpdate) -> None:
        """Raises ArtifactRejected unless a trusted key signed every field of the update."""
        self.verify(update.key_id, update.signature, update_statement(update))


def update_statement(update: ModelUpdate) -> bytes:
    """The bytes that an update's signature covers: all its other fields, as canonical JSON.

    `blocked` came with the second version of the schema. Where it is empty it is left out, so that
    signatures from before still hold.
    """
    statement = {
        field.name: getattr(update, field.name)
        for field in fields(update)
        if field.name != "signature" and not (field.name == "blocked" and not update.blocked)
    }
    return json.dumps(
        statement, default=_plain, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, Mapping):
        return {str(key): float(number) for key, number in value.items()}
    assert isinstance(value, OffsetRange)
    return [value.topic, value.partition, value.first_offset, value.next_offset]


def _create(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    # Never readable by others, not even between creation and a chmod.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def _read_private(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & _OTHERS_MAY_READ:
        raise Misconfigured(f"{path} may be read by others; run: chmod 600 {path}")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise Misconfigured(f"{path} is no private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"{path} is no Ed25519 key")
    return key


def _read_public(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except ValueError as error:
        raise Misconfigured(f"{path} is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Misconfigured(f"{path} is no Ed25519 key")
    return key


def _key_id(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]
