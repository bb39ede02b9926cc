"""Judges whether the value behind a telling name is a secret, by kind of secret and by form.

Refuses stand-ins, code that fetches a secret, and what messages say about secrets.
"""

from __future__ import annotations

import re
from itertools import product
from typing import NamedTuple

from fixstream.triage.secrets import values
from fixstream.triage.secrets.checks import is_basic_credentials
from fixstream.triage.secrets.keys import Trust, Verdict


class Written(NamedTuple):
    """How a value is written."""

    is_quoted: bool
    is_tight: bool
    """It is quoted, or only `=` divides it from its name, or the line is an assignment as a whole."""
    is_query: bool
    """It is a parameter of a URL."""


_BOOLS = (False, True)
WRITTEN = {ways: Written(*ways) for ways in product(_BOOLS, repeat=3)}
"""All ways to write a value, made once: there is one look-up for each value."""

_SURE = re.compile(rb"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{9,512}$")
"""Letters and digits alone, more than eight of them: no stand-in, expression or word of a message."""
_ID_FORM = re.compile(
    rb"\{?(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    rb"|(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{24,128}={0,2})\}?$"
)
_MIXED = re.compile(rb"(?=[^A-Za-z]*[A-Za-z])\D*\d")
_USER_AND_PASSWORD = re.compile(rb"^[\w.@-]{2,}:[^\s/:]{4,}$")
_CODE = re.compile(rb"\d{4,8}|\d{3}[ -]\d{3}")
_PIN = re.compile(rb"\d{4,8}")
_ALNUM = re.compile(rb"[^\W_]|[\x80-\xff]")
_CREDENTIAL = re.compile(rb"[\w.~+/-]{8,4096}={0,2}$")
_ABOUT_SECRETS = re.compile(
    rb"(?i)\b(?:pass(?:words?|wd|phrase|code)|passwort|contrase\xc3\xb1a|tokens?|secrets?|keys?|credentials?|log(?:in| in)|sign in|codes?)\b"
)
"""What a label or a message in quotes says, `"Forgot your password?"`."""
_WORD_PASSWORDS = frozenset((b"secret", b"private", b"public", b"default"))
"""Words that a message says about a password, and that are one where a password is assigned."""
_MIN_DOTTED = 24
"""From this length on a random value with dots in it is no chain of names."""
_SPEAKABLE = frozenset({"password", "card", "pin", "private_key", "one_time_code"})
"""Kinds whose values people choose or type; the others are never as short as three characters."""
_SHORT = frozenset({"token", "session", "signature", "credential"})
"""Kinds that may be shorter than a key where nothing but `=` divides them from their name."""


def is_secret(verdict: Verdict, value: bytes, written: Written) -> bool:
    """Tells whether `value` is a secret, given what its name says and how it is written."""
    is_strong = verdict.trust is Trust.STRONG
    if is_strong and verdict.kind != "one_time_code" and _SURE.match(value):
        return True
    if verdict.kind == "password" and written.is_tight and value.lower() in _WORD_PASSWORDS:
        return True
    is_code = not written.is_quoted and not written.is_query and values.is_expression(value)
    is_code = is_code and (b"(" in value or not values.looks_random(value, _MIN_DOTTED))
    if is_code or values.is_stand_in(value):
        return False
    return _is_chosen(verdict.kind, value) if is_strong else _is_made(verdict, value, written)


def _is_chosen(kind: str, value: bytes) -> bool:
    """Judges a value whose name alone makes it a secret, however simple it is."""
    if kind == "one_time_code":
        return _CODE.fullmatch(value) is not None
    is_long = kind in _SPEAKABLE or len(value) >= 4
    return is_long and _ALNUM.search(value) is not None and not values.is_prose(value)


def _is_made(verdict: Verdict, value: bytes, written: Written) -> bool:
    """Judges a value that has to look like a key or token too."""
    kind = verdict.kind
    is_owned = verdict.trust is Trust.OWNED
    if kind in ("credential", "authorization") and _is_login(kind, value, written):
        return True
    if (is_owned or kind == "authorization") and _ID_FORM.match(value) and _MIXED.match(value):
        return written.is_tight
    if kind == "token" and written.is_query:
        return len(value) >= 6
    if kind == "pin":
        return _PIN.fullmatch(value) is not None
    if kind == "key" and values.is_digest(value):
        return False
    is_short = written.is_tight and (is_owned or kind in _SHORT)
    return values.looks_random(value, 8 if is_short else 16)


def _is_login(kind: str, value: bytes, written: Written) -> bool:
    """Tells whether the value is `user:password`, plain or in base64, or what follows a scheme."""
    if kind == "authorization" and _CREDENTIAL.match(value) and _MIXED.match(value):
        return True
    is_pair = written.is_tight and _USER_AND_PASSWORD.match(value) is not None
    return is_pair or is_basic_credentials(value)


def is_label(name: bytes, value: bytes) -> bool:
    """Tells a translation, `label.password=Password`, from a password."""
    if not value[:1].isupper():
        return False
    return (value.istitle() and name.lower().endswith(value.lower())) or (
        b" " in value and _ABOUT_SECRETS.search(value) is not None
    )


def is_namesake(name: bytes, separator: bytes, value: bytes) -> bool:
    """Tells bare values that say no more than their name from secrets.

    `PASS: test_login` of a test report, `PWD=/srv/app` of a shell, `user.password = password` of code.
    """
    if name.lower() in (b"pwd", b"oldpwd"):
        return value[:1] in (b"/", b"~") or value[1:3] == b":\\"
    _, dot, last = name.rpartition(b".")
    if dot and b" " in separator and value.rstrip(b";,)").lower() == last.lower():
        return True
    if name.upper() not in (b"PASS", b"PASSED"):
        return False
    is_report = name.isupper() and separator == b": " and value.replace(b"_", b"").isalnum()
    return is_report or (value.isdigit() and len(value) < 4)
