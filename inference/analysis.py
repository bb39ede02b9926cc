"""Turns errors and fixes into the weighted words that retrieval compares.

Fields decide more than models do: what an error calls itself (its type, its first line, the root
of its chain) counts three times, each further word once, and a stack frame is one token, never its
words. Pure functions; nothing here knows an index.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import tantivy

from fixstream.schemas.records import Solution
from fixstream.triage.trace import ParsedTrace

HEADLINE_WEIGHT = 3
"""How often a word of the title counts."""
MAX_QUERY_TERMS = 512
"""A query keeps this many terms, the headline's first: a pasted log must not cost seconds."""
MAX_BODY_CHARS = 16_384
"""Only this much of a text is read."""
MAX_FRAMES = 12

_TOKEN = re.compile(r"[^\W\d_]+(?:[_\d][^\W_]*)*(?:-\d+)?|\d{2,8}")
_TYPE_PREFIX = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*:\s+")
_CASE_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CODES = (
    re.compile(r"(?i)\berrno[ :]*-?(\d{1,5})\b"),
    re.compile(r"\b([45]\d\d)\b"),
    re.compile(r"\((\d{4})[,)]"),
)
"""Numbers that name an error: the system's, HTTP's, a database's."""
_FILLER = (
    "a an the this that these those it its he she we you they me my our your i "
    "is are was were be been has have had do does did can cannot could will would should may must "
    "not no and or but if then else when while because so as at by for from in into of on out "
    "over to up with without after before during there here what which who how why "
    "error errors exception fail failed failure fault fatal warning problem issue unknown "
    "unexpected unable caused something anything went wrong happened occurred please help "
    "hello hi hey test testing"
)
"""Words of any error at all: one that shares only these with a fix shares nothing."""
_STEMMERS = threading.local()
_NOTHING: frozenset[str] = frozenset()
_TYPE_SUFFIXES = ("error", "exception", "warning", "fault", "failure")


@dataclass(frozen=True, slots=True)
class Terms:
    """The words of one text: those of its headline, and all others."""

    headline: frozenset[str]
    body: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        """Every word, once."""
        return self.headline | self.body

    @property
    def weights(self) -> dict[str, int]:
        """How often each word counts: thrice in the headline, and once in the body."""
        weighted = dict.fromkeys(sorted(self.headline), HEADLINE_WEIGHT)
        for word in sorted(self.body):
            weighted[word] = weighted.get(word, 0) + 1
        return weighted


@dataclass(frozen=True, slots=True)
class ErrorTerms:
    """What an error asks the index for."""

    terms: Terms
    said: frozenset[str]
    """The words of its first line and root message; its types' where it says nothing else."""
    error_types: frozenset[str]
    """Short lower-case names of the exception types in its chain."""
    codes: tuple[frozenset[str], ...]
    """The error numbers in its headline, by kind."""
    frames: frozenset[str]
    told: frozenset[str] = frozenset()
    """The words of its message that tell it from other errors: no filler, no bare numbers."""

    @property
    def weights(self) -> dict[str, float]:
        """Query weight of each term, the headline's first, at most `MAX_QUERY_TERMS`."""
        weighted = {term: float(weight) for term, weight in self.terms.weights.items()}
        for frame in sorted(self.frames):
            weighted.setdefault(frame, 1.0)
        return dict(list(weighted.items())[:MAX_QUERY_TERMS])


def words(text: str) -> list[str]:
    """The stemmed lower-case words of a text, in order; a CamelCase name also by its parts."""
    found: list[str] = []
    for token in _TOKEN.findall(text[:MAX_BODY_CHARS]):
        if len(token) == 1 and token.isascii():
            continue  # `x`, `'s`: a placeholder or a scrap, and rare enough to look like a match.
        found.append(token.lower())
        if not token.isdigit():
            parts = [part.lower() for piece in token.split("_") for part in _parts(piece)]
            if len(parts) > 1:
                found.extend(part for part in parts if len(part) > 1)
    return _stemmed(found)


def codes(text: str) -> tuple[frozenset[str], ...]:
    """The error numbers in a text, one set for each kind of `_CODES`."""
    return tuple(_set_of(pattern.findall(text)) for pattern in _CODES)


