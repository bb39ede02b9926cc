"""Tries many patterns in one pass over a text, in linear time, and says which of them occur.

RE2 answers "none" too when it runs out of memory. So that this is never taken for an answer, one
more pattern that holds for every text stands watch: without its match the search has failed.
"""

from __future__ import annotations

from collections.abc import Iterable

import re2


def byte_options(*, case_sensitive: bool = True) -> re2.Options:
    """Returns RE2 options for UTF-8 bytes taken as they are, with ample memory."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = case_sensitive
    options.max_mem = 64 << 20
    return options


class Gates:
    """A compiled set of patterns."""

    def __init__(self, patterns: Iterable[str], *, case_sensitive: bool = True) -> None:
        """Compiles RE2 `patterns`; they are known by their positions."""
        together = re2.Set.SearchSet(byte_options(case_sensitive=case_sensitive))
        self._watch = 0
        for pattern in patterns:
            together.Add(pattern)
            self._watch += 1
        together.Add(r"\z")  # At the end alone: where something matches, each byte costs more.
        together.Compile()
        # A private name, but its wrapper takes as long as the search of a short text.
        self._match = together._set.Match  # noqa: SLF001

    def open(self, text: bytes) -> list[int]:
        """Returns the positions of the patterns that occur in `text`, in order.

        Raises:
            MemoryError: The search could not be finished.
        """
        found: list[int] = self._match(text)
        if len(found) == 1 and found[0] == self._watch:
            return []
        found.sort()
        if not found or found[-1] != self._watch:
            raise MemoryError("pattern set ran out of memory")
        found.pop()
        return found
