"""Finds secrets by the name that they are assigned to, in the syntaxes of code and configuration.

One RE2 pattern finds telling names with what separates them from a value (`=`, `: `, `=>`, a
comma between quotes, `>` of an element, `"value":` beside a name, ...); `keys` judges the name and
`values` reads and judges the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from fixstream.triage.secrets import values
from fixstream.triage.secrets.judging import Written, is_namesake, is_secret
from fixstream.triage.secrets.keys import FOREIGN, Trust, Verdict, judge
from fixstream.triage.secrets.model import (
    KEYED,
    LOOSE,
    PLACEHOLDER,
    Detector,
    Find,
    compile_bytes,
)

_WORDS = (
    "pass|pwd|pswd|psw|pw|kennwort|senha|contrasena|mdp|secret|token|key|auth|cred|bearer|cvv|cvc|otp|"
    "mnemonic|psk|sess|sid|sig|salt|pin|cookie|jwt|pat|sas|assertion|nonce|ticket|code|seed|"
    "hmac|hash|dsn|webhook|csrf|xsrf|login|ssn|social|encrypted|ciphertext|"
    "wachtwoord|parola|haslo|heslo|losenord|adgangskode|kodeord|salasana|jelszo|sifre|lozinka|geslo|sandi|parool|saml"
)


def _as_bytes(word: str) -> str:
    """Spells a word as RE2 sees it: each byte of its UTF-8 as a character."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


_WORDS += "|" + "|".join(_as_bytes(word) for words in FOREIGN for word in words)
_NAME = rf"[\w.$-]*(?i:{_WORDS})[\w.$-]*"
_CLOSE = r"(?:\\*[\"'`\]]{1,2}|%22|&quot;)?"
_SEPARATORS = "|".join(
    (
        r"[ \t]*,[ \t\n]*\\*[\"']?(?:Parameter)?[vV]alue\\*[\"']?[ \t]*[:=][ \t]*",  # `"name": "X", "value": `
        r"[ \t]*\n[ \t]*(?:value|Value):[ \t]+",  # `- name: X` over `value: `
        r"[ \t]+(?:[\w:.-]+=\"[^\"<>]*\"[ \t]+)*?value=",  # `name="x" type="y" value=`
        r"[ \t]*:[ \t]*[A-Za-z][\w.]*(?:\[\w+\])?\??[ \t]+=[ \t]*",  # typed: `name: str = `
        r"[ \t]*:[ \t]*(?:str|string|String|bytes|any|Any|SecretStr|text)\??=",
        r"[ \t]*(?:===?|!==?|:=|=>|\?\?=|\|\|=|=|:)[ \t]*",
        r"(?:%3[DdAa]|%253[Dd]|\\u003[dD]|=3D)(?:%20|\+)*(?:%22)?",
        r"[ \t]*\{\s*(?:(?:type|description|sensitive)[ \t]*=[^\n]*\n\s*){0,4}default[ \t]*=[ \t]*",
        r"[ \t]*\)?,[ \t]*",  # `define('NAME', `, `put("name", `
        r"(?:[ \t]+[\w:.-]+=\"[^\"<>]*\")*[ \t]*>(?:\s*<(?:value|string)>)?",  # `<name attr="x">`
    )
)
_ASSIGNMENT = compile_bytes(rf"{_NAME}{_CLOSE}(?:{_SEPARATORS})")
_SPLIT = re.compile(rb"^([\w.$\x80-\xff-]*)((?:\\*[\"'`\]]{1,2}|%22|&quot;)?)(.*)$", re.DOTALL)
_BLOCK_SCALAR = re.compile(rb"[|>][+-]?[ \t]*\r?\n[ \t]+")
_LINE_START = re.compile(
    rb"(?:^|[\r\n])[ \t]*(?:(?:export|set|setenv|ENV|ARG|-e|--env|let|const|var|-)[ \t]+)?[\"']?$"
)
_TAG_START = re.compile(rb"<[\w:-]*$")
_QUOTES = (b'"', b"'", b"`", b"\\")
_CALL = re.compile(rb"[\w\]]\([ \t]*[bru]?\\*[\"'`]$")
_NEXT_PAIR = re.compile(rb"[;&,][ \t]*[A-Za-z][\w. -]*=")
_HEADER_SCHEME = re.compile(
    rb"(?i)(?:bearer|basic|token|apikey|api-key|negotiate|ntlm|ssws|hmac|key|plain|login)[ \t]+"
)
_ANY_SCHEME = re.compile(rb"[A-Za-z][\w-]{1,24}[ \t]+(?:[\w-]{1,40}[:=](?=.))?")
_QUICK = re.compile(
    rb"(?=([\"'])?)(?:[\"'])?(?=[A-Za-z]{0,58}\d)(?=\d{0,58}[A-Za-z])([A-Za-z0-9]{9,58})"
    rb"(?(1)(?=\1)|(?=\s|$))"
)
"""What `judging` calls sure, in quotes or up to white space: most values, and read at once."""
_STARTS_MARK = re.compile(rb"[\"'`]?" + PLACEHOLDER.pattern)
_MNEMONIC = re.compile(rb"[a-z]{3,8}(?: [a-z]{3,8}){11,23}\b")


class _Lead(NamedTuple):
    """What stands before a value: the judged name and the form of what separates it."""

    verdict: Verdict
    name: bytes
    is_mark: bool
    """The name may be one of our own placeholders: it is followed by `]`."""
    is_closed: bool
    """A quote ends the name."""
    is_comma: bool
    is_markup: bool
    is_percent: bool
    is_tight: bool
    """Nothing but `=` separates."""
    is_plain: bool
    """Letters and digits behind it are a secret for sure."""
    separator: bytes


