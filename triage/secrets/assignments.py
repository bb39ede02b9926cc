"""Finds secrets by the name that they are assigned to, in the syntaxes of code and configuration.

One RE2 pattern finds telling names with what separates them from a value (`=`, `: `, `=>`, a
comma between quotes, `>` of an element, `"value":` beside a name, ...); `keys` judges the name and
`values` reads and judges the value.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fixstream.triage.secrets import values
from fixstream.triage.secrets.judging import WRITTEN, is_namesake, is_secret
from fixstream.triage.secrets.keys import FOREIGN, Trust, Verdict, judge
from fixstream.triage.secrets.model import (
    ANYWHERE,
    KEYED,
    LOOSE,
    PLACEHOLDER,
    UNGATED,
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
_LINE_ENDS = (b"\n", b"\r")
_MAY_STAND_BEFORE = (b" ", b"\t", b'"', b"'")
_PLAIN = (b"=", b":", b":=", b"=>")
_QUERY_MARKS = (b"?", b"&", b"#")
_CALL = re.compile(rb"[\w\]]\([ \t]*[bru]?\\*[\"'`]$")
_NEXT_PAIR = re.compile(rb"[;&,][ \t]*[A-Za-z][\w. -]*=")
_HEADER_SCHEME = re.compile(
    rb"(?i)(?:bearer|basic|token|apikey|api-key|negotiate|ntlm|ssws|hmac|key|plain|login)[ \t]+"
)
_ANY_SCHEME = re.compile(rb"[A-Za-z][\w-]{1,24}[ \t]+(?:[\w-]{1,40}[:=](?=.))?")
_QUICK = re.compile(
    rb"(?=([\"'])?)[\"']?(?!scram)(?=[A-Za-z%(mark)b]{0,57}\d)(?=[\d%(mark)b]{0,57}[A-Za-z])"
    rb"([A-Za-z0-9][A-Za-z0-9%(mark)b]{8,57})(?(1)(?=\1)|(?=\s|$))" % {b"mark": b"!#%^*+~=@_/?$-"}
)
"""What `judging` finds secret behind every sure name, in quotes or up to white space: letters and digits,
and marks with which neither an expression nor a stand-in is written. Most values, and read at once."""
_QUICK_SCHEME = re.compile(
    rb"((?i:bearer|basic|token))[ \t](?!scram)(?=[A-Za-z_~+/-]{0,57}\d)(?=[\d_~+/-]{0,57}[A-Za-z])"
    rb"([\w~+/-]{8,57}={0,2})(?=[\s\"']|$)"
)
"""The same for the most common schemes of an `Authorization` header."""
_STARTS_MARK = re.compile(rb"[\"'`]?" + PLACEHOLDER.pattern)
_MNEMONIC = re.compile(rb"[a-z]{3,8}(?: [a-z]{3,8}){11,23}\b")


class _Lead(NamedTuple):
    """What stands before a value: the judged name and the form of what separates it."""

    verdict: Verdict
    name: bytes
    is_placed: bool
    """What stands around it has no say: neither a mark, nor a comma, nor markup."""
    is_mark: bool
    """The name may be one of our own placeholders: it is followed by `]`."""
    is_closed: bool
    """A quote ends the name."""
    is_comma: bool
    is_markup: bool
    is_percent: bool
    is_tight: bool
    """Nothing but `=` separates."""
    quick: re.Pattern[bytes] | None
    """What it matches behind the lead, in its second group, is a secret for sure."""
    rank: int
    separator: bytes


def _quick(verdict: Verdict) -> re.Pattern[bytes] | None:
    """Returns what is a secret for sure behind a name, where such a form is known."""
    if verdict.kind == "authorization":
        return _QUICK_SCHEME
    is_sure = verdict.trust is Trust.STRONG and verdict.kind != "one_time_code"
    return _QUICK if is_sure else None


def _new_lead(matched: bytes) -> _Lead | None:
    """Takes apart a name with its separator; None where the name says nothing."""
    parts = _SPLIT.match(matched)
    assert parts is not None
    name, closed, separator = parts.groups()
    bare = separator.strip()
    verdict = judge(name[-120:].decode("utf-8", "replace"))
    if verdict.trust is Trust.NONE:
        return None
    is_mark, is_comma = closed[:1] == b"]", bare in (b",", b"),")
    is_markup = bare.endswith(b">") and not bare.endswith((b"=>", b"->"))
    return _Lead(
        verdict=verdict,
        quick=_quick(verdict) if bare in _PLAIN and name.upper() != b"PASS" else None,
        rank=KEYED if verdict.trust is Trust.STRONG else LOOSE,
        name=name,
        is_placed=not (is_mark or is_comma or is_markup),
        is_mark=is_mark,
        is_closed=bool(closed),
        is_comma=is_comma,
        is_markup=is_markup,
        is_percent=b"%" in separator or b"%" in closed,
        is_tight=separator == b"=",
        separator=separator,
    )


_known_lead = lru_cache(maxsize=4096)(_new_lead)
"""The same few leads come again and again; long ones do not."""
_MAX_KEPT_LEAD = 128


def _fits(text: bytes, start: int, position: int, lead: _Lead) -> bool:
    """Tells whether the form of the lead fits what stands around it."""
    if lead.is_mark and text[start - 1 : start] == b"[":
        return False  # A placeholder of ours, not a name.
    if lead.is_comma:
        is_argument = lead.is_closed and text[position : position + 1] in _QUOTES
        return is_argument and _CALL.search(text, max(0, start - 64), start) is not None
    if lead.is_markup and not lead.is_closed:
        return _TAG_START.search(text, max(0, start - 16), start) is not None
    return True


def _begins_line(text: bytes, start: int) -> bool:
    """Tells whether nothing but a keyword of its language stands before the name on its line."""
    before = text[start - 1 : start] if start else b"\n"
    if before not in _MAY_STAND_BEFORE:
        return before in _LINE_ENDS
    return _LINE_START.search(text, max(0, start - 24), start) is not None


def _value_at(text: bytes, position: int, lead: _Lead, begins_line: bool) -> values.Value:
    """Reads the value behind one lead that ends at `position`."""
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
    if lead.is_percent or not begins_line:
        return values.read(text, position, whole_line=False, percent=lead.is_percent)
    return _rest_of_line(text, position)


def _rest_of_line(text: bytes, position: int) -> values.Value:
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


def _judged(text: bytes, begin: int, position: int, lead: _Lead) -> Find | None:
    """Judges the value behind the lead at `[begin, position)`; None where it is no secret."""
    begins_line = _begins_line(text, begin)
    start, end, quoted = _value_at(text, position, lead, begins_line)
    if start == end:
        return None
    value = text[start:end]
    if lead.is_markup and value.strip().lower() == lead.name.lower():
        return None  # `<label for="password">Password</label>`
    is_query = lead.is_tight and text[begin - 1 : begin] in _QUERY_MARKS
    written = WRITTEN[quoted, quoted or lead.is_tight or begins_line, is_query]
    verdict = lead.verdict
    if not is_secret(verdict, value, written):
        return None
    if not quoted and is_namesake(lead.name, lead.separator, value):
        return None
    phrase = _MNEMONIC.match(text, start)
    end = max(end, phrase.end()) if phrase else _wrapped_end(text, start, end)
    return start, end, verdict.kind, lead.rank


def _find(text: bytes) -> list[Find]:
    """Finds all values behind telling names. One loop without calls of its own for the most common."""
    found: list[Find] = []
    search, position, size = _ASSIGNMENT.match, 0, len(text)
    while position < size:
        begin, position = search(ANYWHERE, text, position, size)[0]
        if begin < 0:
            break
        if b"[" in text[position : position + 2] and (mark := _STARTS_MARK.match(text, position)):
            position = mark.end()
            continue
        matched = text[begin:position]
        lead = _known_lead(matched) if position - begin <= _MAX_KEPT_LEAD else _new_lead(matched)
        if lead is None or not (lead.is_placed or _fits(text, begin, position, lead)):
            continue
        if lead.quick is not None and (quick := lead.quick.match(text, position)) is not None:
            start, end = quick.span(2)
            found.append((start, end, lead.verdict.kind, lead.rank))
            position = quick.end()
        elif (find := _judged(text, begin, position, lead)) is not None:
            found.append(find)
            position = max(position, find[1])
    return found


def detector() -> Detector:
    """Returns the one detector of this module."""
    return Detector("assignment", UNGATED, _find, leads=True)
