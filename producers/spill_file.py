"""One file of messages that wait on disk: appended to, read in order, held by one process.

The file starts with a header (how far its messages are settled, and the topic they belong to);
each message follows with its length and checksum, so that a write which broke off is seen. An
exclusive lock is held as long as the file is open: two processes never share one. What a message
means is not this module's business.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

_MAGIC: Final = b"fxspill1"
_HEAD: Final = struct.Struct("<8sQH")
"""Mark, offset below which everything is settled, length of the topic's name, which follows."""
_SETTLED_AT: Final = 8
_FRAME: Final = struct.Struct("<II")
"""Length and CRC-32 of what follows."""


class Stored(NamedTuple):
    """One message as it stands in the file: its bytes, and the offset where the next begins."""

    body: bytes
    next_byte: int


class SpillFile:
    """An open, locked file. Every method may raise OSError, and leaves the file usable then."""

    def __init__(self, path: Path, descriptor: int, first_byte: int) -> None:
        self.path = path
        self.first_byte = first_byte
        self.settled = first_byte
        """Everything before this offset was delivered or given up."""
        self.end = first_byte
        self._descriptor = descriptor
        self._is_dirty = False

    def append(self, body: bytes) -> int:
        """Write one message after the last; the offset where it begins. All of it, or nothing."""
        framed = _FRAME.pack(len(body), zlib.crc32(body)) + body
        begins = self.end
        num_written = 0
        try:
            num_written = os.pwrite(self._descriptor, framed, begins)
        finally:
            if num_written != len(framed):
                os.ftruncate(self._descriptor, begins)
        if num_written != len(framed):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.end = begins + len(framed)
        self._is_dirty = True
        return begins

    def read(self, offset: int) -> Stored | None:
        """The message at `offset`; None where the bytes there are no whole message."""
        head = os.pread(self._descriptor, _FRAME.size, offset)
        if len(head) < _FRAME.size:
            return None
        size, checksum = _FRAME.unpack(head)
        begins = offset + _FRAME.size
        if begins + size > self.end:
            return None
        body = os.pread(self._descriptor, size, begins)
        return Stored(body, begins + size) if zlib.crc32(body) == checksum else None

    def trim(self) -> None:
        """Cut off what is no whole message, such as a write that broke off."""
        offset = self.settled
        while offset < self.end and (stored := self.read(offset)) is not None:
            offset = stored.next_byte
        if offset < self.end:
            os.ftruncate(self._descriptor, offset)
            self.end = offset

    def settle(self, offset: int) -> None:
        """Remember that everything before `offset` is done with, across a crash as well."""
        self.settled = offset
        os.pwrite(self._descriptor, struct.pack("<Q", offset), _SETTLED_AT)

    def empty(self) -> None:
        """Forget all messages; they are settled."""
        self.settle(self.first_byte)
        os.ftruncate(self._descriptor, self.first_byte)
        self.end = self.first_byte

    def sync(self) -> None:
        """Have the disk hold what the operating system holds."""
        if self._is_dirty:
            os.fsync(self._descriptor)
            self._is_dirty = False

    def remove(self) -> None:
        """Delete the file and let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file; whoever locks it next may go on with it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def create(path: Path, topic: str) -> SpillFile:
    """A new file that only its owner can read.

    Raises:
        OSError: It is there already, or cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    file = _locked(path, descriptor)
    assert file is not None, "nobody else can know a file that is just being made"
    try:
        name = topic.encode()
        first_byte = _HEAD.size + len(name)
        os.pwrite(descriptor, _HEAD.pack(_MAGIC, first_byte, len(name)) + name, 0)
    except OSError:
        file.remove()
        raise
    file.first_byte = file.settled = file.end = first_byte
    return file


def adopt(path: Path, topic: str) -> SpillFile | None:
    """A file that a dead process left; None if it is held, gone, or no such file of this topic."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return None
    file = _locked(path, descriptor)
    if file is None:
        return None
    try:
        is_ours = _read_header(file, descriptor, topic)
        if is_ours:
            file.trim()
    except OSError:
        is_ours = False
    if not is_ours:
        file.close()
        return None
    return file


def _locked(path: Path, descriptor: int) -> SpillFile | None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between opening and locking, the file's owner may have finished and deleted it.
        is_there = os.fstat(descriptor).st_nlink > 0
    except OSError:
        is_there = False
    if not is_there:
        os.close(descriptor)
        return None
    return SpillFile(path, descriptor, 0)


def _read_header(file: SpillFile, descriptor: int, topic: str) -> bool:
    head = os.pread(descriptor, _HEAD.size, 0)
    if len(head) < _HEAD.size:
        return False
    mark, settled, num_chars = _HEAD.unpack(head)
    if mark != _MAGIC or os.pread(descriptor, num_chars, _HEAD.size) != topic.encode():
        return False
    file.first_byte = _HEAD.size + num_chars
    file.end = os.fstat(descriptor).st_size
    file.settled = min(max(settled, file.first_byte), file.end)
    return True
