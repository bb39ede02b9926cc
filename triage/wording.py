"""Takes out of a normalised message how it is put, and keeps what it says.

Versions of a library, and people, put one failure in other words: "Could not connect to the
broker", "unable to connect to broker." Only words that name nothing are touched: articles,
auxiliaries, ways to say that something failed, ran out of time or is not there, endings, a capital
that begins a sentence. Every other word stays, in its place. Which of two names is an instance and
which the fault itself does not stand in a text, so names are never taken for each other (ADR 35).
"""

from __future__ import annotations

import re

from fixstream.triage.words import Words

_SAYINGS: tuple[tuple[str, str], ...] = (
    ("not found", r"(?:could ?|can ?)not found|do(?:es)? not exist"),
    ("cannot", r"could not|can not|unable to|not able to|fail(?:ed|ure)? to"),
    ("timeout", r"timed? ?-?out"),
)
"""What is said, and the ways to say it once contractions are written out and fillers are gone."""
_SAID = re.compile(
    "|".join(rf"(?P<s{number}>\b(?:{ways})\b)" for number, (_, ways) in enumerate(_SAYINGS)),
    re.IGNORECASE,
)
_SHORT_NOT = re.compile(
    r"\b(is|was|were|are|do|does|did|has|have|had|could|would|should|ca)n['\u2019]t\b",
    re.IGNORECASE,
)
_FILLERS = frozenset(
    ("a", "an", "the", "is", "was", "were", "are", "be", "been", "being", "has", "have", "had")
)
_ENDS = ".,;:!"
_MIN_PLURAL = 5
"""Shorter words than this keep their `s`: they are as often names."""


def _say(found: re.Match[str]) -> str:
    return _SAYINGS[int((found.lastgroup or "s0")[1:])][0]


def _spelt_out(found: re.Match[str]) -> str:
    verb = found[1]
    return f"{verb}{'n' if verb.lower() == 'ca' else ' '}not"


def _plain_word(word: str) -> str:
    """One word without sentence marks, capital of a sentence and plural; empty for a filler."""
    bare = word.rstrip(_ENDS) or word
    if not bare.isalpha():
        return bare
    if bare.istitle():
        bare = bare.lower()
    if bare in _FILLERS:
        return ""
    is_plural = len(bare) >= _MIN_PLURAL and bare.endswith("s") and bare.islower()
    return bare[:-1] if is_plural and not bare.endswith(("ss", "us", "is")) else bare


_PLAIN = Words(_plain_word, 16384)


def plain_wording(text: str) -> str:
    """What a normalised text says, without how it puts it.

    Doing it twice gives the same as once. A text of nothing but fillers is returned as it is.
    """
    words = [_PLAIN[word] for word in _SHORT_NOT.sub(_spelt_out, text).split()]
    return _SAID.sub(_say, " ".join(filter(None, words))) or text
