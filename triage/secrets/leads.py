"""Finds names that stand before secrets, with what separates them from their values: leads.

One RE2 pattern finds the leads of all syntaxes (`=`, `: `, `=>`, a comma between quotes, `>` of an element,
`"value":` beside a name, ...); `keys` judges the name, and what stands around it has to fit its syntax.
Reads no values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from fixstream.triage.secrets.keys import FOREIGN, Trust, Verdict, judge
from fixstream.triage.secrets.model import KEYED, LOOSE, compile_bytes

_WORDS = (
    "pass|pwd|pswd|psw|pw|kennwort|senha|contrasena|mdp|secret|token|key|auth|cred|bearer|cvv|cvc|otp|"
    "mnemonic|psk|sess|sid|sig|salt|pin|cookie|jwt|pat|sas|assertion|nonce|ticket|code|seed|"
    "hmac|hash|pepper|dsn|webhook|csrf|xsrf|login|ssn|social|encrypted|ciphertext|"
    "wachtwoord|parola|haslo|heslo|losenord|adgangskode|kodeord|salasana|jelszo|sifre|lozinka|geslo|sandi|parool|saml"
)


def _as_bytes(word: str) -> str:
    """Spells a word as RE2 sees it: each byte of its UTF-8 as a character."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


_WORDS += "|" + "|".join(_as_bytes(word) for words in FOREIGN for word in words)
_NAME = rf"[\w.$-]*(?i:{_WORDS})[\w.$-]*"
_WRAPPERS = (
    r"(?:(?:MD5|md5|SHA\d*|sha\d+|PASSWORD|Some|str|bytes|SecretStr|atob|b64decode|base64\.b64decode|Buffer\.from)"
    r"\([ \t]*|ConvertTo-SecureString(?:[ \t]+-String)?[ \t]+)"
)
"""Calls around a value that is written out in quotes."""
_CLOSE = r"(?:\\*[\"'`\]]{1,2}|%22|&quot;)?"
_SEPARATORS = "|".join(
    (
        r"[ \t]*,[ \t\n]*\\*[\"']?(?:Parameter)?[vV]alue\\*[\"']?[ \t]*[:=][ \t]*",  # `"name": "X", "value": `
        r"[ \t]*\n[ \t]*(?:value|Value):[ \t]+",  # `- name: X` over `value: `
        r"(?:\r?\nContent-[\w-]+:[^\r\n]*)?(?:\r?\n\r?\n|(?:\\r)?\\n(?:\\r)?\\n)",  # A part of a form.
        r"[ \t]+(?:[\w:.-]+=\"[^\"<>]*\"[ \t]+)*?(?:value|content)=",  # `name="x" type="y" value=`
        r"[ \t]*:[ \t]*[A-Za-z][\w.]*(?:\[\w+\])?\??[ \t]+=[ \t]*",  # typed: `name: str = `
        r"[ \t]*:[ \t]*(?:str|string|String|bytes|any|Any|SecretStr|text)\??=",
        r"(?::(?:\"[\w\\]+\":)?(?:protected|private)\])?[ \t]*(?:=|=>|:)\s*string\(\d+\)[ \t]+",  # As PHP dumps it,
        r";s:\d+:",  # and as it serialises it.
        rf"[ \t]*(?:=|=>|:=|:)[ \t]*{_WRAPPERS}[ \t]*",  # `passwd = MD5('`
        r"::[ \t]+",  # As LDIF marks base64.
        r"[ \t]*(?:===?|!==?|:=|=>|->|\?\?=|\|\|=|=|:)[ \t]*",
        r"\)?[ \t]*(?:\|\||\?\?| or)[ \t]+",  # What is taken where the setting is missing.
        r"[ \t]*\xef\xbc[\x9a\x9d][ \t]*",  # A wide colon or `=`, as Chinese and Japanese write it.
        r"(?:%3[DdAa]|%253[Dd]|\\u003[dD]|=3D)(?:%20|\+)*(?:%22)?",
        r"[ \t]*\{\s*(?:(?:type|description|sensitive)[ \t]*=[^\n]*\n\s*){0,4}default[ \t]*=[ \t]*",
        r"[ \t]*\)?,[ \t]*",  # `define('NAME', `, `put("name", `
        r"(?:[ \t]+[\w:.-]+=\"[^\"<>]*\")*[ \t]*>(?:\s*<(?:value|string)>)?",  # `<name attr="x">`
        r"</[\w:-]*(?:[nN]ame|[kK]ey)>\s*<(?:[\w:-]*[vV]alue|string)>",  # `<key>name</key><string>`
        r"&gt;",
    )
)
LEAD = compile_bytes(rf"{_NAME}{_CLOSE}(?:{_SEPARATORS})")
_SPLIT = re.compile(rb"^([\w.$\x80-\xff-]*)((?:\\*[\"'`\]]{1,2}|%22|&quot;)?)(.*)$", re.DOTALL)
QUOTES = (b'"', b"'", b"`", b"\\")
_WIDE = (b"\xef\xbc\x9a", b"\xef\xbc\x9d")
_PLAIN = (b"=", b":", b":=", b"=>")
_BLANK_BEFORE = (b"", b" ", b"\t", b"\n")
_PART = re.compile(rb"(?i)form-data; name=\\?[\"']?$")
_TAG_START = re.compile(rb"<[\w:-]*$")
_CALL = re.compile(
    rb"(?:[\w\]]\([ \t]*|\((?=b[\"'])|\b(?:buildConfigField|resValue)[ (]+[\"']\w+[\"'],[ \t]*)[bru]?\\*[\"'`]$"
)
_INDEXED = re.compile(rb"(?:^|[?&\s\"'(,;])\w{1,24}(?:\[\w{0,24}\])?\[$")
_ARN = re.compile(rb"\barn:[\w:/-]*$")
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

