"""Events for the processor's benchmark, made from a history file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

from fixstream.producers.history import history_records
from fixstream.schemas.records import ErrorEvent

UNDATED = datetime(2026, 1, 1, tzinfo=UTC)


def unseen(history: Path) -> Iterator[ErrorEvent]:
    """Texts that never came before: the file's own, then again with a sentence of their own."""
    events = [record.event for record in history_records(history, undated_as=UNDATED)]
    for lap in count():
        for number, event in enumerate(events):
            mark = (
                "" if lap == 0 else f"\nfurther detail: lap {lap} of {_word(lap * 7919 + number)}"
            )
            yield replace(event, event_id=f"u-{lap}-{number}", message=event.message + mark)


def repeating(history: Path, seed: int = 7) -> Iterator[ErrorEvent]:
    """Four of five texts came before, somewhere among the last thousand."""
    rng = random.Random(seed)
    fresh = unseen(history)
    recent: list[ErrorEvent] = []
    for number in count():
        if not recent or number % 5 == 0:
            event = next(fresh)
            recent.append(event)
            del recent[:-1000]
        else:
            event = rng.choice(recent)
        yield replace(event, event_id=f"r-{number}")


def take(events: Iterator[ErrorEvent], num_events: int) -> list[ErrorEvent]:
    """The first of them."""
    return list(islice(events, num_events))


def _word(number: int) -> str:
    """A made-up word, so that no text equals another once numbers are normalised away."""
    letters = []
    while number:
        number, index = divmod(number, 26)
        letters.append("abcdefghijklmnopqrstuvwxyz"[index])
    return "".join(letters) or "a"
