"""`fixstream tail`: follows log files and publishes the errors in them, scrubbed.

At least once: positions are saved after Kafka acknowledged what stands before them, and a repeat
has the same event id. It writes to no log file and removes none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from fixstream.producers.publishing import FLUSH_TIMEOUT_S, Progress, Publisher, make_publisher
from fixstream.producers.tail.following import OpenLog, Position, open_log, successors
from fixstream.producers.tail.line_formats import read_line
from fixstream.producers.tail.log_events import LogOrigin, event_from_record
from fixstream.producers.tail.positions import PositionFile
from fixstream.producers.tail.record_assembly import LogRecord, RecordAssembler
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
    service: str | None = None
    """None takes each file's name, without its endings."""
    environment: str = "production"
    positions: Path = DEFAULT_POSITIONS
    from_end: bool = False
    """Begin files without a saved position at their end."""
    once: bool = False
    """Read what is there and end."""
    poll_s: float = 0.25
    quiet_s: float = 1.0
    """A record is complete when its file was quiet for so long."""


class FollowedPath:
    """One path: the file it names, those it named before, and the record that is being read."""

    def __init__(self, path: Path, origin: Callable[[OpenLog], LogOrigin]) -> None:
        self._path = path
        self._origin = origin
        self._logs: list[OpenLog] = []
        self._assembler = RecordAssembler()
        self._quiet_since: float | None = None

    def open(self, saved: Position | None, *, from_end: bool) -> None:
        """Go on where an earlier process stopped."""
        self._logs = open_log(self._path, saved, from_end=from_end)

    def position(self) -> Position | None:
        """Where to go on after a restart: before the record that is not complete."""
        return self._logs[0].position(self._assembler.first_open_byte) if self._logs else None

    def new_records(self, now_s: float, quiet_s: float) -> Iterator[tuple[LogRecord, LogOrigin]]:
        """The records that are complete now; `now_s` is monotonic."""
        if not self._logs:
            self.open(None, from_end=False)
        while self._logs:
            current = self._logs[0]
            if current.was_truncated():
                yield from self._finished(current)
                current.close()
                self._logs = open_log(self._path, None)
                continue
            yield from self._read(current)
            if not self._is_quiet(now_s, quiet_s):
                return
            if len(self._logs) == 1 and not current.was_replaced_at(self._path):
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
            record = self._assembler.add(read_line(line.text), line.first_byte, line.next_byte)
            if record is not None:
                yield record, self._origin(current)

    def _end(self, current: OpenLog) -> Iterator[tuple[LogRecord, LogOrigin]]:
        """The file was rotated away, and whoever wrote to it has gone: go on with the next one."""
        line = current.last_line()
        if line is not None:
            record = self._assembler.add(read_line(line.text), line.first_byte, line.next_byte)
            if record is not None:
                yield record, self._origin(current)
        yield from self._finished(current)
        self._logs = self._logs[1:] or successors(self._path, current)
        current.close()
        self._quiet_since = None

    def _finished(self, current: OpenLog) -> Iterator[tuple[LogRecord, LogOrigin]]:
        record = self._assembler.finish()
        if record is not None:
            yield record, self._origin(current)

    def _is_quiet(self, now_s: float, quiet_s: float) -> bool:
        if self._quiet_since is None:
            self._quiet_since = now_s
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
        self._followed = {str(path.absolute()): self._follow(path) for path in config.paths}
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
        for path, followed in self._followed.items():
            followed.open(self._saved.get(path), from_end=self._config.from_end)
        self._save(self._current_positions())

    def poll(self, *, is_last: bool = False) -> None:
        """Read and publish what is new; then, when something was, wait for Kafka and save.

        Raises:
            RetryLater: Kafka did not take everything; nothing is saved.
        """
        quiet_s = 0.0 if is_last else self._config.quiet_s
        for followed in self._followed.values():
            for record, origin in followed.new_records(self._clock.monotonic(), quiet_s):
                self._publish(record, origin)
        positions = self._current_positions()
        if positions != self._saved:
            self._publisher.flush(FLUSH_TIMEOUT_S)
            self._save(positions)

    def close(self) -> None:
        """Close the files."""
        for followed in self._followed.values():
            followed.close()

    def _follow(self, path: Path) -> FollowedPath:
        service = self._config.service or path.name.split(".", 1)[0] or "log"
        environment = self._config.environment
        return FollowedPath(path, lambda file: LogOrigin(service, environment, str(path), file.key))

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
        Misconfigured: The file of positions cannot be used.
        RetryLater: Kafka did not take everything; a new start repeats it.
    """
    from fixstream.triage.scrub import Scrubber

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
