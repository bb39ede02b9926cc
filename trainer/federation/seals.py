"""Seals: proofs that arrays come from somebody who holds the federation's key.

Flower's transport encrypts where it is given certificates; it does not say who is a member. Both
directions are sealed, each with its round, so that neither a stranger nor a repeat gets through.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fixstream.schemas.errors import Misconfigured

_MIN_KEY_BYTES = 32
_OTHERS_MAY_READ = 0o077


class FederationKey:
    """The secret that all members of a federation share."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def load(cls, path: Path) -> FederationKey:
        """Reads the key's file.

        Raises:
            Misconfigured: it is missing, too short, or others than its owner may read it.
        """
        try:
            mode, secret = path.stat().st_mode, path.read_bytes().strip()
        except OSError as error:
            raise Misconfigured(f"{path}: {error.strerror}") from None
        if mode & _OTHERS_MAY_READ:
            raise Misconfigured(f"{path} may be read by others; run: chmod 600 {path}")
        if len(secret) < _MIN_KEY_BYTES:
            raise Misconfigured(f"{path} holds fewer than {_MIN_KEY_BYTES} bytes")
        return cls(secret)

    def seal(self, purpose: str, arrays: Sequence[NDArray[np.float32]]) -> bytes:
        """32 bytes that only a holder of the key can make.

        Args:
            purpose: what the arrays are said for (direction, round, member).
            arrays: what is sealed.
        """
        digest = hmac.new(self._secret, b"fixstream federation 1\n", hashlib.sha256)
        digest.update(f"{len(purpose)} {purpose} {len(arrays)}\n".encode())
        for array in arrays:
            digest.update(f"{array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.digest()

    def is_sealed(self, seal: object, purpose: str, arrays: Sequence[NDArray[np.float32]]) -> bool:
        """Whether a seal is the one for these arrays and this purpose; in constant time."""
        return isinstance(seal, bytes) and hmac.compare_digest(self.seal(purpose, arrays), seal)


def new_key(path: Path) -> None:
    """Writes a new key into a file that only its owner may read.

    Raises:
        Misconfigured: there is a file already, or none can be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_MIN_KEY_BYTES) + "\n")
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None


def broadcast(round_number: int, federation: str) -> str:
    """The purpose of the server's weights in a round."""
    return f"weights {federation} {round_number}"


def answer(round_number: int, federation: str, member: str) -> str:
    """The purpose of one member's update in a round."""
    return f"update {federation} {round_number} {member}"
