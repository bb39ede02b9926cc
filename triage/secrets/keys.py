"""Knows which names of settings, fields, headers and variables stand before a secret.

A name is judged by its words (`dbUserPassword` and `DB-USER-PASSWORD` are the same), not by a list
of whole names. Judgements are cached, for the same few names come again and again.
"""

from __future__ import annotations

import re
import tomllib
from enum import Enum
from functools import lru_cache
from importlib import resources
from typing import NamedTuple


class Trust(Enum):
    """How far a name vouches for its value."""

    NONE = 0
    WEAK = 1
    """The value has to look random."""
    STRONG = 2
    """Any value that is no stand-in is a secret."""


class Verdict(NamedTuple):
    """What a name says about its value, and the kind of secret that it would be."""

    trust: Trust
    kind: str


_NOT = Verdict(Trust.NONE, "")
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def _load() -> dict[str, dict[str, str]]:
    text = resources.files(__package__).joinpath("names.toml").read_text("utf-8")
    return tomllib.loads(text)


def _kinds(table: dict[str, str]) -> dict[str, str]:
    return {word: kind for kind, words in table.items() for word in words.split()}


_NAMES = _load()
_ALONE = _kinds(_NAMES["alone"])
_WEAK = _kinds(_NAMES["weak"])
_KEY_OWNERS, _TOKEN_OWNERS, _MODIFIERS, _ABOUT = (
    frozenset(_NAMES["words"][name].split())
    for name in ("key_owners", "token_owners", "modifiers", "about")
)
PROSE = frozenset(word.encode("ascii") for word in _NAMES["words"]["prose"].split())
"""Words with which a message speaks about a secret."""
_WEAK_FIRST = frozenset({"encrypted", "enciphered", "ciphertext"})


def _joined(words: list[str]) -> Verdict | None:
    """Judges by the longest known run of words at the end: `api key`, `secret access key`."""
    for count in (3, 2, 1):
        if len(words) >= count and (kind := _ALONE.get("".join(words[-count:]))):
            return Verdict(Trust.STRONG, kind)
    return None


def _owned(words: list[str]) -> Verdict | None:
    """Judges `key`, `token`, `salt` and `pin` by the word before them."""
    last, owner = words[-1], words[-2] if len(words) > 1 else ""
    if last in ("key", "keys") and owner in _KEY_OWNERS:
        kind = {"api": "api_key", "private": "private_key"}.get(owner, "secret_key")
        return Verdict(Trust.STRONG, kind)
    if last in ("token", "tokens") and (owner in _TOKEN_OWNERS or "token" in words[:-1]):
        return Verdict(Trust.STRONG, "token")
    if last == "salt" and owner in _KEY_OWNERS:
        return Verdict(Trust.STRONG, "secret")
    if last == "pin" and owner in ("card", "user", "sim", "account", "security"):
        return Verdict(Trust.STRONG, "password")
    return None


@lru_cache(maxsize=4096)
def judge(name: str) -> Verdict:
    """Judges a name, such as `DB_PASSWORD`, `aws.secretAccessKey` or `X-Api-Key`."""
    words = [word.lower() for word in _SPLIT.findall(name)][-8:]
    about = False
    if len(words) > 1 and (kind := _WEAK.get("".join(words[-2:]))):
        return Verdict(Trust.WEAK, kind)
    while words and (words[-1].isdigit() or words[-1] in _MODIFIERS or words[-1] in _ABOUT):
        if (found := _joined(words)) is not None and not about:
            return found
        about = about or words[-1] in _ABOUT
        words.pop()
    if not words:
        return _NOT
    verdict = _joined(words) or _owned(words)
    if verdict is not None:
        return Verdict(Trust.WEAK, verdict.kind) if about else verdict
    kind = _WEAK.get(words[-1]) or ("secret" if words[0] in _WEAK_FIRST else None)
    if kind is None or about:
        return _NOT
    return Verdict(Trust.WEAK, kind)
