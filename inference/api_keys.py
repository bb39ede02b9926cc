"""The keys that callers show, and the file that knows them: hashed, scoped, revocable.

A key is 256 random bits, so one round of SHA-256 is as good as a slow hash: there is nothing to
guess. The file holds hashes alone and is looked at again when it changes, so a revocation counts
within a second. It knows no HTTP; what a scope opens is the guard's business.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

from fixstream.runtime.clock import Clock
from fixstream.runtime.whole_file import replace_file
from fixstream.schemas.errors import Misconfigured

log = structlog.get_logger(__name__)

MARK = "fx"
"""What every key starts with, so that scanners for leaked secrets can know ours."""
MAX_KEY_CHARS = 200
_ID_BYTES = 6
_SECRET_BYTES = 32
_LOOK_S = 1.0
_NOBODY = "0" * 64


class Scope(StrEnum):
    """What a key may do."""

    INGEST = "ingest"
    PREDICT = "predict"
    FEEDBACK = "feedback"
    ADMIN = "admin"
    """Everything: also statistics, metrics and the page."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key: never the key itself."""

    key_id: str
    name: str
    scopes: frozenset[Scope]
    sha256: str
    created_at: datetime
    revoked_at: datetime | None = None

    def may(self, scope: Scope) -> bool:
        """Whether it opens `scope`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def new_key(
    name: str,
    scopes: Iterable[Scope],
    now: datetime,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> tuple[ApiKey, str]:
    """A new key: what to keep of it, and the key itself, which is shown once and kept nowhere."""
    key_id = random_bytes(_ID_BYTES).hex()
    presented = f"{MARK}_{key_id}_{random_bytes(_SECRET_BYTES).hex()}"
    return ApiKey(key_id, name, frozenset(scopes), _hash(presented), now), presented


class KeyFile:
    """The keys in a JSON file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        """Stores where it lies."""
        self.path = path

    def read(self) -> list[ApiKey]:
        """All keys, revoked ones too; none if there is no file.

        Raises:
            Misconfigured: It cannot be read as what it should be.
        """
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            return [_from_json(one) for one in document["keys"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Misconfigured(
                f"the file of API keys {self.path} cannot be read ({type(error).__name__})"
            ) from None

    def add(self, key: ApiKey) -> None:
        """Adds a key. Raises Misconfigured."""
        self._write([*self.read(), key])

    def revoke(self, key_id: str, now: datetime) -> bool:
        """Takes a key back; False if there is no such key in force. Raises Misconfigured."""
        keys = self.read()
        changed = [
            replace(one, revoked_at=now) if one.key_id == key_id and not one.revoked_at else one
            for one in keys
        ]
        if changed == keys:
            return False
        self._write(changed)
        return True

    def _write(self, keys: list[ApiKey]) -> None:
        text = json.dumps({"keys": [_to_json(one) for one in keys]}, indent=1) + "\n"
        replace_file(self.path, text.encode())


class KeyRing:
    """The keys in force, as of at most a second ago."""

    def __init__(self, file: KeyFile, clock: Clock) -> None:
        """Reads the file. Raises Misconfigured: there is none, or it is no file of keys."""
        if not file.path.is_file():
            raise Misconfigured(
                f"there is no file of API keys at {file.path} "
                "(FIXSTREAM_INFERENCE_API_KEYS; `fixstream keys new` makes one)"
            )
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = self._state()
        self._look_at = clock.monotonic() + _LOOK_S
        self._keys = _in_force(file.read())

    def holder_of(self, presented: str) -> ApiKey | None:
        """The key that was presented, if it is one in force."""
        self._look()
        key_id = presented[:MAX_KEY_CHARS].split("_")[1] if presented.count("_") == 2 else ""
        key = self._keys.get(key_id)
        # Compared also when there is no such id, so that the time tells nothing.
        is_right = hmac.compare_digest(_hash(presented), key.sha256 if key else _NOBODY)
        return key if is_right else None

    def _look(self) -> None:
        with self._lock:
            if self._clock.monotonic() < self._look_at:
                return
            self._look_at = self._clock.monotonic() + _LOOK_S
            state = self._state()
            if state == self._seen:
                return
            try:
                self._keys = _in_force(self._file.read())
            except Misconfigured as error:  # The keys of before stay in force until it is mended.
                log.warning("api keys not read again", error=str(error))
                return
            self._seen = state
            log.info("api keys read", num_keys=len(self._keys))

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _in_force(keys: Iterable[ApiKey]) -> dict[str, ApiKey]:
    return {one.key_id: one for one in keys if one.revoked_at is None}


def _hash(presented: str) -> str:
    return hashlib.sha256(presented.encode("utf-8", "surrogatepass")).hexdigest()


def _to_json(key: ApiKey) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "sha256": key.sha256,
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }


def _from_json(found: Any) -> ApiKey:
    revoked_at = found["revoked_at"]
    return ApiKey(
        str(found["key_id"]),
        str(found["name"]),
        frozenset(Scope(one) for one in found["scopes"]),
        str(found["sha256"]),
        datetime.fromisoformat(found["created_at"]),
        datetime.fromisoformat(revoked_at) if revoked_at else None,
    )
