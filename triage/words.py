"""Remembers what was made of words, which come again and again in all messages."""

from __future__ import annotations

from collections.abc import Callable

MAX_KEPT_CHARS = 100
"""Longer words are not remembered, so that the memory of words stays bounded."""


class Words(dict[str, str]):
    """What a function makes of a word: a table that fills itself.

    When it is full it begins anew; the common words are back at once. Threads may share it: each
    of them would make the same of a word.
    """

    def __init__(self, make: Callable[[str], str], num_kept: int) -> None:
        """Empty; keeps up to `num_kept` words."""
        super().__init__()
        self._make = make
        self._num_kept = num_kept

    def __missing__(self, word: str) -> str:
        made = self._make(word)
        if len(word) <= MAX_KEPT_CHARS:
            if len(self) >= self._num_kept:
                self.clear()
            self[word] = made
        return made
