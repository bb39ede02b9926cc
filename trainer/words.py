"""Cuts a text into words with their places, and tells what kind of name each one is.

The tokenizer's hashed sub-words cannot be turned back into text (ADR 8). Who writes text therefore
points at words of a text that is there, and this module says where these stand. It knows no
tensors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

MAX_NAME_CHARS = 80
"""A longer word is no name that anybody would write into a fix."""


class Kind(IntEnum):
    """What a word looks like; only `PLAIN` ones are no names."""

    PLAIN = 0
    NUMBER = 1
    VERSION = 2
    CODE = 3
    """Hexadecimal: a hash, an address, a UUID."""
    PATH = 4
    VARIABLE = 5
    """`IN_CAPITALS`."""
    TYPE = 6
    """`CamelCase`."""
    DOTTED = 7
    """A host, a module, a file: parts with dots between them."""
    JOINED = 8
    """Parts with `-`, `_`, `@` or digits between them: `orders_ro`, `db-7`."""
    QUOTED = 9
    """A word of letters alone that stands in quotation marks."""
    BLANK = 10
    """A place that the reader shall fill in: `<host>`, `{name}`, `your-bucket`."""


_LIKE_EACH_OTHER = (
    frozenset({Kind.NUMBER}),
    frozenset({Kind.VERSION}),
    frozenset({Kind.CODE}),
    frozenset({Kind.PATH}),
    frozenset({Kind.VARIABLE}),
    frozenset({Kind.TYPE}),
    frozenset({Kind.DOTTED, Kind.JOINED, Kind.QUOTED}),
)
_FAMILY = {kind: kinds for kinds in _LIKE_EACH_OTHER for kind in kinds}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text: `text[start:end]`."""

    text: str
    start: int
    end: int
    kind: Kind
    is_quoted: bool = False

    @property
    def is_name(self) -> bool:
        """Whether it may stand for another thing in another error."""
        return self.kind is not Kind.PLAIN and len(self.text) <= MAX_NAME_CHARS


_WORD = re.compile(
    r"(?P<blank>(?<!\w)(?:<[A-Za-z][\w -]{0,30}>|\{[A-Za-z]\w{0,30}\})(?!\w))"
    r"|(?P<path>(?<![\w/:.~])~?(?:/[\w.@%+-]+)+|(?<!\w)[A-Za-z]:\\[\w.\\-]+)"
    r"|(?P<word>\w[\w.@-]*)"
)
_NUMBER = re.compile(r"\d+\Z")
_VERSION = re.compile(r"v?\d+(?:\.\d+)+(?:[-.]?(?:rc|a|b|alpha|beta|dev|post)\.?\d*)?\Z")
_CODE = re.compile(r"(?:0[xX][0-9a-fA-F]+|(?=[a-fA-F-]*\d)(?:[0-9a-fA-F]{7,}|[0-9a-fA-F-]{32,}))\Z")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
_TYPE = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+\Z")
_OWN = re.compile(r"(?:your|my|some)[-_.]|.*\bexample\b", re.IGNORECASE)
_JOINED = re.compile(r"(?=.*[A-Za-z]).*(?:[_@\d]|\w-\w)")
_QUOTES = "'\"`"
_TRAILING = ".-@"
_LONGEST_ABBREVIATION = 3
"""As in "e.g."."""


def words_of(text: str, max_words: int = 1024) -> list[Word]:
    """The first words of a text, in order; what separates them is left out."""
    found: list[Word] = []
    for match in _WORD.finditer(text):
        word = match.group() if match["blank"] else match.group().rstrip(_TRAILING)
        start, end = match.start(), match.start() + len(word)
        is_quoted = (
            start > 0 and end < len(text) and text[start - 1] == text[end] and text[end] in _QUOTES
        )
        kind = _kind(word, match.lastgroup or "", is_quoted)
        found.append(Word(word, start, end, kind, is_quoted))
        if len(found) == max_words:
            break
    return found


def is_masked(text: str, word: Word) -> bool:
    """Whether a word is what the scrubber left in the place of a secret: `[password_2]`."""
    return text[word.start - 1 : word.start] == "[" and text[word.end : word.end + 1] == "]"


def may_replace(slot: Word, name: Word) -> bool:
    """Whether a name is of a kind that could stand where the other one stands."""
    if name.kind in (Kind.PLAIN, Kind.BLANK):
        return False
    return slot.kind is Kind.BLANK or name.kind in _FAMILY.get(slot.kind, frozenset())


def places_of(words: Sequence[Word]) -> dict[str, tuple[int, ...]]:
    """Where each distinct name stands among the words, in order of the first place."""
    places: dict[str, list[int]] = {}
    for index, word in enumerate(words):
        if word.is_name:
            places.setdefault(word.text, []).append(index)
    return {name: tuple(found) for name, found in places.items()}


def _kind(word: str, group: str, is_quoted: bool) -> Kind:
    if group == "blank" or (group == "word" and _OWN.match(word)):
        return Kind.BLANK
    if group == "path":
        return Kind.PATH
    for pattern, kind in (
        (_NUMBER, Kind.NUMBER),
        (_VERSION, Kind.VERSION),
        (_CODE, Kind.CODE),
        (_VARIABLE, Kind.VARIABLE),
        (_TYPE, Kind.TYPE),
    ):
        if pattern.match(word):
            return kind
    if "." in word and len(word) > _LONGEST_ABBREVIATION:
        return Kind.DOTTED
    if _JOINED.match(word):
        return Kind.JOINED
    return Kind.QUOTED if is_quoted else Kind.PLAIN
