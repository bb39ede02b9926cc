"""Takes out of a message what differs between two occurrences of one error.

Ids, numbers, addresses, times, hosts and paths become stand-ins in angle brackets. The result is
for comparing and grouping, not for people to read.
"""

from __future__ import annotations

import re

from fixstream.triage.words import Words

MAX_MESSAGE_CHARS = 4000
"""Only this much of a message decides its group."""

_RULES: tuple[tuple[str, str], ...] = (
    ("uuid", r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
    (
        "time",
        (
            r"\b\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
            r"|\b\d\d?:\d\d:\d\d(?:[.,]\d+)?\b"
        ),
    ),
    ("url", r"\b[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>)\]}]+"),
    ("email", r"\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"),
    ("ip", r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{1,5})?\b"),
    ("hex", r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,128}\b"),
    ("path", r"(?:\b[A-Za-z]:)?(?:[/\\][\w.@+~$-]+){2,}[/\\]?"),
    ("host", r"\b[a-z0-9][a-z0-9-]{0,62}(?:\.[a-z0-9-]{1,63}){1,8}\.?:\d{1,5}\b"),
    ("mask", r"\[[a-z]+(?:_[a-z0-9]+){0,4}\]"),
    ("n", r"[+-]?\b\d+(?:[.,]\d+)*|(?<=[A-Za-z_-])\d+"),
)
_ALL = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _RULES))
_MAY_CHANGE = re.compile(r"[\d/\\@\[]|-[^-]*-[^-]*-[^-]*-")
"""What each rule needs; most words that are not of letters only just have a full stop."""
_SPOKEN = re.compile(r"(?:<time> ?){2,}")


def _stand_in(found: re.Match[str]) -> str:
    return f"<{found.lastgroup}>"


def _changed(word: str) -> str:
    return _ALL.sub(_stand_in, word) if _MAY_CHANGE.search(word) else word


_CHANGED = Words(_changed, 32768)


def normalise(message: str) -> str:
    """Returns `message` with its changing parts replaced and white space collapsed.

    Normalising twice gives the same as once. Words of letters only, which most are, are not looked
    at: none of the rules could touch them.
    """
    words = message[:MAX_MESSAGE_CHARS].split()
    text = " ".join([word if word.isalpha() else _CHANGED[word] for word in words])
    return _SPOKEN.sub("<time> ", text).rstrip() if text.count("<time>") > 1 else text