Fits = Callable[[bytes, int, int], bool]
"""Tells whether what stands around a lead of the text fits it; takes where the lead begins and ends."""


class Lead(NamedTuple):
    """What stands before a value: the judged name and the form of what separates it."""

    verdict: Verdict
    name: bytes
    separator: bytes
    fits: Fits | None
    """None where the surroundings have no say."""
    quick: re.Pattern[bytes] | None
    """What it matches behind the lead, in its second group, is a secret for sure."""
    rank: int
    is_markup: bool
    is_percent: bool
    is_tight: bool
    """Nothing but `=` separates."""


def _is_parameter(text: bytes, start: int, _: int) -> bool:
    """Tells `user[password]=` from one of our own placeholders before `=`."""
    if text[start - 1 : start] != b"[":
        return True
    return _INDEXED.search(text, max(0, start - 32), start) is not None


def _is_dumped(text: bytes, start: int, _: int) -> bool:
    """Tells whether the name is a key as PHP prints it, `[password] => `."""
    return text[start - 1 : start] != b"[" or text[start - 2 : start - 1] in _BLANK_BEFORE


def _is_no_mark(text: bytes, start: int, _: int) -> bool:
    return text[start - 1 : start] != b"["


def _is_argument(text: bytes, start: int, position: int) -> bool:
    """Tells whether name and value are the arguments of a call."""
    is_quoted = text[position : position + 1] in QUOTES or text.startswith((b"b'", b'b"'), position)
    if text[start : start + 1] == b"-":
        return False  # The call declares an option; its value stands elsewhere.
    return is_quoted and _CALL.search(text, max(0, start - 64), start) is not None


_STORES = (b"define(", b"put(", b"setProperty(", b"set(")
"""Calls that take a name, without quotes where it is a constant, and a value."""


def _is_tuple(text: bytes, start: int, position: int) -> bool:
    """Tells whether name and value are a tuple of Erlang, `{password, "x"}`."""
    is_quoted = text[position : position + 1] in QUOTES
    return is_quoted and (
        text[start - 1 : start] == b"{" or text.endswith(_STORES, max(0, start - 12), start)
    )


def is_part(text: bytes, start: int, _: int) -> bool:
    """Tells whether the name is that of a part of a form, over its value."""
    return _PART.search(text, max(0, start - 48), start) is not None


def _is_in_tag(text: bytes, start: int, _: int) -> bool:
    return _TAG_START.search(text, max(0, start - 16), start) is not None


