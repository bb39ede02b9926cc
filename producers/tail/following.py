"""Following a log file: its lines as they are written, through rotation and truncation.

A file is known by its inode and a hash of its first bytes, not by its name. After a restart it goes
on where the saved position says, even if the file was renamed in between. Reads in binary, and
gives complete lines only; what has no line break yet waits.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from fixstream.schemas.errors import Misconfigured

log = structlog.get_logger(__name__)

_HEAD_BYTES: Final = 256
_COMPRESSED: Final = frozenset({".gz", ".bz2", ".xz", ".zst"})
_MAX_LINE_BYTES: Final = 1024 * 1024
_READ_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a file was read. `head` is a hash of its first `head_bytes` bytes."""

    inode: int
    offset: int
    head: str
    head_bytes: int


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line without its line break, and where it stands."""

    text: str
    first_byte: int
    next_byte: int


class OpenLog:
    """One file that is being read; it stays the same file when it is renamed."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file = file
        self._inode = os.fstat(file.fileno()).st_ino
        self._offset = offset
        self._rest = b""
        self._known_head = self._head(_HEAD_BYTES)

    @property
    def key(self) -> str:
        """What stays the same when the file is renamed or grows, and differs in another file."""
        first_line = self._head(_HEAD_BYTES).split(b"\n", 1)[0]
        return f"{self._inode}-{_hash(first_line)}"

    def position(self, offset: int | None = None) -> Position:
        """Where a new process should go on: at `offset`, or after the last line that was given."""
        head = self._head(_HEAD_BYTES)
        offset = self._offset if offset is None else offset
        return Position(self._inode, offset, _hash(head), len(head))

    def was_replaced_at(self, path: Path) -> bool:
        """Whether the path names another file by now; one that is only gone may come back."""
        try:
            return path.stat().st_ino != self._inode
        except OSError:
            return False

    def was_truncated(self) -> bool:
        """Whether the file was emptied, even if as much was written to it since."""
        if os.fstat(self._file.fileno()).st_size < self._offset + len(self._rest):
            return True
        head = self._head(_HEAD_BYTES)
        known, self._known_head = self._known_head, head
        return not head.startswith(known)

    def lines(self) -> Iterator[RawLine]:
        """The complete lines that are there now."""
        while chunk := self._read():
            pieces = (self._rest + chunk).split(b"\n")
            self._rest = pieces.pop()
            for piece in pieces:
                yield self._given(piece, len(piece) + 1)
            if len(self._rest) > _MAX_LINE_BYTES:
                yield self._take_rest()

    def last_line(self) -> RawLine | None:
        """What stands after the last line break; for a file that nobody writes to any more."""
        return self._take_rest() if self._rest else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self) -> bytes:
        self._file.seek(self._offset + len(self._rest))
        return self._file.read(_READ_BYTES)

    def _take_rest(self) -> RawLine:
        rest, self._rest = self._rest, b""
        return self._given(rest, len(rest))

    def _given(self, piece: bytes, num_bytes: int) -> RawLine:
        first_byte = self._offset
        self._offset += num_bytes
        return RawLine(piece.rstrip(b"\r").decode("utf-8", "replace"), first_byte, self._offset)

    def _head(self, num_bytes: int) -> bytes:
        self._file.seek(0)
        return self._file.read(num_bytes)


def open_log(path: Path, saved: Position | None, *, from_end: bool = False) -> list[OpenLog]:
    """What has to be read to go on from `saved`, oldest first; empty when there is no file.

    That is the file itself, and before it, where it was rotated away meanwhile, the one that the
    position belongs to.

    Args:
        path: The file's name.
        saved: From an earlier process.
        from_end: Begin a file without a saved position at its end.

    Raises:
        Misconfigured: The file is there and cannot be read.
    """
    logs: list[OpenLog] = []
    if saved is not None and not _is_the_saved(path, saved):
        logs = _rotated_since(path, saved)
        if not logs:
            log.warning("rotated file is gone; what was not read of it is lost", path=str(path))
        saved = None
        from_end = False
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return logs
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
    end = os.fstat(file.fileno()).st_size if from_end and saved is None else 0
    logs.append(OpenLog(file, saved.offset if saved else end))
    return logs


def successors(path: Path, ended: OpenLog) -> list[OpenLog]:
    """What took the name after a file that was rotated away, oldest first."""
    rotated = _rotated_since(path, ended.position())
    for own in rotated[:1]:
        own.close()
    return rotated[1:] + open_log(path, None)


def _rotated_since(path: Path, saved: Position) -> list[OpenLog]:
    """The file of the position, and those that were rotated away after it; oldest first."""
    siblings = [
        sibling
        for sibling in path.parent.glob(f"{path.name}*")
        if sibling != path and sibling.suffix not in _COMPRESSED and sibling.is_file()
    ]
    own = next((sibling for sibling in siblings if _is_the_saved(sibling, saved)), None)
    own = own or next((sibling for sibling in siblings if _is_a_copy(sibling, saved)), None)
    if own is None:
        return []
    written_at = own.stat().st_mtime_ns
    later = sorted(
        (sibling.stat().st_mtime_ns, sibling)
        for sibling in siblings
        if sibling != own and sibling.stat().st_mtime_ns >= written_at
    )
    return [
        OpenLog(own.open("rb"), saved.offset),
        *(OpenLog(sibling.open("rb"), 0) for _, sibling in later),
    ]


def _is_a_copy(path: Path, saved: Position) -> bool:
    """Whether this is what `copytruncate` kept; short heads could be anything's."""
    if saved.head_bytes < _HEAD_BYTES:
        return False
    try:
        with path.open("rb") as file:
            is_long_enough = os.fstat(file.fileno()).st_size >= saved.offset
            return is_long_enough and _hash(file.read(saved.head_bytes)) == saved.head
    except OSError:
        return False


def _is_the_saved(path: Path, saved: Position) -> bool:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            is_same = status.st_ino == saved.inode and status.st_size >= saved.offset
            return is_same and _hash(file.read(saved.head_bytes)) == saved.head
    except OSError:
        return False


def _hash(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=8).hexdigest()
