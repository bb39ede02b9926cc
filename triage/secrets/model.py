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

VENDOR, EXACT, KEYED, LOOSE = 0, 1, 2, 3
"""Ranks: a vendor's own format; a checked form; told by its key; told by its neighbourhood."""


@dataclass(frozen=True, slots=True)
class Detector:
    """One way to find secrets.

    `gate` is a cheap RE2 pattern that every text with a find has to contain: the gates of a family
    are tried in one pass, and only detectors whose gate is open run. What common words would open
    has `signs` instead: literals in lower case, one of which every text with a find contains.
    """

    name: str
    gate: str
    find: Callable[[bytes], Iterator[Find]]
    signs: tuple[bytes, ...] = ()


OPTIONS = byte_options()


PLACEHOLDER = re.compile(rb"\[[a-z][a-z0-9]*(?:_[a-z0-9]+)*\]")
"""What a scrubbed secret looks like; never scrubbed again."""


def compile_bytes(pattern: str) -> re2._Regexp:
    """Compiles an RE2 pattern for bytes."""
    return re2.compile(pattern.encode("ascii"), OPTIONS)


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
        for match in compiled.finditer(text):
            start, end = match.span()
            if accept is None or accept(text[start:end]):
                yield Find(start, end, kind, rank)

    return Detector(kind, gate or pattern, find)


def after_prefix(
    kind: str, prefix: str, value: str, *, gate: str | None = None, rank: int = KEYED
) -> Detector:
    """Makes a detector for a secret (`value`) that directly follows a telling `prefix`."""
    compiled, tail = compile_bytes(prefix), compile_bytes(value)

    def find(text: bytes) -> Iterator[Find]:
        for match in compiled.finditer(text):
            if PLACEHOLDER.match(text, match.end()):
                continue
            found = tail.match(text, match.end())
            if found is not None and found.end() > found.start():
                yield Find(found.start(), found.end(), kind, rank)

    return Detector(kind, gate or prefix, find)
