"""The starter set: the fixes that ship with the package, one file of JSON lines a field of work."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources

from fixstream.producers.json_lines import BadLine
from fixstream.producers.solutions_import import read_solutions
from fixstream.schemas.records import Solution

WRITTEN_AT = datetime(2026, 11, 22, tzinfo=UTC)
"""For a line without a time of its own; a fixed one, so that the set is the same everywhere."""


def starter_solutions() -> tuple[Solution, ...]:
    """The fixes that ship with the package, in the order of their files' names.

    Raises:
        BadLine: The package is damaged; the message names file and line.
    """
    solutions: list[Solution] = []
    with resources.as_file(resources.files("fixstream.inference") / "starter") as folder:
        for path in sorted(folder.glob("*.jsonl")):
            for one in read_solutions(path, created_at=WRITTEN_AT):
                if isinstance(one, BadLine):
                    raise one
                solutions.append(one)
    return tuple(solutions)
