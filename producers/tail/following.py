"""Following a log file: its lines as they are written, through rotation and truncation.

A file is known by its inode and a hash of its first bytes, not by its name. After a restart it goes
on where the saved position says, even if the file was renamed in between. Reads in binary, and
gives complete lines only; what has no line break yet waits.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from fixstream.schemas.errors import Misconfigured

log = structlog.get_logger(__name__)

_HEAD_BYTES: Final = 256
_COMPRESSED: Final = frozenset({".gz", ".bz2", ".xz", ".zst"})
_TAIL_BYTES: Final = 128
_NUMBERED: Final = re.compile(r"[-_.](?:\d[\w.:+-]*|old|bak|prev|copy)")
_DATED: Final = re.compile(r"[-_.]\d[\d_.:TZ-]*")
_MAX_LINE_BYTES: Final = 1024 * 1024
_READ_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a file was read. `head` is a hash of its first `head_bytes` bytes."""

    inode: int
    offset: int
    head: str
    head_bytes: int
    tail: str = ""
    """A hash of the last bytes before `offset`: files that begin alike differ there."""
    read_to: int = 0
    """Up to where lines were read; those between `offset` and here were published already, but for
    those of streams in `open_at`."""
    open_at: Mapping[str, int] = field(default_factory=dict)
    """Where the record begins that is not complete yet, by stream."""

    def is_published(self, stream: str, first_byte: int) -> bool:
        """Whether a line that is read again was a part of what was published."""
        if first_byte >= self.read_to:
            return False
        return first_byte < self.open_at.get(stream, self.read_to)


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line without its line break, and where it stands."""

    text: str
    first_byte: int
    next_byte: int


class OpenLog:
    """One file that is being read; it stays the same file when it is renamed."""

    def __init__(self, file: BinaryIO, offset: int, resumed: Position | None = None) -> None:
        self._file = file
        self.inode = os.fstat(file.fileno()).st_ino
        self.resumed = resumed
        """Where an earlier process was in this file."""
        self._offset = offset
        self._rest = b""
        self._known_head = self._head(_HEAD_BYTES)
        self._wide = _wide_encoding(self._known_head)
        self._known_tail = _tail_of(file, offset)

    @property
    def key(self) -> str:
        """What stays the same when the file is renamed or grows, and differs in another file."""
        first_line = self._head(_HEAD_BYTES).split(b"\n", 1)[0]
        return f"{self.inode}-{_hash(first_line)}"

    @property
    def num_pending(self) -> int:
        """Bytes of a line that has no end yet."""
        return len(self._rest)

    def position(self, open_at: Mapping[str, int] | None = None) -> Position:
        """Where a new process should go on: at the first of the open records, or after all lines.

        Args:
            open_at: Where the records begin that are not complete yet, by stream.
        """
        head = self._head(_HEAD_BYTES)
        open_at = open_at or {}
        offset = min([self._offset, *open_at.values()])
        tail = _hash(_tail_of(self._file, offset))
        return Position(
            self.inode, offset, _hash(head), len(head), tail, self._offset, dict(open_at)
        )

    def copies(self, path: Path) -> list[OpenLog]:
        """What `copytruncate` kept of this file, at the place up to which it was read, or none."""
        known = Position(
            inode=self.inode,
            offset=self._offset,
            head=_hash(self._known_head),
            head_bytes=len(self._known_head),
            tail=_hash(self._known_tail),
        )
        found = next((copy for copy in _rotations(path) if _is_a_copy(copy, known)), None)
        return [] if found is None else [OpenLog(found.open("rb"), self._offset)]

    def was_replaced_at(self, path: Path) -> bool:
        """Whether the path names another file by now; one that is only gone may come back."""
        try:
            return path.stat().st_ino != self.inode
        except OSError:
            return False

    def was_truncated(self) -> bool:
        """Whether the file was emptied, even if as much was written to it since."""
        if os.fstat(self._file.fileno()).st_size < self._offset + len(self._rest):
            return True
        head = self._head(_HEAD_BYTES)
        if not head.startswith(self._known_head):
            return True
        self._known_head = head
        return False

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
        self._known_tail = (self._known_tail + piece + b"\n"[: num_bytes - len(piece)])[
            -_TAIL_BYTES:
        ]
        if not first_byte:
            self._wide = _wide_encoding(piece)
        if self._wide is not None:
            text = _wide_text(piece, self._wide)
        else:
            # Who writes on at an old place of an emptied file leaves a hole of NUL bytes before it.
            text = piece.lstrip(b"\0").decode("utf-8", "replace")
        return RawLine(text.removeprefix("\ufeff").rstrip("\r"), first_byte, self._offset)

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
    if path.exists() and not path.is_file() and not path.is_dir():
        # Opening a pipe would wait for whoever writes to it, and none can be read twice.
        raise Misconfigured(f"{path}: is no plain file")
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return logs
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
    end = os.fstat(file.fileno()).st_size if from_end and saved is None else 0
    logs.append(OpenLog(file, saved.offset if saved else end, saved))
    return logs


def successors(path: Path, ended: OpenLog) -> list[OpenLog]:
    """What took the name after a file that was rotated away, oldest first."""
    rotated = _rotated_since(path, ended.position())
    for own in rotated[:1]:
        own.close()
    return rotated[1:] + open_log(path, None)


def _rotated_since(path: Path, saved: Position) -> list[OpenLog]:
    """The file of the position, and those that were rotated away after it; oldest first."""
    rotations = _rotations(path)
    # The file itself may have got any name, in its folder; what came after it has one of the usual.
    own = next((other for other in _neighbours(path) if _is_the_saved(other, saved)), None)
    own = own or next((other for other in rotations if _is_a_copy(other, saved)), None)
    if own is None:
        return []
    written_at = own.stat().st_mtime_ns
    later = sorted(
        (other.stat().st_mtime_ns, other)
        for other in rotations
        if other != own and other.stat().st_mtime_ns >= written_at
    )
    return [
        OpenLog(own.open("rb"), saved.offset, saved),
        *(OpenLog(other.open("rb"), 0) for _, other in later),
    ]


def is_rotation_of(path: Path, name: str) -> bool:
    """Whether the path is named as loggers and logrotate name what they move away from `name`."""
    if path.name.startswith(name) and _NUMBERED.fullmatch(path.name[len(name) :]):
        return True
    stem, dot, ending = name.rpartition(".")
    if not dot or not path.name.startswith(stem) or not path.name.endswith(f".{ending}"):
        return False
    # app-2026-11-22.0.log of app.log
    middle = path.name[len(stem) : -len(ending) - 1]
    return _DATED.fullmatch(middle) is not None


def is_compressed(path: Path) -> bool:
    """Whether the file's name says that it is compressed; such a one is never read."""
    return path.suffix in _COMPRESSED


