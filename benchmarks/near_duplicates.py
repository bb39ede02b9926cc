"""Would joining groups whose wording is alike find more duplicates? Precision and recall of pairs.

Groups by fingerprint alone, and with groups joined further by the Jaccard overlap of their
normalised words and frames: strictly (same root type, language and category, no two different sets
of own frames) and loosely (same category). The truth is `crash_type` and `crash_state` of crash
logs, or `duplicate_of` of a history.

Beside them stands the strictest step that could still join anything: one type, language and
category, whole messages that differ in single tokens which look like names of things; anywhere,
or in categories only whose faults lie outside the code. It is asked of `reworded` too, whose pairs
are one fault in other words or two faults in alike words.

    python benchmarks/near_duplicates.py [--crashes FILE] [--history FILE]
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reporting import keep
from reworded import DIFFERENT, SAME

from fixstream.schemas.enums import Category, EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.normalise import normalise
from fixstream.triage.triage import Triager

DATA = Path(__file__).resolve().parent.parent.parent / "shared/data"
LIMITS = (0.5, 0.7, 0.9)
MIN_WORDS = 6
WORD = re.compile(r"[a-z_][\w.]{2,}")
NAME = re.compile(r"""['"`<]|[\d_./:@-]|[a-z][A-Z]""")
"""What a token has that names a thing and is no word."""
OUTSIDE = frozenset(
    {
        *(Category.CONNECTION, Category.TIMEOUT, Category.DNS, Category.TLS),
        *(Category.QUOTA, Category.RESOURCE_EXHAUSTED),
    }
)
"""Categories whose faults lie in what surrounds the code."""


@dataclass(frozen=True)
class Seen:
    """One error: its group, its true group, and what is compared."""

    fingerprint: str
    truth: Hashable
    kind: tuple[str, str, str]
    """Root type, language and category."""
    words: frozenset[str]
    own_frames: frozenset[str]
    message: tuple[str, ...]
    """The words of the first line, normalised."""


class Sets:
    """Which names were joined."""

    def __init__(self) -> None:
        self._up: dict[str, str] = {}

    def find(self, name: str) -> str:
        """The name that stands for all that this one was joined with."""
        while (above := self._up.setdefault(name, name)) != name:
            name = above
        return name

    def join(self, one: str, other: str) -> None:
        """Joins two names."""
        self._up[self.find(one)] = self.find(other)


def crashes(path: Path) -> Iterator[tuple[ErrorEvent, Hashable]]:
    """Crash logs with what they are labelled as."""
    for number, row in enumerate(rows(path)):
        yield (
            event(str(number), row["text"][:4000], row["text"]),
            (
                row["crash_type"],
                row["crash_state"],
            ),
        )


def reports(path: Path) -> Iterator[tuple[ErrorEvent, Hashable]]:
    """A history with the first report of each chain of duplicates."""
    sets, found = Sets(), []
    for row in rows(path):
        if row.get("duplicate_of"):
            sets.join(row["event_id"], row["duplicate_of"])
        message = (row["message"] or "")[:8000]
        found.append(event(row["event_id"], message, row.get("stack_trace"), row.get("error_type")))
    return ((each, sets.find(each.event_id)) for each in found)


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def event(event_id: str, message: str, trace: str | None, kind: str | None = None) -> ErrorEvent:
    """An event with these texts."""
    return ErrorEvent(
        event_id=event_id,
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        service="s",
        environment="bench",
        source=EventSource.IMPORT,
        error_type=kind,
        message=message,
        stack_trace=trace,
    )


def look(errors: Iterable[tuple[ErrorEvent, Hashable]]) -> list[Seen]:
    """Judges the errors as the processor does."""
    triager = Triager()
    found = []
    for error, truth in errors:
        triage = triager.triage(error)
        trace = triage.trace
        frames = [f for part in (trace.exceptions if trace else ()) for f in part.frames]
        root = (trace.root.type if trace else triage.event.error_type) or ""
        words = WORD.findall(normalise(triage.event.message[:1500]).lower())
        found.append(
            Seen(
                triage.fingerprint,
                truth,
                (root.lower(), triage.event.language or "", triage.labels.category.value),
                frozenset(words) | {f"{f.module}:{f.function}" for f in frames},
                frozenset(f"{f.module}:{f.function}" for f in frames if f.in_app),
                tuple(normalise(triage.event.message.strip().partition("\n")[0]).split()),
            )
        )
    return found


def strictly(one: Seen, other: Seen) -> bool:
    """Whether nothing but the wording differs."""
    is_own = bool(one.own_frames and other.own_frames)
    return bool(one.kind[0]) and not (is_own and one.own_frames != other.own_frames)


def joined(seen: list[Seen], limit: float, *, is_strict: bool) -> tuple[Sets, int]:
    """The groups after joining, and how many pairs were joined."""
    buckets: defaultdict[Hashable, list[Seen]] = defaultdict(list)
    for one in {each.fingerprint: each for each in seen}.values():
        if len(one.words) >= MIN_WORDS:
            buckets[one.kind if is_strict else one.kind[2]].append(one)
    sets, num_joined = Sets(), 0
    for one, other in itertools.chain.from_iterable(
        itertools.combinations(bucket, 2) for bucket in buckets.values()
    ):
        sizes = sorted((len(one.words), len(other.words)))
        if sizes[0] < limit * sizes[1] or (is_strict and not strictly(one, other)):
            continue
        shared = len(one.words & other.words)
        if shared >= limit * (sum(sizes) - shared):
            sets.join(one.fingerprint, other.fingerprint)
            num_joined += 1
    return sets, num_joined


def differ_by_names(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two long messages of as many words differ in few of them, which look like names."""
    if len(one) != len(other) or len(one) < MIN_WORDS:
        return False
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    return len(pairs) <= len(one) // 4 and all(NAME.search(word) for pair in pairs for word in pair)


def look_alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the words of two messages overlap by four fifths."""
    left, right = set(one), set(other)
    return len(left & right) >= 0.8 * len(left | right)


RULES: dict[str, tuple[Callable[[Sequence[str], Sequence[str]], bool], frozenset[str]]] = {
    "names_anywhere": (differ_by_names, frozenset(Category)),
    "names_outside_the_code": (differ_by_names, OUTSIDE),
    "overlap_0.8": (look_alike, frozenset(Category)),
}


def rewordings() -> dict[str, dict[str, int]]:
    """How many pairs of each kind each rule joins that have other fingerprints and one category."""
    triager, joins = Triager(), {name: {"right": 0, "wrong": 0} for name in RULES}
    apart = {"right": 0, "wrong": 0}
    for verdict, pairs in (("right", SAME), ("wrong", DIFFERENT)):
        for pair in pairs:
            texts = (pair.one, pair.other)
            one, other = (triager.triage(event("e", text, None, pair.error_type)) for text in texts)
            category = one.labels.category.value
            if one.fingerprint == other.fingerprint or category != other.labels.category.value:
                continue
            apart[verdict] += 1
            words = [normalise(text).split() for text in texts]
            for name, (rule, categories) in RULES.items():
                joins[name][verdict] += category in categories and rule(words[0], words[1])
    return {"to_join": apart, **joins}


def by_names(seen: list[Seen]) -> dict[str, int]:
    """Pairs of groups of one kind whose messages differ by names alone, right and wrong ones."""
    buckets: defaultdict[Hashable, list[Seen]] = defaultdict(list)
    for one in {each.fingerprint: each for each in seen}.values():
        buckets[one.kind].append(one)
    found = Counter(
        "right" if one.truth == other.truth else "wrong"
        for bucket in buckets.values()
        for one, other in itertools.combinations(bucket, 2)
        if strictly(one, other) and differ_by_names(one.message, other.message)
    )
    return {"right": found["right"], "wrong": found["wrong"]}


def quality(seen: list[Seen], group_of: Callable[[str], str]) -> dict[str, float]:
    """Precision and recall of pairs."""
    both = Counter((group_of(each.fingerprint), each.truth) for each in seen)
    groups = Counter(group_of(each.fingerprint) for each in seen)
    truths = Counter(each.truth for each in seen)
    right, given, wanted = (
        sum(n * (n - 1) // 2 for n in c.values()) for c in (both, groups, truths)
    )
    return {
        "precision": round(right / max(1, given), 3),
        "recall": round(right / max(1, wanted), 3),
    }


def main() -> int:
    """Measures both files and keeps the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--crashes", type=Path, default=DATA / "crash_grouping.jsonl.gz")
    options.add_argument("--history", type=Path, default=DATA / "history_dev.jsonl.gz")
    given = options.parse_args()
    figures: dict[str, Any] = {}
    for name, path, read in (
        ("crashes", given.crashes, crashes),
        ("history", given.history, reports),
    ):
        if not path.exists():
            print(f"{name} skipped: no file at {path}")
            continue
        seen = look(read(path))
        figures[name] = {"fingerprints": quality(seen, str)}
        for limit, is_strict in itertools.product(LIMITS, (True, False)):
            sets, num_joined = joined(seen, limit, is_strict=is_strict)
            key = f"{'strict' if is_strict else 'loose'}_{limit}"
            figures[name][key] = {**quality(seen, sets.find), "joined": num_joined}
        figures[name]["names"] = by_names(seen)
        for key, found in figures[name].items():
            print(name, key, found)
    figures["reworded"] = rewordings()
    print("reworded", figures["reworded"])
    keep("near_duplicates", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
