"""Finds secrets in the rows of SQL `INSERT` statements, by the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixstream.triage.secrets import values
from fixstream.triage.secrets.keys import Trust, judge
from fixstream.triage.secrets.model import KEYED, Detector, Find, compile_bytes

_INSERT = compile_bytes(
    r"(?i:\binsert[ \t]+(?:ignore[ \t]+)?into[ \t]+[^\s(]+[ \t]*)\([^()]*\)\s*(?i:values)\s*\("
)
_COLUMNS = re.compile(rb"\(([^()]*)\)")
_CELL = re.compile(rb"\s*(?:[NEBX]?'((?:[^'\\]|\\.|'')*)'|\"((?:[^\"\\]|\\.)*)\"|([^,()']*))\s*")
_NEXT_ROW = re.compile(rb"\)\s*,\s*\(")
_MAX_ROWS = 1000


def _secret_columns(statement: bytes) -> dict[int, str]:
    """Returns the kinds of secret by the position of their column."""
    columns = _COLUMNS.search(statement)
    names = columns[1].split(b",") if columns else []
    verdicts = [judge(name.strip(b" `\"'[]\r\n\t").decode("latin-1")) for name in names]
    return {
        place: verdict.kind
        for place, verdict in enumerate(verdicts)
        if verdict.trust is Trust.STRONG
    }


def _row(text: bytes, position: int, kinds: dict[int, str]) -> tuple[list[Find], int]:
    """Reads one row; returns its finds and where it ends."""
    finds: list[Find] = []
    for place in range(max(kinds) + 64):
        cell = _CELL.match(text, position)
        assert cell is not None
        group = next((number for number in (1, 2, 3) if cell[number] is not None), 3)
        if place in kinds and not values.is_stand_in(cell[group]) and group != 3:
            finds.append((cell.start(group), cell.end(group), kinds[place], KEYED))
        position = cell.end()
        if text[position : position + 1] != b",":
            break
        position += 1
    return finds, position


def _find(text: bytes) -> Iterator[Find]:
    for start, end in _INSERT.spans(text):
        kinds = _secret_columns(text[start:end])
        position = end
        for _ in range(_MAX_ROWS if kinds else 0):
            finds, position = _row(text, position, kinds)
            yield from finds
            following = _NEXT_ROW.match(text, position)
            if following is None:
                break
            position = following.end()


def detectors() -> tuple[Detector, ...]:
    """Returns the one detector of this module."""
    return (Detector("insert", r"(?i:insert[ \t])", _find),)
