"""Tells values that are built of words, as identifiers are, from values that are random.

Judges by how letters follow one another and by how often letters, cases and digits alternate; knows no
dictionary. Refuses to judge short values: five letters prove nothing.
"""

from __future__ import annotations

import re
from itertools import pairwise

_FOLLOWERS = {
    "a": "bcdfgiklmnprstuvwxy", "b": "abceijlorsuy", "c": "acdehiklmorstu", "d": "acdeilorstu",
    "e": "abcdefgiklmnopqrstuvwxy", "f": "aefilorstuy", "g": "aeghilnorsu", "h": "aeiort",
    "i": "abcdefglmnoprstvxz", "j": "uas", "k": "eis", "l": "acdeilopstuy", "m": "abdeimopsu",
    "n": "acdefgiklnopstuv", "o": "abcdfgiklmnoprstuvw", "p": "aehiloprstuy", "q": "u",
    "r": "acdefgiklmnoprstuvwy", "s": "acefhiklmnopqstuwy", "t": "abcdefhilmnoprstuwy",
    "u": "abcdefgilmnoprst", "v": "aeio", "w": "aehinors", "x": "aceipt", "y": "eimnpst", "z": "aei",
}  # fmt: skip
"""Letters that often follow a letter: 96 of 100 pairs in the names and texts of Python's library.
Of pairs of random letters, 44 of 100 are among them."""
_COMMON = frozenset(
    (ord(first), ord(second)) for first, seconds in _FOLLOWERS.items() for second in seconds
)
_STRUCTURE = re.compile(rb"[./:_\\$@,+=~-]+")
_RUN = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LETTERS = re.compile(rb"[a-z]+")
_RARE_SHARE = 0.25
_MIN_PAIRS = 7
_MIN_PART = 12
_MAX_JUDGED = 96


def _has_rare_pairs(text: bytes) -> bool:
    """Tells whether too many letters follow one another that rarely do in words."""
    num_pairs = num_rare = 0
    for run in _LETTERS.findall(text.lower()):
        pairs = list(pairwise(run))
        num_pairs += len(pairs)
        num_rare += len(pairs) - sum(map(_COMMON.__contains__, pairs))
    return num_pairs >= _MIN_PAIRS and num_rare > _RARE_SHARE * num_pairs


def _alternates(joined: bytes) -> bool:
    """Tells whether small and capital letters and digits take turns, as base64 does behind its marks."""
    is_mixed = joined.lower() != joined != joined.upper()
    return is_mixed and len(joined) >= 16 and len(joined) < 2 * len(_RUN.findall(joined))


_JUMBLED = re.compile(rb"(?=.*[a-z][A-Z])[A-Za-z]{8,64}$")


def is_jumbled(value: bytes) -> bool:
    """Tells whether a value of letters alone is no word: capitals inside, and pairs that no word has."""
    return _JUMBLED.match(value) is not None and _has_rare_pairs(value)


_TYPED = re.compile(rb"[^\s\"'`,;/:.()<>\[\]{}\x1f]{8,64}(?=[\s\"',;)]|$)")
_OF_ALL_KINDS = re.compile(rb"(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=\D*\d)")
"""Small and capital letters and digits, as rules for passwords ask for."""


def typed_end(text: bytes, start: int) -> int:
    """Returns where a password ends that people type and that begins at `start`; -1 where there is none."""
    word = _TYPED.match(text, start)
    if word is None or not (_OF_ALL_KINDS.match(word[0]) or is_jumbled(word[0])):
        return -1
    return word.end()


def is_made_of_words(value: bytes) -> bool:
    """Tells whether a value is built of names, as identifiers, coordinates and paths are."""
    parts = _STRUCTURE.split(value[:_MAX_JUDGED])
    longest = max(parts, key=len)
    if len(parts) > 1 and len(longest) < _MIN_PART:
        return not _alternates(b"".join(parts))
    runs = _RUN.findall(longest)
    words = [run for run in runs if not run.isdigit()]
    if not words:
        return False
    if len(longest) < 3 * len(runs):  # Cases and digits alternate more often than words begin.
        return False
    return not _has_rare_pairs(longest)
