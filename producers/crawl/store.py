"""Cursors in a folder of small JSON files, each replaced as a whole.

One process at a time may crawl with a folder: two would publish everything twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from fixstream.runtime.whole_file import replace_file
from fixstream.schemas.errors import Misconfigured

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class CursorStore(Protocol):
    """What keeps the state of each source and query."""

    def load(self, source: str, query: str) -> dict[str, Any] | None:
        """The state that was saved last; None when there is none. Raises Misconfigured."""
        ...

    def save(self, source: str, query: str, state: Mapping[str, Any]) -> None:
        """Replace the state; a crash leaves the old one or the new one."""
        ...


class FolderStore:
    """Cursors as `<folder>/<source>/<query>-<hash>.json`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def held(self, source: str) -> Iterator[None]:
        """Keep other processes from crawling this source with this folder.

        Raises:
            Misconfigured: One does already, or the folder cannot be written.
        """
        path = self._folder / source / "lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        except OSError as error:
            raise Misconfigured(f"{path}: {error.strerror}") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Misconfigured(f"another process crawls {source} with {path.parent}") from None
            yield

    def load(self, source: str, query: str) -> dict[str, Any] | None:
        """The state that was saved last; None when there is none.

        Raises:
            Misconfigured: The file is there and is none of ours.
        """
        path = self._path(source, query)
        try:
            state = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            state = None
        if not isinstance(state, dict):
            raise Misconfigured(f"{path} holds no cursor; remove it to begin anew")
        return state

    def save(self, source: str, query: str, state: Mapping[str, Any]) -> None:
        """Replace the state; a crash leaves the old one or the new one.

        Raises:
            Misconfigured: The folder cannot be written.
        """
        path = self._path(source, query)
        try:
            replace_file(path, json.dumps(state).encode())
        except OSError as error:
            raise Misconfigured(f"{path}: {error.strerror}") from None

    def _path(self, source: str, query: str) -> Path:
        digest = hashlib.blake2b(query.encode(), digest_size=4).hexdigest()
        return self._folder / source / f"{_UNSAFE.sub('_', query)[:80]}-{digest}.json"
