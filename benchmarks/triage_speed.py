"""How long triage takes for one event: never seen before, and as a repeat.

Keeps microseconds of processor time for each step and in all, beside a plain baseline that only names a group
and looks for phrases, one pass after the other. Takes a history file (JSON lines, `.gz` too) as its argument;
without one it uses invented events of one to two kilobytes.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import reporting

from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.classify import classify
from fixstream.triage.fingerprint import fingerprint
from fixstream.triage.language import language_of
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


class Plain:
    """The baseline: every phrase of the rules is tried by itself, every form of id by its own pass."""

    _FORMS = tuple(
        re.compile(form)
        for form in (
            r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b",
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d)?\b",
            r"\b[a-z]+://\S+",
            r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
            r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
            r"\b0x[0-9a-f]+\b",
            r"(?:/[\w.-]+){2,}",
            r"\d+",
        )
    )

    def __init__(self) -> None:
        """Reads the phrases of the shipped rules."""
        text = resources.files("fixstream.triage").joinpath("rules.toml").read_text("utf-8")
        rules = tomllib.loads(text)["rule"]
        self._phrases = [phrase.lower() for rule in rules for phrase in rule.get("phrases", ())]

    def judge(self, event: ErrorEvent) -> tuple[str, list[str]]:
        """Returns a name for the group and the phrases that occur."""
        name = event.message.partition("\n")[0].lower()
        for form in self._FORMS:
            name = form.sub("#", name)
        text = event.message[:4000].lower()
        return name, [phrase for phrase in self._phrases if phrase in text]


def judge(event: ErrorEvent) -> object:
    """Does all that triage does, but scrubs nothing and remembers no event."""
    trace = parse_trace(event.stack_trace or event.message)
    if trace is None:
        language_of(event.error_type, event.message)
    return fingerprint(event, trace), title(event, trace), classify(event, trace)


def steps(events: list[ErrorEvent]) -> dict[str, float]:
    """Returns what each step takes by itself."""
    traces = {e.event_id: parse_trace(e.stack_trace or e.message) for e in events}
    scrubber = Scrubber()
    work: dict[str, Callable[[ErrorEvent], object]] = {
        "scrub": scrubber.scrub_event,
        "parse": lambda e: parse_trace(e.stack_trace or e.message),
        "language": lambda e: language_of(e.error_type, e.message),
        "fingerprint": lambda e: fingerprint(e, traces[e.event_id]),
        "title": lambda e: title(e, traces[e.event_id]),
        "classify": lambda e: classify(e, traces[e.event_id]),
    }
    return {name: round(micros(step, events), 1) for name, step in work.items()}


def main() -> None:
    """Measures, prints and keeps the figures: in turns, so that a busy machine is fair to both."""
    events = list(from_file(Path(sys.argv[1])) if len(sys.argv) > 1 else invented(1, NUM_EVENTS))
    warm, fresh = events[: len(events) // 5], events[len(events) // 5 :]
    triager, plain = Triager(num_kept=len(events)), Plain()
    for event in warm:
        triager.triage(event)
        plain.judge(event)
    parts = [fresh[place::4] for place in range(4)]
    turns = [
        (micros(triager.triage, part), micros(judge, part), micros(plain.judge, part))
        for part in parts
    ]
    never_seen, unscrubbed, baseline = (sum(turn) / len(turns) for turn in zip(*turns, strict=True))
    reporting.keep(
        "triage_speed",
        {
            "events": len(fresh),
            "characters_each": round(
                sum(len(e.message) + len(e.stack_trace or "") for e in fresh) / len(fresh)
            ),
            "never_seen_us": round(never_seen, 1),
            "never_seen_without_scrubbing_us": round(unscrubbed, 1),
            "repeats_us": round(micros(triager.triage, fresh), 1),
            "baseline_plain_passes_us": round(baseline, 1),
            "ratio_baseline_to_unscrubbed": round(baseline / unscrubbed, 2),
            "steps_seen_before_us": steps(fresh),
        },
    )


if __name__ == "__main__":
    main()
