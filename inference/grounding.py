"""Whether a text says anything that its sources do not: the last look before generated text leaves.

It knows nothing of how the text came about. Words are compared as they are written: a host that is
put together from parts of two hosts is a new word, and has no support.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w(?:[\w.@-]*\w)?")
FUNCTION_WORDS = frozenset(
    {"a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "it", "not", "of", "on"}
    | {"or", "so", "that", "the", "then", "this", "to", "with"}
)
"""What needs no support, for it says nothing by itself."""


def content_words(text: str) -> frozenset[str]:
    """The words of a text that say something, each once, as they are written."""
    return frozenset(_WORD.findall(text)) - FUNCTION_WORDS


def unsupported(text: str, sources: Iterable[str]) -> frozenset[str]:
    """The content words of a text that stand in none of its sources."""
    return content_words(text).difference(*(content_words(source) for source in sources))
