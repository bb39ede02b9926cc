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
    OWNED = 3
    """The value has to look random, but may have the form of an id: `ACME_KEY`, `acmeToken`."""


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
_KEY_OWNERS, _ID_OWNERS, _TOKEN_OWNERS, _TOKEN_IDS, _MODIFIERS, _ABOUT = (
    frozenset(_NAMES["words"][name].split())
    for name in ("key_owners", "id_owners", "token_owners", "token_ids", "modifiers", "about")
)
PROSE = frozenset(word.encode("ascii") for word in _NAMES["words"]["prose"].split())
"""Words with which a message speaks about a secret."""
FOREIGN = (
    ("contrase\u00f1a", "contrasen\u0303a"),
    ("has\u0142o", "Has\u0142o"),
    ("l\u00f6senord", "L\u00f6senord"),
    ("jelsz\u00f3", "Jelsz\u00f3"),
    ("\u015fifre", "\u015eifre"),
    ("\u043f\u0430\u0440\u043e\u043b\u044c", "\u041f\u0430\u0440\u043e\u043b\u044c"),
    ("\u5bc6\u7801", "\u5bc6\u78bc", "\u53e3\u4ee4"),
    ("\u30d1\u30b9\u30ef\u30fc\u30c9", "\ube44\ubc00\ubc88\ud638"),
)
"""Words for a password that are not written in plain ASCII: Spanish, Polish, Swedish, Hungarian, Turkish,
Russian, Chinese, Japanese and Korean."""
_FOREIGN = tuple(word for words in FOREIGN for word in words)
_WEAK_FIRST = frozenset({"encrypted", "enciphered", "ciphertext"})


_ENDINGS = {
    "password": "password", "passwd": "password", "passphrase": "password", "kennwort": "password",
    "secret": "secret", "apikey": "api_key", "accesskey": "secret_key", "secretkey": "secret_key",
    "authtoken": "token", "accesstoken": "token", "apitoken": "token", "bottoken": "token",
}  # fmt: skip
"""Endings of names that are written together: `jwtsecret`, `mypassword`."""
_ENDING = re.compile(f"[a-z]({'|'.join(_ENDINGS)})$")


def _joined(words: list[str]) -> Verdict | None:
    """Judges by the longest known run of words at the end: `api key`, `secret access key`."""
    for count in (3, 2, 1):
        if len(words) >= count and (kind := _ALONE.get("".join(words[-count:]))):
            return Verdict(Trust.STRONG, kind)
    ending = _ENDING.search(words[-1])
    return Verdict(Trust.STRONG, _ENDINGS[ending[1]]) if ending else None


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


def _apart(name: str, words: list[str]) -> Verdict | None:
    """Judges the names that the order of their words does not tell."""
    if not name.isascii() and any(word in name or word in name.lower() for word in _FOREIGN):
        return Verdict(Trust.STRONG, "password")
    if name.startswith("fs.azure.account.key."):  # Hadoop puts the host behind it.
        return Verdict(Trust.STRONG, "azure_key")
    return _PAIRS.get(" ".join(words[-2:]))


_PAIRS = {
    "secret id": Verdict(Trust.OWNED, "secret"),
    "public key": _NOT,
    "key token": _NOT,
    "account sid": _NOT,
    "service sid": _NOT,
    "message sid": _NOT,
    "call sid": _NOT,
    "existing secret": _NOT,
    "pull secret": _NOT,
    "pull secrets": _NOT,
    "tls secret": _NOT,
}
"""Names whose last two words say more than the last: `secret_id` of Vault, `PublicKeyToken` of an assembly,
`AccountSid` of Twilio, `existingSecret` of a chart."""


_FAILURES = frozenset({"error", "errors", "exception", "exceptions"})
"""What these names stand before is a message."""


@lru_cache(maxsize=4096)
def judge(name: str) -> Verdict:
    """Judges a name, such as `DB_PASSWORD`, `aws.secretAccessKey` or `X-Api-Key`."""
    words = [word.lower() for word in _SPLIT.findall(name)][-8:]
    if words and words[-1] in _FAILURES:
        return _NOT
    if (verdict := _apart(name, words)) is not None:
        return verdict
    if (len(words) > 1 or words == ["code"]) and (kind := _WEAK.get("".join(words[-2:]))):
        return Verdict(Trust.WEAK, kind)
    is_about = False
    while words and (words[-1].isdigit() or words[-1] in _MODIFIERS or words[-1] in _ABOUT):
        if (found := _joined(words)) is not None and not is_about:
            return found
        if words[-1] in ("id", "ids"):
            return _NOT
        is_about = is_about or words[-1] in _ABOUT
        words.pop()
    return _by_words(words, is_about=is_about) if words else _NOT


def _by_words(words: list[str], *, is_about: bool) -> Verdict:
    """Judges a name without its modifiers; `is_about` says that it names a fact about a secret."""
    verdict = _joined(words) or _owned(words)
    if verdict is not None:
        return Verdict(Trust.WEAK, verdict.kind) if is_about else verdict
    if words[-1] in ("token", "tokens") and words[-2:-1] and words[-2] in _TOKEN_IDS:
        return _NOT
    kind = _WEAK.get(words[-1]) or ("secret" if words[0] in _WEAK_FIRST else None)
    if kind is None or is_about:
        return _NOT
    is_owned = kind == "token" or (len(words) > 1 and kind == "key" and _is_owned_key(words))
    return Verdict(Trust.OWNED if is_owned else Trust.WEAK, kind)


_WORD_BEFORE = re.compile(rb"([A-Za-z]+) $")


def is_id_key(text: bytes, begin: int) -> bool:
    """Tells whether the word before `key` at `begin` makes it one of a cache or a row, `cache key: x`."""
    before = _WORD_BEFORE.search(text, max(0, begin - 32), begin)
    return before is not None and before[1].lower().decode("ascii") in _ID_OWNERS


_CRYPTIC = frozenset(
    {
        "aes",
        "hmac",
        "des",
        "encryption",
        "decryption",
        "signing",
        "master",
        "private",
        "secret",
        "api",
        "access",
    }
)


def is_secret_key(text: bytes, begin: int) -> bool:
    """Tells whether the word before `key` at `begin` makes it a secret one, `aes key: x`."""
    before = _WORD_BEFORE.search(text, max(0, begin - 32), begin)
    return before is not None and before[1].lower().decode("ascii") in _CRYPTIC


def _is_owned_key(words: list[str]) -> bool:
    """Tells whether `key` stands behind a word that is no kind of row, place or setting."""
    return words[-2] not in _ID_OWNERS and not words[-2].isdigit()
