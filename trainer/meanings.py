"""What the words of an error mean, coarsely: "password" and "kerberos" both say who somebody is.

A path that counts words learns each by itself, and most words of a stream are rare. A meaning is
shared by some twenty words, so a label that people gave to one teaches of the others; that is the
part of what a pretrained encoder knows that fits into a page (`meanings.toml`). Several meanings of
one text are one number, a bit each. The module learns nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources

NO_MEANINGS = 0
MOST = 63
"""So many meanings have room in a number of a checkpoint."""
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAMED = re.compile(r"[a-z]+[0-9]+[a-z]*")
"""A word with a number in its name: s3, sha256, log4j."""
_LONGEST_WHOLE = 9
_STEM_CHARS = 6


def meanings_of_word(word: str) -> int:
    """The meanings of a word as it stands in a text, of all its parts: `AccessDeniedError`."""
    table = _table()
    found = NO_MEANINGS
    for piece in _PIECE.findall(word):
        found |= table.get(_key(piece.lower()), NO_MEANINGS)
    for named in _NAMED.findall(word.lower()):
        found |= table.get(named, NO_MEANINGS)
    return found


def numbers(meanings: int) -> Iterator[int]:
    """The number of each meaning, in ascending order."""
    while meanings:
        lowest = meanings & -meanings
        yield lowest.bit_length() - 1
        meanings ^= lowest


@cache
def _table() -> dict[str, int]:
    """Bit by key of a word."""
    text = resources.files(__package__).joinpath("meanings.toml").read_text("utf-8")
    found: dict[str, int] = {}
    for number, meaning in enumerate(tomllib.loads(text)["meaning"]):
        for word in meaning["words"].split():
            for form in _forms(word):
                found.setdefault(_key(form), 1 << number)
    return found


def _forms(word: str) -> Iterable[str]:
    if len(word) <= 3 or not word.isalpha():
        return (word,)
    forms = [word, word + "s", word + "ed", word + "ing"]
    if word.endswith("e"):
        forms += [word + "d", word[:-1] + "ing"]
    if word.endswith("y"):
        forms += [word[:-1] + "ies", word[:-1] + "ied"]
    return forms


def _key(word: str) -> str:
    return word if len(word) <= _LONGEST_WHOLE else word[:_STEM_CHARS] + "+"