def _lead(matched: bytes) -> _Lead:
    """Takes apart a name with its separator. The same few come again and again; long ones do not."""
    return _known_lead(matched) if len(matched) <= _MAX_KEPT_LEAD else _new_lead(matched)


def _new_lead(matched: bytes) -> _Lead:
    parts = _SPLIT.match(matched)
    assert parts is not None
    name, closed, separator = parts.groups()
    bare = separator.strip()
    verdict = judge(name[-120:].decode("utf-8", "replace"))
    is_plain = bare in (b"=", b":", b":=", b"=>") and name.upper() != b"PASS"
    return _Lead(
        verdict=verdict,
        is_plain=is_plain and verdict.trust is Trust.STRONG and verdict.kind != "one_time_code",
        name=name,
        is_mark=closed[:1] == b"]",
        is_closed=bool(closed),
        is_comma=bare in (b",", b"),"),
        is_markup=bare.endswith(b">") and not bare.endswith((b"=>", b"->")),
        is_percent=b"%" in separator or b"%" in closed,
        is_tight=separator == b"=",
        separator=separator,
    )


_known_lead = lru_cache(maxsize=4096)(_new_lead)
_MAX_KEPT_LEAD = 128


def _is_misplaced(text: bytes, start: int, position: int, lead: _Lead) -> bool:
    """Tells whether the form of the lead does not fit what stands around it."""
    if lead.is_mark and text[start - 1 : start] == b"[":
        return True  # A placeholder of ours, not a name.
    if lead.is_comma:
        is_argument = lead.is_closed and text[position : position + 1] in _QUOTES
        return not is_argument or not _CALL.search(text, max(0, start - 64), start)
    if lead.is_markup and not lead.is_closed:
        return not _TAG_START.search(text, max(0, start - 16), start)
    return False


def _begins_line(text: bytes, start: int) -> bool:
    """Tells whether nothing but a keyword of its language stands before the name on its line."""
    return start == 0 or _LINE_START.search(text, max(0, start - 24), start) is not None


def _value_at(text: bytes, start: int, position: int, lead: _Lead) -> tuple[int, int, bool]:
    """Reads the value behind one lead that begins at `start` and ends at `position`."""
    if lead.is_markup:
        return values.read_markup(text, position)
    first = text[position : position + 1]
    if first == b"&":
        return values.read_escaped_markup(text, position)
    if first in _QUOTES:
        return values.read(text, position, whole_line=False, percent=False)
    if first in (b"|", b">") and (block := _BLOCK_SCALAR.match(text, position)) is not None:
        position = block.end()
    scheme = _HEADER_SCHEME.match(text, position)
    if scheme is None and lead.verdict.kind == "authorization":
        scheme = _ANY_SCHEME.match(text, position)
    if scheme is not None:
        return values.read(text, scheme.end(), whole_line=False, percent=False)
    if lead.is_percent or not _begins_line(text, start):
        return values.read(text, position, whole_line=False, percent=lead.is_percent)
    return _rest_of_line(text, position)


def _rest_of_line(text: bytes, position: int) -> tuple[int, int, bool]:
    """Reads the value of a line that is an assignment as a whole, up to white space."""
    begin, end, quoted = values.read(text, position, whole_line=True, percent=False)
    if not quoted:
        pair = _NEXT_PAIR.search(text, begin, end)
        end = pair.start() if pair else end
        while end > begin and text[end - 1] in b",;)}]":
            end -= 1
    return begin, end, quoted


def _wrapped_end(text: bytes, start: int, end: int) -> int:
    """Returns where a value ends that may go on over lines of base64, as keys do."""
    if end - start < 60:
        return end
    more = _WRAPPED.match(text, end)
    return more.end() if more else end


_WRAPPED = re.compile(
    rb"(?:\\?\r?\n[ \t]*[A-Za-z0-9+/_-]{40,}={0,2}(?=[\s\"']|$))*(?:\r?\n[ \t]*[A-Za-z0-9+/_-]{2,64}={1,2}(?=[\s\"']|$))?"
)


def _find(text: bytes) -> Iterator[Find]:
    position, size = 0, len(text)
    while position < size:
        match = _ASSIGNMENT.first(text, position)
        if match is None:
            return
        begin, position = match
        lead = _lead(text[begin:position])
        verdict = lead.verdict
        if verdict.trust is Trust.NONE or _is_misplaced(text, begin, position, lead):
            continue
        if b"[" in text[position : position + 2] and _STARTS_MARK.match(text, position):
            continue
        if lead.is_plain and (quick := _QUICK.match(text, position)) is not None:
            yield Find(quick.start(2), quick.end(2), verdict.kind, KEYED)
            position = quick.end()
            continue
        start, end, quoted = _value_at(text, begin, position, lead)
        value = text[start:end]
        if lead.is_markup and value.strip().lower() == lead.name.lower():
            continue  # `<label for="password">Password</label>`
        written = Written(
            quoted,
            quoted or lead.is_tight or _begins_line(text, begin),
            lead.is_tight and text[begin - 1 : begin] in (b"?", b"&", b"#"),
        )
        if is_secret(verdict, value, written) and (
            quoted or not is_namesake(lead.name, lead.separator, value)
        ):
            phrase = _MNEMONIC.match(text, start)
            end = max(end, phrase.end()) if phrase else _wrapped_end(text, start, end)
            rank = KEYED if verdict.trust is Trust.STRONG else LOOSE
            yield Find(start, end, verdict.kind, rank)
            position = max(position, end)


def detector() -> Detector:
    """Returns the one detector of this module."""
    return Detector("assignment", rf"(?i:{_WORDS})", _find, leads=True)