def short_type(error_type: str) -> str:
    """`psycopg.errors.UniqueViolation` → `uniqueviolation`: without packages, in lower case."""
    last = re.split(r"[.:\\$/]", error_type.strip())[-1]
    return (last or error_type.strip()).lower()


def solution_terms(solution: Solution) -> Terms:
    """The words of a fix: its title and error type, then its text."""
    headline = f"{solution.title} {solution.error_type or ''}"
    return Terms(_telling(words(headline)), _telling(words(solution.text)))


def solution_wordings(solution: Solution) -> list[frozenset[str]]:
    """The words of each wording in a title such as `TypeName: A / B`, without the type's name.

    Types are compared on their own: "RuntimeError" in both says next to nothing.
    """
    wordings = [_telling(words(part)) for part in _TYPE_PREFIX.sub("", solution.title).split(" / ")]
    return [wording for wording in wordings if wording] or [_telling(words(solution.title))]


def solution_types(solution: Solution) -> frozenset[str]:
    """The exception types that a fix is for; its field may name several, separated by commas."""
    names = re.split(r"[,|;\s]+", solution.error_type or "")
    return _set_of([short_type(name) for name in names if name])


def index_text(terms: Terms) -> str:
    """The document for the index: each word as often as it counts."""
    return " ".join(word for word, weight in terms.weights.items() for _ in range(weight))


def error_terms(error_type: str | None, message: str, trace: ParsedTrace | None) -> ErrorTerms:
    """What to ask the index for, from a scrubbed error."""
    first_line, _, rest = message.strip().partition("\n")
    said = [first_line[:600]]
    if len(first_line) > 600:
        rest = first_line[600:] + "\n" + rest
    types = [error_type] if error_type else []
    frames: list[str] = []
    if trace is not None:
        said.append(trace.root.message[:300])
        types += [one.type for one in trace.exceptions if one.type]
        frames = [_frame(frame.module, frame.function) for frame in trace.root.frames[:MAX_FRAMES]]
        # What follows the first line is often the trace itself: its words would drown the rest.
        rest = "" if trace.root.frames and rest.count("\n") > 2 * len(frames) else rest
    type_words = frozenset(words(" ".join(name for name in types if name)))
    said_words = _telling(words(" ".join(said)))
    rest_words = _telling(words(rest))
    return ErrorTerms(
        # A type counts by itself, too: thrice among the words it would drown what was said.
        Terms(said_words or type_words, rest_words | type_words),
        said_words or type_words,
        frozenset(short_type(name) for name in types if name),
        codes(" ".join(said)),
        frozenset(frames),
        frozenset(one for one in (said_words | rest_words) - _filler() if not one.isdigit()),
    )


def _set_of(found: list[str]) -> frozenset[str]:
    """The one empty set where there is nothing: most fixes name no code, and each set is 216 B."""
    return frozenset(found) if found else _NOTHING


def _telling(found: Iterable[str]) -> frozenset[str]:
    """The words without filler; all of them where there is nothing else."""
    every = frozenset(found)
    return every - _filler() or every


@cache
def _filler() -> frozenset[str]:
    return frozenset(words(_FILLER))


def is_specific(type_name: str) -> bool:
    """Whether a short type name says more than that there was an error."""
    return type_name not in _TYPE_SUFFIXES and type_name not in {"runtimeerror", "valueerror"}


def _parts(token: str) -> Iterable[str]:
    return _CASE_PARTS.findall(token) if token.isascii() else (token,)


def _frame(module: str | None, function: str) -> str:
    return re.sub(r"\s+", "", f"{module or ''}:{function}").lower()


def _stemmed(tokens: list[str]) -> list[str]:
    if not tokens:
        return []
    analyzer = getattr(_STEMMERS, "analyzer", None)
    if analyzer is None:  # One a thread: the library's object must not be entered twice at once.
        analyzer = (
            tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
            .filter(tantivy.Filter.stemmer("english"))
            .build()
        )
        _STEMMERS.analyzer = analyzer
    return list(analyzer.analyze(" ".join(tokens)))
