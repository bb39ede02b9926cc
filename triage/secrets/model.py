"""The shape of a detector. A detector finds; it never changes a text and never remembers one.

All detectors work on UTF-8 bytes with RE2, so that the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import re2

from fixstream.triage.gates import byte_options


class Find(NamedTuple):
    """A secret at `[start, end)` bytes of the text. Of overlapping finds the surer names the kind."""

    start: int
    end: int
    kind: str
    rank: int


UNGATED = ""
"""The gate of a detector that runs on every text."""

VENDOR, EXACT, KEYED, LOOSE, VAGUE = 0, 1, 2, 3, 4
"""Ranks: a vendor's own format; a checked form; told by its key; told by a weaker key or its form alone;
told by its neighbourhood."""


@dataclass(frozen=True, slots=True)
class Detector:
    """One way to find secrets.

    `gate` is a cheap RE2 pattern that every text with a find has to contain: the gates of a family
    are tried in one pass, and only detectors whose gate is open run. What common words would open
    has `signs` instead, such a pattern too: those are tried in a pass of their own.
    """

    name: str
    gate: str
    find: Callable[[bytes], Iterator[Find]]
    signs: str = ""
    leads: bool = False
    """Runs first; the others do not see what it found."""


OPTIONS = byte_options()


PLACEHOLDER = re.compile(rb"\[[a-z][a-z0-9]*(?:_[a-z0-9]+)*\]")
"""What a scrubbed secret looks like; never scrubbed again."""


Span = tuple[int, int]


class Pattern:
    """An RE2 pattern without groups, for bytes. Gives bare spans.

    re2's own match objects and generators take longer than its searches, and a text dense with
    secrets has a match in every line.
    """

    __slots__ = ("_match",)

    def __init__(self, pattern: str) -> None:
        """Compiles."""
        compiled = re2.compile(pattern.encode("ascii"), OPTIONS)
        assert compiled.groups == 0, "spans are of whole matches only"
        # A private name, but the only way past the wrapper; a test compares the two.
        self._match = compiled._regexp.Match  # noqa: SLF001

    def first(self, text: bytes, position: int = 0) -> Span | None:
        """Returns where the first match from `position` on begins and ends."""
        span: Span = self._match(_ANYWHERE, text, position, len(text))[0]
        return span if span[0] >= 0 else None

    def at(self, text: bytes, position: int) -> int:
        """Returns where the match that begins at `position` ends; -1 where there is none."""
        end: int = self._match(_HERE, text, position, len(text))[0][1]
        return end

    def spans(self, text: bytes) -> list[Span]:
        """Returns all matches from left to right, none within another."""
        found: list[Span] = []
        position, size = 0, len(text)
        while position <= size:
            span = self._match(_ANYWHERE, text, position, size)[0]
            if span[0] < 0:
                break
            found.append(span)
            position = span[1] if span[1] > position else position + 1
        return found


_ANYWHERE = re2._Anchor.UNANCHORED  # noqa: SLF001
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
) -> Detector:
    """Makes a detector whose whole match is the secret, if `accept` agrees."""
    compiled = compile_bytes(pattern)

    def find(text: bytes) -> Iterator[Find]:
        for start, end in compiled.spans(text):
            if accept is None or accept(text[start:end]):
                yield Find(start, end, kind, rank)

    return Detector(kind, gate or pattern, find, leads=rank == VENDOR)


def after_prefix(
    kind: str, prefix: str, value: str, *, gate: str | None = None, rank: int = KEYED
) -> Detector:
    """Makes a detector for a secret (`value`) that directly follows a telling `prefix`."""
    compiled, tail = compile_bytes(prefix), compile_bytes(value)

    def find(text: bytes) -> Iterator[Find]:
        for _, start in compiled.spans(text):
            if PLACEHOLDER.match(text, start):
                continue
            end = tail.at(text, start)
            if end > start:
                yield Find(start, end, kind, rank)

    return Detector(kind, gate or prefix, find)
