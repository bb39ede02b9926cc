"""The shape of a detector. A detector finds; it never changes a text and never remembers one.

All detectors work on UTF-8 bytes with RE2, so that the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import re2

from fixstream.triage.gates import byte_options

Find = tuple[int, int, str, int]
"""A secret: where it begins and ends in the bytes of the text, its kind, its rank. A bare tuple, for a
text dense with secrets has thousands. Of overlapping finds the surer names the kind."""


UNGATED = ""
"""The gate of a detector that runs on every text: most open it, and then its gate is a scan for nothing."""

LITERALS, NUMBERS, RUNS = "literals", "numbers", "runs"
"""What a gate is made of: words and marks; digits; characters that are counted (`[0-9a-f]{16}`).

The gates of a group are tried in one pass. RE2 makes a state of its search when a text first needs it;
a set that mixes the groups needs one for each pair of what their gates have seen so far, and then
texts that nobody saw before, as errors are, cost several times what they cost when they come again."""

VENDOR, EXACT, KEYED, LOOSE, VAGUE = 0, 1, 2, 3, 4
"""Ranks: a vendor's own format; a checked form; told by its key; told by a weaker key or its form alone;
told by its neighbourhood."""


@dataclass(frozen=True, slots=True)
class Detector:
    """One way to find secrets.

    `gate` is a cheap RE2 pattern that every text with a find has to contain; only detectors whose
    gate is open run.
    """

    name: str
    gate: str
    find: Callable[[bytes], Iterable[Find]]
    group: str = LITERALS
    leads: bool = False
    """Runs first; the others do not see what it found."""


OPTIONS = byte_options()


PLACEHOLDER = re.compile(rb"\[[a-z][a-z0-9]*(?:_[a-z0-9]+)*\]")
"""What a scrubbed secret looks like; never scrubbed again."""


Span = tuple[int, int]


_LITERAL = re.compile(r"(?:\\b)?((?:[A-Za-z0-9_ /:@-]|\\[.$])+)(?![A-Za-z0-9_ /:@-])")
_GROUPED = re.compile(r"\\.|\[(?:\\.|[^\]])*\]|\((?:\\.|\[(?:\\.|[^\]])*\]|[^()])*\)")
_MIN_LITERAL = 2


def leading_literal(pattern: str) -> bytes:
    """Returns the characters that each match of an RE2 pattern begins with; nothing where they differ."""
    found = _LITERAL.match(pattern)
    flat, count = pattern, 1
    while count:
        flat, count = _GROUPED.subn("", flat)
    if found is None or "|" in flat:
        return b""
    literal = found[1]
    if pattern[found.end() : found.end() + 1] in ("?", "*", "{"):
        literal = literal[:-2] if literal[-2:-1] == "\\" else literal[:-1]
    literal = literal.replace("\\", "")
    return literal.encode("ascii") if len(literal) >= _MIN_LITERAL else b""


class Pattern:
    """An RE2 pattern without groups, for bytes. Gives bare spans.

    re2's own match objects and generators take longer than its searches, and a text dense with
    secrets has a match in every line.
    """

    __slots__ = ("_literal", "match")

    def __init__(self, pattern: str) -> None:
        """Compiles."""
        self._literal = leading_literal(pattern)
        compiled = re2.compile(pattern.encode("ascii"), OPTIONS)
        assert compiled.groups == 0, "spans are of whole matches only"
        # A private name, but the only way past the wrapper; a test compares the two.
        self.match = compiled._regexp.Match  # noqa: SLF001

    def first(self, text: bytes, position: int = 0) -> Span | None:
        """Returns where the first match from `position` on begins and ends."""
        span: Span = self.match(ANYWHERE, text, position, len(text))[0]
        return span if span[0] >= 0 else None

    def at(self, text: bytes, position: int) -> int:
        """Returns where the match that begins at `position` ends; -1 where there is none."""
        end: int = self.match(_HERE, text, position, len(text))[0][1]
        return end

    def spans(self, text: bytes) -> list[Span]:
        """Returns all matches from left to right, none within another."""
        found: list[Span] = []
        match, anywhere, position, size = self.match, ANYWHERE, 0, len(text)
        literal = self._literal
        while position <= size:
            if literal and (position := text.find(literal, position)) < 0:
                break  # Many times as fast as the search, which would go on to the end.
            span = match(anywhere, text, position, size)[0]
            start, end = span
            if start < 0:
                break
            found.append(span)
            position = end if end > position else position + 1
        return found


ANYWHERE = re2._Anchor.UNANCHORED  # noqa: SLF001
_HERE = re2._Anchor.ANCHOR_START  # noqa: SLF001


def compile_bytes(pattern: str) -> Pattern:
    """Compiles an RE2 pattern for bytes."""
    return Pattern(pattern)


def by_pattern(
    kind: str,
    pattern: str,
    *,
    gate: str | None = None,
    rank: int = VENDOR,
    accept: Callable[[bytes], bool] | None = None,
    group: str = LITERALS,
) -> Detector:
    """Makes a detector whose whole match is the secret, if `accept` agrees."""
    compiled = compile_bytes(pattern)

    def find(text: bytes) -> Iterator[Find]:
        for start, end in compiled.spans(text):
            if accept is None or accept(text[start:end]):
                yield (start, end, kind, rank)

    leads = rank == VENDOR and group == LITERALS
    return Detector(kind, gate or pattern, find, group, leads)


def after_prefix(
    kind: str,
    prefix: str,
    value: str,
    *,
    gate: str | None = None,
    rank: int = KEYED,
    group: str = LITERALS,
) -> Detector:
    """Makes a detector for a secret (`value`) that directly follows a telling `prefix`."""
    compiled, tail = compile_bytes(prefix), compile_bytes(value)

    def find(text: bytes) -> Iterator[Find]:
        for _, start in compiled.spans(text):
            if PLACEHOLDER.match(text, start):
                continue
            end = tail.at(text, start)
            if end > start:
                yield (start, end, kind, rank)

    return Detector(kind, gate or prefix, find, group)
