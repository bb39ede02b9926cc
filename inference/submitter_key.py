"""The key of the hash that stands for whoever gives feedback: kept, so that one stays one voice."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import structlog
from pydantic import SecretStr

log = structlog.get_logger(__name__)

KEY_BYTES = 32
FILE_NAME = "submitter.key"


def submitter_key(given: SecretStr | None, folder: Path) -> bytes:
    """The given key, or the one in `folder`, made (mode 0600) at the first start.

    Where the folder cannot be written, the key lives as long as the process; that is logged,
    because a submitter then counts as another one after a restart.
    """
    if given is not None:
        return given.get_secret_value().encode()
    path = folder / FILE_NAME
    try:
        return _kept(path)
    except OSError as error:
        log.warning("submitter key not kept", path=str(path), reason=error.strerror)
        return secrets.token_bytes(KEY_BYTES)


def _kept(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Never readable by others, not even between creation and a chmod.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        key = secrets.token_bytes(KEY_BYTES)
        file.write(key)
    return key
