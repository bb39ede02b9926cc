"""How long triage takes for one event: never seen before, and as a repeat.

Prints microseconds of processor time for each step and in all. Takes a history file (JSON lines, `.gz`
too) as its argument; without one it uses invented events of one to two kilobytes.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.classify import classify
from fixstream.triage.fingerprint import fingerprint
from fixstream.triage.scrub import Scrubber
from fixstream.triage.title import title
from fixstream.triage.trace import parse_trace
from fixstream.triage.triage import Triager

NUM_EVENTS = 4000


def make(number: int, error_type: str | None, message: str, stack: str | None) -> ErrorEvent:
    """Returns an event."""
    return ErrorEvent(
        event_id=f"e-{number}",
        occurred_at=datetime(2026, 11, 22, tzinfo=UTC),
        service="bench",
        environment="prod",
        source=EventSource.IMPORT,
        error_type=error_type,
        message=message,
        stack_trace=stack,
        attributes={"host": f"node-{number % 50}", "request": f"r-{number}"},
    )


def invented(seed: int, count: int) -> Iterator[ErrorEvent]:
    """Yields events that all differ, of an application of some 1,500 functions."""
    rng = random.Random(seed)
    words = [
        "order",
        "stock",
        "cart",
        "user",
        "session",
        "client",
        "queue",
        "worker",
        "index",
        "tax",
    ]
    for number in range(count):
        kind = rng.choice(["KeyError", "TimeoutError", "ValueError", "ConnectionRefusedError"])
        message = f"{rng.choice(words)} {rng.randint(1, 10**6)} of {rng.choice(words)} could not be saved after {rng.randint(1, 99)} tries"
        lines = ["Traceback (most recent call last):"]
        for _ in range(rng.randint(6, 14)):
            name = f"{rng.choice(words)}_{rng.choice(words)}_{rng.randint(1, 9)}"
            lines += [
                f'  File "/srv/app/{name[:3]}/{name}.py", line {rng.randint(1, 900)}, in {name}',
                f"    return {name}({rng.choice(words)})",
            ]
        lines.append(f"{kind}: {message}")
        yield make(number, kind, message, "\n".join(lines))


def from_file(path: Path) -> Iterator[ErrorEvent]:
    """Yields the events of a history file."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    for number, line in enumerate(text.splitlines()):
        row = json.loads(line)
        yield make(number, row.get("error_type"), row["message"], row.get("stack_trace"))


def micros(work: Callable[[ErrorEvent], object], events: list[ErrorEvent]) -> float:
    """Returns microseconds of processor time an event."""
    start = time.process_time()
    for event in events:
        work(event)
    return (time.process_time() - start) / len(events) * 1e6


def main() -> None:
    """Prints the table."""
    events = list(from_file(Path(sys.argv[1])) if len(sys.argv) > 1 else invented(1, NUM_EVENTS))
    warm, fresh = events[: len(events) // 5], events[len(events) // 5 :]
    size = sum(len(e.message) + len(e.stack_trace or "") for e in fresh) / len(fresh)
    triager, scrubber = Triager(num_kept=len(events)), Scrubber()
    for event in warm:
        triager.triage(event)
        scrubber.scrub_event(event)
    print(f"{len(fresh)} events of {size:.0f} characters")
    print(f"never seen {micros(triager.triage, fresh):8.1f} us")
    print(f"repeats    {micros(triager.triage, fresh):8.1f} us")
    traces = {e.event_id: parse_trace(e.stack_trace or e.message) for e in fresh}
    steps: dict[str, Callable[[ErrorEvent], object]] = {
        "scrub": scrubber.scrub_event,
        "parse": lambda e: parse_trace(e.stack_trace or e.message),
        "fingerprint": lambda e: fingerprint(e, traces[e.event_id]),
        "title": lambda e: title(e, traces[e.event_id]),
        "classify": lambda e: classify(e, traces[e.event_id]),
    }
    for name, work in steps.items():
        print(f"  {name:12}{micros(work, fresh):8.1f} us")
    start = time.process_time()
    _ = [number * number for number in range(1_000_000)]
    print(f"(one million multiplications here: {(time.process_time() - start) * 1e3:.0f} ms)")


if __name__ == "__main__":
    main()
