"""Finds tokens of issuers that nobody listed: a short prefix, then a long random body.

`acme_live_x` with a body that alternates cases and digits more than any name does. Refuses ids: lower
case bodies without a telling word in the prefix, UUIDs, and the prefixes of well-known object ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixstream.triage.secrets import values
from fixstream.triage.secrets.model import LOOSE, RUNS, Detector, Find, compile_bytes

SIGN = r"[_-][A-Za-z0-9]{16}"
_TOKEN = compile_bytes(r"\b[A-Za-z][A-Za-z0-9]{1,15}[_-][\w-]{20,}")
_PREFIX = re.compile(rb"(?:[a-z]{2,12}\d{0,2}[_-]){1,4}|(?:[A-Z]{2,10}\d?[_-]){1,3}")
_TELLING = frozenset(b"live secret sk pat token key api auth apikey private access pass".split())
_IDS = frozenset(
    b"req request msg message run resp response evt event file thread chatcmpl cmpl asst call toolu "
    b"batch cus ch pi seti sub price prod trace span job task session sess user org proj build diff pod node vpc eni ami snap rtb acl igw eks kms".split()
)
_SMALL, _CAPITAL, _DIGIT = re.compile(rb"[a-z]"), re.compile(rb"[A-Z]"), re.compile(rb"\d")
_RUNS = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MIN_UNTOLD = 28
_MIN_TOLD = 20


def _is_dense(body: bytes) -> bool:
    """Tells whether small and capital letters and digits all occur and take turns."""
    num_small, num_capital = len(_SMALL.findall(body)), len(_CAPITAL.findall(body))
    if min(num_small, num_capital, len(_DIGIT.findall(body))) < 2 or num_capital < len(body) // 8:
        return False
    return len(body) < 2.4 * len(_RUNS.findall(body))


def is_token(value: bytes) -> bool:
    """Tells whether a value with a prefix is a token and no id or name."""
    prefix = _PREFIX.match(value)
    if prefix is None:
        return False
    body = value[prefix.end() :].strip(b"_-")
    words = set(re.split(rb"[_-]", prefix[0].lower()))
    if words & _TELLING and not words & _IDS:
        return len(body) >= _MIN_TOLD and values.looks_random(body, _MIN_TOLD)
    return len(body) >= _MIN_UNTOLD and not words & _IDS and _is_dense(body)


def _find(text: bytes) -> Iterator[Find]:
    for start, end in _TOKEN.spans(text):
        if is_token(text[start:end]):
            yield (start, end, "token", LOOSE)


def detector() -> Detector:
    """Returns the one detector of this module."""
    return Detector("prefixed", SIGN, _find, RUNS)