def _is_element(text: bytes, start: int, _: int) -> bool:
    return text[start - 1 : start] == b">"


def _is_escaped_tag(text: bytes, start: int, _: int) -> bool:
    return text.endswith(b"&lt;", max(0, start - 4), start)


def _is_before_quote(text: bytes, _: int, position: int) -> bool:
    return text[position : position + 1] in QUOTES


def _is_before_ascii(text: bytes, _: int, position: int) -> bool:
    """Tells a value from what a message in Chinese or Japanese says about one."""
    return text[position : position + 1] < b"\x80"


def _never(_text: bytes, _start: int, _position: int) -> bool:
    return False


def _is_no_path(text: bytes, start: int, position: int) -> bool:
    """Tells `key: x` from `/etc/ssl/server.key: Permission denied` and from a part of an ARN."""
    before = text[start - 1 : start]
    if before == b"/":
        if text[start - 3 : start] == b"://":
            return False  # A user of that name; what follows is judged with the URL.
        return text[position - 1 : position] != b" "
    return before != b":" or _ARN.search(text, max(0, start - 128), start) is None


def _fits(closed: bytes, separator: bytes, *, is_markup: bool) -> Fits | None:
    """Chooses how the surroundings are judged, by what ends the name and what separates it."""
    bare = separator.strip()
    if closed[:1] == b"]":
        return {b"=": _is_parameter, b"=>": _is_dumped}.get(bare, _is_no_mark)
    if separator.endswith((b"\n", b"\\n")):
        return is_part
    if bare.endswith(b"(") or b"ConvertTo" in bare:
        return _is_before_quote
    if bare in (b",", b"),"):
        return _is_argument if closed else _is_tuple
    if is_markup and not closed:
        return _is_element if separator.startswith(b"</") else _is_in_tag
    by_separator = _FITS_CLOSED if closed else _FITS_OPEN
    return by_separator.get(bare)


_FITS_EITHER: dict[bytes, Fits] = {
    b"&gt;": _is_escaped_tag,
    **dict.fromkeys(_WIDE, _is_before_ascii),
    **dict.fromkeys(
        (b"||", b"??", b"or", b")||", b")??", b")or", b") ||", b") ??", b") or"), _is_before_quote
    ),
}
_FITS_CLOSED: dict[bytes, Fits] = {**_FITS_EITHER, b"->": _is_before_quote}
_FITS_OPEN: dict[bytes, Fits] = {**_FITS_EITHER, b"->": _never, b":": _is_no_path}


def _quick(verdict: Verdict) -> re.Pattern[bytes] | None:
    """Returns what is a secret for sure behind a name, where such a form is known."""
    if verdict.kind == "authorization":
        return _QUICK_SCHEME
    is_sure = verdict.trust is Trust.STRONG and verdict.kind != "one_time_code"
    return _QUICK if is_sure else None


def new_lead(matched: bytes) -> Lead | None:
    """Takes apart a name with its separator; None where the name says nothing."""
    parts = _SPLIT.match(matched)
    assert parts is not None
    name, closed, separator = parts.groups()
    if name.endswith(_WIDE):  # Bytes like those of a name in Chinese.
        name, separator = name[:-3], name[-3:] + separator
    verdict = judge(name[-120:].decode("utf-8", "replace"))
    if verdict.trust is Trust.NONE:
        return None
    bare = separator.strip()
    is_markup = bare.endswith(b">") and not bare.endswith((b"=>", b"->"))
    is_plain = bare in _PLAIN and name.upper() != b"PASS" and b"%" not in closed
    return Lead(
        verdict=verdict,
        name=name,
        separator=separator,
        fits=_fits(closed, separator, is_markup=is_markup),
        quick=_quick(verdict) if is_plain else None,
        rank=KEYED if verdict.trust is Trust.STRONG else LOOSE,
        is_markup=is_markup,
        is_percent=b"%" in separator or b"%" in closed,
        is_tight=separator == b"=",
    )


known_lead = lru_cache(maxsize=4096)(new_lead)
"""The same few leads come again and again; those longer than `MAX_KEPT_LEAD` do not."""
MAX_KEPT_LEAD = 128
