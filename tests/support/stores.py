"""Places for checkpoints that tests use: a folder, fsspec's memory, and one with faults.

The faulty one keeps its files in memory too. It can be full after so many bytes, slow, or cut off,
in which case it raises what no driver's documentation names, as real ones do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

SCHEME = "faulty"


class ConnectionWasLost(Exception):
    """Of no known family, like those of many drivers' clients."""


class FaultyFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """fsspec's memory, with faults that tests turn on."""

    protocol = SCHEME
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    bytes_left: ClassVar[int | None] = None
    is_cut_off: ClassVar[bool] = False
    loses_answer_for: ClassVar[str | None] = None
    """A file whose write arrives, while the answer to it does not."""
    may_write: ClassVar[threading.Event | None] = None
    calls: ClassVar[list[str]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        path = path.removeprefix(f"{SCHEME}://").rstrip("/")
        return path if path.startswith("/") or not path else f"/{path}"

    def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        self._before(f"put {rpath}")
        data = Path(lpath).read_bytes()
        if self._left_for(len(data)) < len(data):
            super().pipe_file(rpath, data[: type(self).bytes_left])
            raise OSError(28, "No space left on device")
        super().pipe_file(rpath, data)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        self._before(f"pipe {path}")
        if self._left_for(len(value)) < len(value):
            raise OSError(28, "No space left on device")
        super().pipe_file(path, value, mode=mode)
        if type(self).loses_answer_for == path.rpartition("/")[2]:
            type(self).is_cut_off = True
            raise ConnectionWasLost("no answer")

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        self._before(f"ls {path}")
        return super().ls(path, detail=detail)

    def info(self, path: str, **options: Any) -> Any:
        self._before(f"info {path}")
        return super().info(path)

    def cat_file(self, path: str, start: Any = None, end: Any = None, **options: Any) -> Any:
        self._before(f"cat {path}")
        return super().cat_file(path, start, end)

    def rm_file(self, path: str) -> None:
        self._before(f"rm {path}")
        super().rm_file(path)

    def _before(self, call: str) -> None:
        kind = type(self)
        kind.calls.append(call)
        if kind.may_write is not None and call.startswith("put"):
            kind.may_write.wait(60.0)
        if kind.is_cut_off:
            raise ConnectionWasLost("nobody there")

    def _left_for(self, size: int) -> int:
        left = type(self).bytes_left
        if left is None:
            return size
        if left >= size:
            type(self).bytes_left = left - size
        return left


fsspec.register_implementation(SCHEME, FaultyFileSystem, clobber=True)


@contextmanager
def faulty_place() -> Iterator[type[FaultyFileSystem]]:
    """The faulty place, empty and without faults at the begin and at the end."""
    kind = FaultyFileSystem
    _heal(kind)
    try:
        yield kind
    finally:
        _heal(kind)


def _heal(kind: type[FaultyFileSystem]) -> None:
    kind.store.clear()
    kind.calls.clear()
    kind.pseudo_dirs[:] = [""]
    kind.bytes_left = kind.loses_answer_for = kind.may_write = None
    kind.is_cut_off = False
