"""What a parsed trace is made of. Holds data only; the parsers beside it fill it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Frame(NamedTuple):
    """One call on the stack. A named tuple, because a busy stream makes millions of them.

    `module` is the package, namespace or file-derived module; `in_app` is False for frames of the
    language's own library, of installed packages and of the runtime.
    """

    function: str
    file: str | None
    line: int | None
    module: str | None
    in_app: bool


@dataclass(frozen=True, slots=True)
class ParsedException:
    """One exception of a chain; `frames` run from where it was raised outwards."""

    type: str | None
    message: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class ParsedTrace:
    """A recognised trace. `exceptions` stand root cause first and are never empty."""

    language: str
    exceptions: tuple[ParsedException, ...]

    @property
    def root(self) -> ParsedException:
        """The exception that started it all."""
        return self.exceptions[0]

    @property
    def top(self) -> ParsedException:
        """The exception that the program saw last."""
        return self.exceptions[-1]


Parser = Callable[[str], tuple[ParsedException, ...] | None]
"""Reads one language's traces: exceptions root cause first, or None when there is no such trace."""

MAX_FRAMES = 256
"""Frames kept for each exception: the innermost ones. A deep recursion repeats itself anyway."""


def with_ends(marks: Sequence[re.Match[str]], size: int) -> Iterator[tuple[re.Match[str], int]]:
    """Yields each mark with the place where the next one begins, or `size` for the last."""
    for index, mark in enumerate(marks):
        yield mark, marks[index + 1].start() if index + 1 < len(marks) else size


def short_message(message: str) -> str:
    """Trims a message that came with a trace."""
    return message.strip()[:4000]
