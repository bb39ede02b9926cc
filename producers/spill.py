"""Messages that wait on disk until Kafka has acknowledged them, oldest first.

With a spill, an event is on disk before it is sent and leaves the disk when it was delivered, so
what the worker once held survives `kill -9` of its host. Only scrubbed messages come here. The
folder is 0700 and its files 0600; all files together never outgrow `max_bytes`. Nothing is synced
per event: what a process wrote survives its own death, and a power cut costs at most the last
second. Belongs to the worker's thread: nothing here is locked against other threads.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from fixstream.producers import host_log
from fixstream.producers.drops import DropReason
from fixstream.producers.metrics import SPILL_ERRORS
from fixstream.producers.shipper import Parcel
from fixstream.producers.spill_file import SpillFile, adopt, create
from fixstream.schemas import limits

MIN_BYTES: Final = 4 * 1024 * 1024
_SUFFIX: Final = ".spill"
_NUM_FILES: Final = 16
"""Into how many files the room is cut: each is deleted as a whole when its last message is sent."""
_MIN_FILE_BYTES: Final = 2 * limits.MAX_MESSAGE_BYTES
_SYNC_INTERVAL_S: Final = 1.0
_ADOPT_INTERVAL_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpillConfig:
    """Where messages wait, and how many bytes of them."""

    folder: Path
    max_bytes: int = 64 * 1024 * 1024
    """Of all processes that share the folder, together."""

    @property
    def file_bytes(self) -> int:
        """The most that one file may hold."""
        return max(_MIN_FILE_BYTES, self.max_bytes // _NUM_FILES)


@dataclass(eq=False, slots=True)
class Spilled:
    """One message on its way from the disk to Kafka."""

    parcel: Parcel
    is_own: bool
    """Whether this process took it, and not one that died before."""
    source: _Source
    first_byte: int
    next_byte: int


@dataclass(eq=False, slots=True)
class _Source:
    """A file that is being sent."""

    file: SpillFile
    own_from: int
    """Messages from here on were taken by this process; those before, by one that died."""
    cursor: int
    """Where the next message to send begins."""
    unsettled: deque[Spilled] = field(default_factory=deque)
    """What was sent and has no outcome yet, or stands behind such a one; in the file's order."""
    done: set[int] = field(default_factory=set)
    """Beginnings of messages that are settled behind one that is not."""
    num_open: int = 0
    """Of messages that this process stored here: those that are not settled."""