def _rotations(path: Path) -> list[Path]:
    name, target = path.name, path.resolve().name
    return [
        other
        for other in _neighbours(path)
        if is_rotation_of(other, name) or is_rotation_of(other, target)
    ]


def _neighbours(path: Path) -> list[Path]:
    """The other plain files beside the path, and beside what it links to."""
    folders = dict.fromkeys((path.parent, path.resolve().parent))
    return [
        other
        for folder in folders
        if folder.is_dir()
        for other in sorted(folder.iterdir())
        if other != path and not is_compressed(other) and other.is_file()
    ]


def _is_a_copy(path: Path, saved: Position) -> bool:
    """Whether this is what `copytruncate` kept; without much to compare it could be anything's."""
    if not saved.tail and saved.head_bytes < _HEAD_BYTES:
        return False
    try:
        with path.open("rb") as file:
            is_long_enough = os.fstat(file.fileno()).st_size >= saved.offset
            return is_long_enough and _is_alike(file, saved)
    except OSError:
        return False


def _is_the_saved(path: Path, saved: Position) -> bool:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            is_same = status.st_ino == saved.inode and status.st_size >= saved.offset
            return is_same and _is_alike(file, saved)
    except OSError:
        return False


def _is_alike(file: BinaryIO, saved: Position) -> bool:
    if _hash(file.read(saved.head_bytes)) != saved.head:
        return False
    return not saved.tail or _hash(_tail_of(file, saved.offset)) == saved.tail


def _tail_of(file: BinaryIO, offset: int) -> bytes:
    begins = max(0, offset - _TAIL_BYTES)
    file.seek(begins)
    return file.read(offset - begins)


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16, as PowerShell redirects into files, by the mark at the beginning; else None."""
    return {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(head[:2])


def _wide_text(piece: bytes, encoding: str) -> str:
    """A line that was cut at the byte of its line break: the other half stands beside a piece."""
    if len(piece) % 2:
        piece = piece[1:] if encoding == "utf-16-le" else piece[:-1]
    return piece.decode(encoding, "replace")


def _hash(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=8).hexdigest()
