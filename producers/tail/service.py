"""`fixstream tail`: follows log files and publishes the errors in them, scrubbed.

At least once: positions are saved after Kafka acknowledged what stands before them, and a repeat
has the same event id. It writes to no log file and removes none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

import structlog

from fixstream.producers.publishing import FLUSH_TIMEOUT_S, Progress, Publisher, make_publisher
from fixstream.producers.tail.following import (
    OpenLog,
    Position,
    RawLine,
    open_log,
    successors,
)
from fixstream.producers.tail.line_formats import read_line
from fixstream.producers.tail.log_events import LogOrigin, event_from_record
from fixstream.producers.tail.matching import PathPatterns, inode_of
from fixstream.producers.tail.positions import PositionFile
from fixstream.producers.tail.record_assembly import LogRecord, StreamAssembler
from fixstream.runtime.clock import Clock, SystemClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.topics import ERRORS_RAW

log = structlog.get_logger(__name__)

DEFAULT_POSITIONS = Path(".fixstream/tail-positions.json")


class Stopping(Protocol):
    """`runtime.stopping.StopSignal` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Wait for the stop, at most so long; whether it came."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TailConfig:
    """What to follow, and in whose name."""

    paths: tuple[Path, ...]
    """Files, or globs of files; what they match later is followed from then on."""
    service: str | None = None
    """None takes each file's name, without its endings."""
    environment: str = "production"
    zone: tzinfo | None = None
    """Of times in logs that name none; None takes this machine's."""
    positions: Path = DEFAULT_POSITIONS
    from_end: bool = False
    """Begin files without a saved position at their end."""
    once: bool = False
    """Read what is there and end."""
    poll_s: float = 0.25
    quiet_s: float = 1.0
    """A record is complete when its file was quiet for so long."""
    line_quiet_s: float = 30.0
    """A line without its end is whole when its file was quiet for so long."""
    match_s: float = 2.0
    """How often globs are matched against new files."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """After how many seconds without a new byte something counts as complete."""

    record_s: float
    line_s: float


class FollowedPath:
    """One path: the file it names, those it named before, and the record that is being read."""

    def __init__(self, path: Path, origin: Callable[[OpenLog], LogOrigin]) -> None:
        self._path = path
        self._origin = origin
        self._logs: list[OpenLog] = []
        self._assembler = StreamAssembler()
        self._quiet_since: float | None = None
        self._num_pending = 0

    def open(self, saved: Position | None, *, from_end: bool) -> None:
        """Go on where an earlier process stopped."""
        self._logs = open_log(self._path, saved, from_end=from_end)

    def position(self) -> Position | None:
        """Where to go on after a restart: before the record that is not complete."""
        return self._logs[0].position(self._assembler.open_at) if self._logs else None

    @property
    def inodes(self) -> set[int]:
        """The files that are open."""
        return {file.inode for file in self._logs}

    def new_records(self, now_s: float, quiet: Quiet) -> Iterator[tuple[LogRecord, LogOrigin]]:
        """The records that are complete now; `now_s` is monotonic."""
        if not self._logs:
            self.open(None, from_end=False)
        while self._logs:
            current = self._logs[0]
            if current.was_truncated():
                yield from self._emptied(current)
                continue
            yield from self._read(current)
            if not self._is_quiet(current, now_s, quiet.record_s):
                return
            if len(self._logs) == 1 and not current.was_replaced_at(self._path):
                if self._is_quiet(current, now_s, quiet.line_s):
                    yield from self._rest(current)
                yield from self._finished(current)
                return
            yield from self._end(current)

    def close(self) -> None:
        """Close all files."""
        for file in self._logs:
            file.close()

    def _read(self, current: OpenLog) -> Iterator[tuple[LogRecord, LogOrigin]]:
        for line in current.lines():
            self._quiet_since = None
            yield from self._added(current, line)

    def _added(
        self, current: OpenLog, line: RawLine | None
    ) -> Iterator[tuple[LogRecord, LogOrigin]]:
        if line is None:
            return
        read = read_line(line.text)
        if current.resumed and current.resumed.is_published(read.stream, line.first_byte):
            return
        for record in self._assembler.add(read, line.first_byte, line.next_byte):
            yield record, self._origin(current)

    def _rest(self, current: OpenLog) -> Iterator[tuple[LogRecord, LogOrigin]]:
        """A line without its end that nobody goes on with counts as whole."""
        yield from self._added(current, current.last_line())

    def _emptied(self, current: OpenLog) -> Iterator[tuple[LogRecord, LogOrigin]]:
        """The file was truncated: what it held may go on in a copy."""
        copies = current.copies(self._path)
        if not copies:
            yield from self._finished(current)
        current.close()
        self._logs = copies + open_log(self._path, None)

    def _end(self, current: OpenLog) -> Iterator[tuple[LogRecord, LogOrigin]]:
        """The file was rotated away, and whoever wrote to it has gone: go on with the next one."""
        yield from self._rest(current)
        yield from self._finished(current)
        self._logs = self._logs[1:] or successors(self._path, current)
        current.close()
        self._quiet_since = None

    def _finished(self, current: OpenLog) -> Iterator[tuple[LogRecord, LogOrigin]]:
        for record in self._assembler.finish():
            yield record, self._origin(current)

    def _is_quiet(self, current: OpenLog, now_s: float, quiet_s: float) -> bool:
        if self._quiet_since is None or current.num_pending != self._num_pending:
            self._quiet_since = now_s
            self._num_pending = current.num_pending
        return now_s - self._quiet_since >= quiet_s


class Tail:
    """Follows several paths and publishes what is an error."""

    def __init__(
        self,
        config: TailConfig,
        publisher: Publisher,
        topic: str,
        *,
        scrub: Callable[[ErrorEvent], ErrorEvent],
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._publisher = publisher
        self._topic = topic
        self._scrub = scrub
        self._clock = clock or SystemClock()
        self._positions = PositionFile(config.positions)
        self._patterns = PathPatterns(config.paths)
        self._followed: dict[str, FollowedPath] = {}
        self._match_at = 0.0
        self._saved: dict[str, Position] = {}
        self._num_sent = 0
        self._num_skipped = 0

    @property
    def progress(self) -> Progress:
        """Events sent so far, and records that could not be."""
        return Progress(self._num_sent, self._num_skipped)

    def open(self) -> None:
        """Open the files at their saved positions, and save where those without one begin.

        Raises:
            Misconfigured: The file of positions cannot be used.
        """
        self._saved = self._positions.load()
        self._follow_matches(from_end=self._config.from_end)
        self._save(self._current_positions())

    def poll(self, *, is_last: bool = False) -> None:
        """Read and publish what is new; then, when something was, wait for Kafka and save.

        Raises:
            RetryLater: Kafka did not take everything; nothing is saved.
        """
        quiet = Quiet(self._config.quiet_s, self._config.line_quiet_s)
        if self._clock.monotonic() >= self._match_at:
            self._follow_matches(from_end=False)
        for followed in self._followed.values():
            now_s = self._clock.monotonic()
            for record, origin in followed.new_records(now_s, Quiet(0, 0) if is_last else quiet):
                self._publish(record, origin)
        positions = self._current_positions()
        if positions != self._saved:
            self._publisher.flush(FLUSH_TIMEOUT_S)
            self._save(positions)

    def close(self) -> None:
        """Close the files."""
        for followed in self._followed.values():
            followed.close()

    def _follow_matches(self, *, from_end: bool) -> None:
        """Follow what matches by now and did not before; a renamed file is no new one."""
        self._match_at = self._clock.monotonic() + self._config.match_s
        known = {inode for followed in self._followed.values() for inode in followed.inodes}
        for path in self._patterns.matches():
            name = str(path.absolute())
            if name in self._followed or inode_of(path) in known:
                continue
            followed = self._followed[name] = self._follow(path)
            followed.open(self._saved.get(name), from_end=from_end)

    def _follow(self, path: Path) -> FollowedPath:
        service = self._config.service or path.name.split(".", 1)[0] or "log"
        environment, zone = self._config.environment, self._config.zone
        return FollowedPath(
            path, lambda file: LogOrigin(service, environment, str(path), file.key, zone)
        )

    def _save(self, positions: dict[str, Position]) -> None:
        self._positions.save(positions)
        self._saved = positions

    def _current_positions(self) -> dict[str, Position]:
        found = {path: followed.position() for path, followed in self._followed.items()}
        # Positions of files that others follow stay.
        return self._saved | {path: at for path, at in found.items() if at is not None}

    def _publish(self, record: LogRecord, origin: LogOrigin) -> None:
        event = event_from_record(record, origin, self._clock.now())
        if event is None:
            return
        try:
            self._publisher.publish(self._topic, event.service, self._scrub(event))
            self._num_sent += 1
        except DeadLetter as problem:
            self._num_skipped += 1
            log.warning("record skipped", path=origin.path, error_class=problem.error_class)


def run(
    config: TailConfig,
    settings: KafkaSettings,
    stopping: Stopping,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Follow until stopped, or until the end of what is there with `once`.

    Raises:
        Misconfigured: The file of positions, or a path, cannot be used.
        RetryLater: Kafka did not take everything; a new start repeats it.
    """
    from fixstream.triage.scrub import Scrubber

    PathPatterns(config.paths).require_usable(must_exist=config.once)
    clock = SystemClock()
    publisher = make_publisher(settings, clock)
    topic = settings.topic(ERRORS_RAW)
    tail = Tail(config, publisher, topic, scrub=Scrubber().scrub_event, clock=clock)
    tail.open()
    try:
        while not config.once and not stopping.wait(config.poll_s):
            tail.poll()
            on_progress(tail.progress)
        tail.poll(is_last=config.once)
    finally:
        tail.close()
    return tail.progress