class Spill:
    """The files of one process, and those that dead processes left for it."""

    def __init__(self, config: SpillConfig, topic: str) -> None:
        self._config = config
        self._topic = topic
        self._sources: deque[_Source] = deque()
        """Oldest first; the last may be the one that is written to."""
        self._active: _Source | None = None
        self._num_lost = 0
        self._next_sync_s = 0.0
        self._next_adoption_s = 0.0

    def append(self, parcel: Parcel) -> DropReason | None:
        """Store a message behind all others; the reason when there is no room or no disk."""
        body = _to_bytes(parcel)
        try:
            active = self._with_room_for(len(body))
            if active is None:
                return DropReason.SPILL_FULL
            active.file.append(body)
            active.num_open += 1
        except OSError as error:
            _note(error)
            return DropReason.SPILL_FAILED
        return None

    def next(self) -> Spilled | None:
        """The oldest message that was not given out yet; None when there is none now."""
        for source in list(self._sources):
            while source.cursor < source.file.end:
                found = self._read(source)
                if found is not None:
                    return found
            if not source.unsettled:
                self._finish(source)
        return None

    def settle(self, spilled: Spilled) -> None:
        """The message was delivered, or given up for good."""
        source = spilled.source
        source.num_open -= spilled.is_own
        source.done.add(spilled.first_byte)
        while source.unsettled and source.unsettled[0].first_byte in source.done:
            first = source.unsettled.popleft()
            source.done.discard(first.first_byte)
            _ignoring_errors(partial(source.file.settle, first.next_byte))
        if not source.unsettled and source.cursor >= source.file.end:
            self._finish(source)

    def rewind(self) -> None:
        """Give everything that is not settled out again. Nothing may be under way any more."""
        for source in self._sources:
            source.cursor = source.unsettled[0].first_byte if source.unsettled else source.cursor
            source.unsettled.clear()

    def take_lost(self) -> int:
        """How many messages of this process could not be read back since the last call."""
        num_lost, self._num_lost = self._num_lost, 0
        return num_lost

    def tidy(self, now_s: float) -> None:
        """What is due from time to time: syncing, and looking for files of dead processes."""
        if now_s >= self._next_sync_s and self._active is not None:
            self._next_sync_s = now_s + _SYNC_INTERVAL_S
            _ignoring_errors(self._active.file.sync)
        if now_s >= self._next_adoption_s:
            self._next_adoption_s = now_s + _ADOPT_INTERVAL_S
            self._adopt_orphans()

    def close(self) -> None:
        """Leave what is not settled to whoever comes next."""
        for source in list(self._sources):
            if not source.unsettled and source.cursor >= source.file.end:
                _ignoring_errors(source.file.remove)
            else:
                _ignoring_errors(source.file.sync)
                source.file.close()
        self._sources.clear()
        self._active = None

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files without touching them."""
        for source in self._sources:
            source.file.close()
        self._sources.clear()
        self._active = None

    def _read(self, source: _Source) -> Spilled | None:
        """The message at the cursor, which moves behind it; None if there is nothing to send."""
        begins = source.cursor
        try:
            stored = source.file.read(begins)
            parcel = _from_bytes(stored.body) if stored is not None else None
        except (OSError, ValueError, TypeError) as error:
            _note(error)
            stored = parcel = None
        if stored is None or parcel is None:
            # What a power cut or a broken disk left. Behind it nothing can be trusted.
            source.cursor = source.file.end
            self._num_lost += source.num_open - sum(sent.is_own for sent in source.unsettled)
            host_log.warn_once("a spill file ends in damage; the rest of it is given up")
            SPILL_ERRORS.inc()
            return None
        source.cursor = stored.next_byte
        is_own = begins >= source.own_from
        spilled = Spilled(parcel, is_own, source, begins, stored.next_byte)
        source.unsettled.append(spilled)
        return None if begins in source.done else spilled

    def _finish(self, source: _Source) -> None:
        source.done.clear()
        source.num_open = 0
        if source is self._active:
            if source.file.end > source.file.first_byte:
                _ignoring_errors(source.file.empty)
                source.cursor = source.own_from = source.file.end
            return
        self._sources.remove(source)
        _ignoring_errors(source.file.remove)

    def _with_room_for(self, num_bytes: int) -> _Source | None:
        active = self._active
        if active is not None:
            if active.file.end + num_bytes < self._config.file_bytes:
                return active
            self._active = None
            active.file.sync()
        last = self._sources[-1] if self._sources else None
        if last is not None and last is not active and last.file.end < self._config.file_bytes // 2:
            # A process that died left a small one: many restarts shall not fill the folder.
            self._active = last
            return last
        return self._begun()

    def _begun(self) -> _Source | None:
        """A new file, unless as many are there as the folder may hold."""
        folder = private_folder(self._config.folder)
        max_files = max(1, self._config.max_bytes // self._config.file_bytes)
        if sum(1 for _ in _files(folder)) >= max_files:
            return None
        file = create(folder / f"{os.getpid()}-{secrets.token_hex(6)}{_SUFFIX}", self._topic)
        self._active = _Source(file, own_from=file.end, cursor=file.end)
        self._sources.append(self._active)
        return self._active

    def _adopt_orphans(self) -> None:
        held = {source.file.path for source in self._sources}
        try:
            paths = sorted(_files(self._config.folder), key=_age)
        except OSError as error:
            _note(error)
            return
        found = [adopt(path, self._topic) for path in paths if path not in held]
        orphans = [_Source(file, own_from=file.end, cursor=file.settled) for file in found if file]
        self._sources.extendleft(reversed(orphans))


def private_folder(folder: Path) -> Path:
    """The folder, made if need be, for its owner only.

    Raises:
        OSError: It cannot be made, or belongs to somebody else.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Fails for a folder that is not ours, which is the point.
    folder.chmod(0o700)
    return folder


def _files(folder: Path) -> Iterable[Path]:
    return folder.glob(f"*{_SUFFIX}")


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _to_bytes(parcel: Parcel) -> bytes:
    headers = [[name, value.decode("latin-1")] for name, value in parcel.headers]
    envelope = json.dumps([parcel.key.decode("latin-1"), headers])
    return envelope.encode() + b"\n" + parcel.value


def _from_bytes(body: bytes) -> Parcel:
    envelope, _, value = body.partition(b"\n")
    key, headers = json.loads(envelope)
    pairs = [(str(name), text.encode("latin-1")) for name, text in headers]
    return Parcel(key.encode("latin-1"), value, pairs)


def _ignoring_errors(act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        _note(error)


def _note(error: Exception) -> None:
    SPILL_ERRORS.inc()
    host_log.warn_once("the spill folder cannot be used", error=type(error).__name__)
