"""Publishing whole files to Kafka: `emit` for history files, `import_solutions` for solutions.

Unlike a sink inside a host these may wait: nothing is dropped, and at the end everything is
delivered or an error says that it was not. What a line makes impossible is skipped and counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog

from fixstream.producers.history import read_history
from fixstream.producers.json_lines import BadLine
from fixstream.producers.solutions_import import read_solutions
from fixstream.runtime.clock import Clock, SystemClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.records import ErrorEvent, Record, Solution
from fixstream.schemas.topics import ERRORS_RAW, SOLUTIONS

log = structlog.get_logger(__name__)

R = TypeVar("R", bound=Record)

FLUSH_TIMEOUT_S = 60.0
_REPORT_EVERY = 100
_MAX_BEHIND_S = 1.0


class Publisher(Protocol):
    """The part of `runtime.kafka.RecordPublisher` that is used here."""

    def publish(self, topic: str, key: str, record: Record) -> None:
        """Send one record; blocks while too many are under way. Raises DeadLetter, RetryLater."""
        ...

    def flush(self, timeout_s: float) -> None:
        """Wait for all of them; raises when one was not delivered."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file has been sent."""

    num_sent: int = 0
    num_skipped: int = 0
    """Lines that could not be used; each is told in the log with its number."""


OnProgress = Callable[[Progress], None]


def _nothing(progress: Progress) -> None:
    """For callers that show no progress."""


class Pace:
    """Holds a loop to so many turns a second, without bursts after a pause.

    Args:
        per_second: The rate; None does not hold back at all.
        monotonic: The clock, in seconds.
        sleep: How to wait.
    """

    def __init__(
        self,
        per_second: float | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if per_second is not None and per_second <= 0:
            raise ValueError("the rate has to be above zero")
        self._interval_s = 0.0 if per_second is None else 1.0 / per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._next_at: float | None = None

    def wait(self) -> None:
        """Return when the next turn is due."""
        if not self._interval_s:
            return
        now = self._monotonic()
        # A turn that took longer is caught up with, but no more than a second of them.
        due = now if self._next_at is None else max(self._next_at, now - _MAX_BEHIND_S)
        if due > now:
            self._sleep(due - now)
        self._next_at = due + self._interval_s


@dataclass(frozen=True)  # No slots: Python 3.11 cannot parametrise a frozen slotted generic.
class Route(Generic[R]):
    """Where records of one kind go."""

    publisher: Publisher
    topic: str
    key: Callable[[R], str]


def publish_all(
    records: Iterable[R | BadLine], route: Route[R], pace: Pace, on_progress: OnProgress
) -> Progress:
    """Publish everything that can be published, and wait until it is delivered.

    Raises:
        RetryLater: Kafka did not take everything.
    """
    num_sent = num_skipped = 0
    for record in records:
        problem = record if isinstance(record, BadLine) else _problem_with(record, route, pace)
        if problem is None:
            num_sent += 1
        else:
            num_skipped += 1
            log.warning("line skipped", reason=str(problem))
        if (num_sent + num_skipped) % _REPORT_EVERY == 0:
            on_progress(Progress(num_sent, num_skipped))
    route.publisher.flush(FLUSH_TIMEOUT_S)
    progress = Progress(num_sent, num_skipped)
    on_progress(progress)
    return progress


def _problem_with(record: R, route: Route[R], pace: Pace) -> DeadLetter | None:
    pace.wait()
    try:
        route.publisher.publish(route.topic, route.key(record), record)
    except DeadLetter as problem:
        return problem
    return None


def emit(
    path: Path,
    rate: float | None = None,
    *,
    settings: KafkaSettings,
    on_progress: OnProgress = _nothing,
    clock: Clock | None = None,
) -> Progress:
    """Publish the events of a history file to `errors.raw.v1`, scrubbed, `rate` a second.

    Returns:
        The final counts, after every delivery was acknowledged.

    Raises:
        Misconfigured: The file cannot be opened.
        RetryLater: Kafka did not take everything.
    """
    clock = clock or SystemClock()
    route: Route[ErrorEvent] = Route(
        make_publisher(settings, clock), settings.topic(ERRORS_RAW), lambda event: event.service
    )
    return publish_all(_scrubbed_events(path, clock), route, Pace(rate), on_progress)


def _scrubbed_events(path: Path, clock: Clock) -> Iterator[ErrorEvent | BadLine]:
    from fixstream.triage.scrub import Scrubber

    scrubber = Scrubber()
    for record in read_history(path, undated_as=clock.now()):
        yield record if isinstance(record, BadLine) else scrubber.scrub_event(record.event)


def import_solutions(
    path: Path,
    *,
    settings: KafkaSettings,
    on_progress: OnProgress = _nothing,
    clock: Clock | None = None,
) -> Progress:
    """Publish the solutions of a file to `solutions.v1`, under their ids as keys.

    Returns:
        The final counts, after every delivery was acknowledged.

    Raises:
        Misconfigured: The file cannot be opened.
        RetryLater: Kafka did not take everything.
    """
    clock = clock or SystemClock()
    route: Route[Solution] = Route(
        make_publisher(settings, clock),
        settings.topic(SOLUTIONS),
        lambda solution: solution.solution_id,
    )
    solutions = read_solutions(path, created_at=clock.now())
    return publish_all(solutions, route, Pace(None), on_progress)


def make_publisher(settings: KafkaSettings, clock: Clock) -> Publisher:
    """A publisher that connects when it is first used."""
    from fixstream.runtime.kafka import RecordPublisher, make_producer
    from fixstream.runtime.registry import make_codec

    return RecordPublisher(
        make_producer(settings), make_codec(settings), ce_source="fixstream/producers", clock=clock
    )
