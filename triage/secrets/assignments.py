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
from fixstream.triage.secrets.checks import is_basic_credentials
from fixstream.triage.secrets.keys import Trust, Verdict, judge
from fixstream.triage.secrets.model import (
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
    "hmac|hash|dsn|webhook|csrf|xsrf|login|ssn|social|encrypted|ciphertext"
)
_NAME = rf"[\w.$-]*(?i:{_WORDS})[\w.$-]*"
_CLOSE = r"(?:\\*[\"'`\]]{1,2}|%22|&quot;)?"
_SEPARATORS = "|".join(
    (
        r"[ \t]*,[ \t\n]*\\*[\"']?(?:Parameter)?[vV]alue\\*[\"']?[ \t]*[:=][ \t]*",  # `"name": "X", "value": `
        r"[ \t]*\n[ \t]*(?:value|Value):[ \t]+",  # `- name: X` over `value: `
        r"[ \t]+(?:[\w:.-]+=\"[^\"<>]*\"[ \t]+)*?value=",  # `name="x" type="y" value=`
        r"[ \t]*:[ \t]*[A-Za-z][\w.]*(?:\[\w+\])?\??[ \t]*=[ \t]*",  # typed: `name: str = `
        r"[ \t]*(?:===?|!==?|:=|=>|\?\?=|\|\|=|=|:)[ \t]*",
        r"(?:%3[DdAa]|%253[Dd]|\\u003[dD]|=3D)(?:%20|\+)*(?:%22)?",
        r"[ \t]*\)?,[ \t]*",  # `define('NAME', `, `put("name", `
        r"(?:[ \t]+[\w:.-]+=\"[^\"<>]*\")*[ \t]*>(?:\s*<(?:value|string)>)?",  # `<name attr="x">`
    )
)
_ASSIGNMENT = compile_bytes(rf"{_NAME}{_CLOSE}(?:{_SEPARATORS})")
_SPLIT = re.compile(rb"^([\w.$-]*)((?:\\*[\"'`\]]{1,2}|%22|&quot;)?)(.*)$", re.DOTALL)
_BLOCK_SCALAR = re.compile(rb"[|>][+-]?[ \t]*\r?\n[ \t]+")
_LINE_START = re.compile(
    rb"(?:^|[\r\n])[ \t]*(?:(?:export|set|setenv|ENV|ARG|-e|--env|let|const|var|-)[ \t]+)?[\"']?$"
)
_TAG_START = re.compile(rb"<[\w:-]*$")
_QUOTES = (b'"', b"'", b"`", b"\\")
_CALL = re.compile(rb"[\w\]]\([ \t]*[bru]?\\*[\"'`]$")
_NEXT_PAIR = re.compile(rb"[;&,][ \t]*[A-Za-z][\w. -]*=")
_HEADER_SCHEME = re.compile(
    rb"(?i)(?:bearer|basic|token|apikey|api-key|negotiate|ntlm|ssws|hmac|key)[ \t]+"
)
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
    separator: bytes


def _lead(matched: bytes) -> _Lead:
    """Takes apart a name with its separator. The same few come again and again; long ones do not."""
    return _known_lead(matched) if len(matched) <= _MAX_KEPT_LEAD else _new_lead(matched)


def _new_lead(matched: bytes) -> _Lead:
    parts = _SPLIT.match(matched)
    assert parts is not None
    name, closed, separator = parts.groups()
    bare = separator.strip()
    return _Lead(
        verdict=judge(name[-120:].decode("latin-1")),
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


def _is_namesake(name: bytes, separator: bytes, value: bytes) -> bool:
    """Tells `PASS: test_login` of a test report and `PWD=/srv/app` of a shell from passwords."""
    if name.lower() in (b"pwd", b"oldpwd"):
        return value[:1] in (b"/", b"~") or value[1:3] == b":\\"
    return name.upper() == b"PASS" and separator == b": " and value.replace(b"_", b"").isalnum()


_USER_AND_PASSWORD = re.compile(rb"^[\w.@-]{2,}:[^\s/:]{4,}$")
_ALNUM = re.compile(rb"[^\W_]|[\x80-\xff]")
_SPEAKABLE = frozenset({"password", "card", "pin", "private_key"})
"""Kinds whose values people choose or type; the others are never as short as three characters."""
_SHORT = frozenset({"token", "session", "signature", "credential"})
"""Kinds that may be shorter than a key where nothing but `=` divides them from their name."""


def _is_secret(verdict: Verdict, value: bytes, *, quoted: bool, tight: bool) -> bool:
    if values.is_stand_in(value) or (not quoted and values.is_expression(value)):
        return False
    if verdict.trust is Trust.STRONG:
        is_word = verdict.kind in _SPEAKABLE or len(value) >= 4
        return is_word and _ALNUM.search(value) is not None and not values.is_prose(value)
    if verdict.kind in ("credential", "authorization") and (
        is_basic_credentials(value) or (tight and _USER_AND_PASSWORD.match(value))
    ):
        return True
    if verdict.kind == "pin":
        return value.isdigit() and 4 <= len(value) <= 8
    if verdict.kind == "key" and values.is_digest(value):
        return False
    return values.looks_random(value, 8 if tight and verdict.kind in _SHORT else 16)


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
        start, end, quoted = _value_at(text, begin, position, lead)
        value = text[start:end]
        tight = quoted or lead.is_tight or _begins_line(text, begin)
        if _is_secret(verdict, value, quoted=quoted, tight=tight) and (
            quoted or not _is_namesake(lead.name, lead.separator, value)
        ):
            phrase = _MNEMONIC.match(text, start)
            end = max(end, phrase.end()) if phrase else end
            rank = KEYED if verdict.trust is Trust.STRONG else LOOSE
            yield Find(start, end, verdict.kind, rank)
            position = max(position, end)


def _spaced(prefix: str, gate: str, *, rank: int, sure: bool, signs: str = "") -> Detector:
    """Makes a detector for a value that only white space divides from a telling word."""
    compiled = compile_bytes(prefix)

    def find(text: bytes) -> Iterator[Find]:
        for _, begin in compiled.spans(text):
            start, end, quoted = values.read(text, begin, whole_line=False, percent=False)
            value = text[start:end].rstrip(b".,:;?") if not quoted else text[start:end]
            if values.is_stand_in(value) or values.is_prose(value):
                continue
            if sure or quoted or values.looks_random(value, 6):
                yield Find(start, start + len(value), "password", rank)

    return Detector("password", gate, find, signs)


_SPOKEN = r"(?i:passw(?:or)?d|passphrase|pwd|passcode)"
_TELLING = (
    r"(?i:\b(?:passw(?:or)?d|secret|token|api[ _-]?key|access[ _-]?key|secret[ _-]?key|private[ _-]?key|"
    r"encryption[ _-]?key|signing[ _-]?key|credentials?|key|jwt|signature))"
)
_CONNECTORS = (
    r"(?i:[ \t\"'`(\[<\\]{1,4}(?:(?:was|is|value|of|for|with|provided|supplied|given|rejected|"
    r"invalid|using|header|ending|named)[ \t\"'`(:=\[<\\]{1,3}){0,2})"
)
_NEAR = compile_bytes(rf"{_TELLING}{_CONNECTORS}[\w+/=.~-]{{16}}")
_CANDIDATE = re.compile(rb"[\w+/=.~-]{16,512}$")
_BARE_KEY = (b"key ", b"key:", b"key=", b"key'", b'key"', b"key(")
_RUN = re.compile(rb"[\w+/=.~-]{16,4096}")


def _find_near(text: bytes) -> Iterator[Find]:
    """Finds a random-looking run beside a telling word."""
    for begin, end in _NEAR.spans(text):
        run = _CANDIDATE.search(text, begin, end)
        whole = _RUN.match(text, run.start()) if run else None
        if whole is None:
            continue
        value = whole[0].rstrip(b".")
        if text[begin : begin + 4].lower() in _BARE_KEY and (
            len(value) < 20 or values.is_digest(value)
        ):
            continue  # Keys of maps, caches and signatures are ids.
        if values.looks_random(value) and PLACEHOLDER.match(value) is None:
            yield Find(whole.start(), whole.start() + len(value), "secret", LOOSE)


_TELLING_SIGNS = r"(?i:passw|secret|token|key|credential|jwt|signature)"
_SPOKEN_SIGNS = r"(?i:passw|passphrase|pwd|passcode)"


_OPTION = (
    r"[ \t]-u[ =]?[^\s]+[ \t]+-p[ =]?|\bredis-cli\b[^\n|;]*[ \t]-a[ \t]+"
    r"|\bssh-keygen\b[^\n|;]*[ \t]-N[ \t]+"
    r"|\bldap(?:search|modify|add|delete|whoami|passwd)\b[^\n|;]*[ \t]-w[ \t]*|\bsnmp-server community[ \t]+"
)
"""Options of well-known tools that take a password."""


def detectors() -> tuple[Detector, ...]:
    """Returns the detectors that go by names; the first is the general one."""
    word = _SPOKEN
    return (
        Detector("assignment", rf"(?i:{_WORDS})", _find),
        _spaced(
            r"(?:^|[\s\"'`,\[])-(?:src|dest)?(?:store|key)pass[ \t]+",
            "(?:store|key)pass ",
            rank=KEYED,
            sure=True,
        ),
        _spaced(_OPTION, " -p|redis-cli|ssh-keygen|ldap|snmp-server", rank=KEYED, sure=True),
        _spaced(
            rf"(?:^|[\s\"'`,\[])--?[\w-]*{word}[ \t]+",
            UNGATED,
            rank=KEYED,
            sure=True,
            signs=_SPOKEN_SIGNS,
        ),
        _spaced(
            rf"(?i:\b(?:login|user|username|account)[ \t]+[^\s]+[ \t]+{word}[ \t]+)",
            UNGATED,
            rank=KEYED,
            sure=True,
            signs=_SPOKEN_SIGNS,
        ),
        _spaced(
            rf"\b{word}(?i:[ \t]+(?:is|was|of|set to|changed to|[057]))?[ \t]+",
            UNGATED,
            rank=LOOSE,
            sure=False,
            signs=_SPOKEN_SIGNS,
        ),
        _spaced(
            r"(?i:\bidentified[ \t]+(?:with[ \t]+[\w\"']+[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+|values[ \t]+)?)",
            r"(?i:identified)",
            rank=KEYED,
            sure=True,
        ),
        _spaced(r"(?i:\bpassword\()", r"(?i:password\()", rank=KEYED, sure=True),
        _spaced(
            rf"(?i:\b{word}[ \t]+for[ \t]+(?:user[ \t]+)?[^\s]+?(?:[ \t]+(?:is|was)|:)[ \t]+)",
            UNGATED,
            rank=LOOSE,
            sure=False,
            signs=_SPOKEN_SIGNS,
        ),
        _spaced(
            r"(?:^|[\s\"'`,\[])--?[\w-]*(?:token|secret|key)[ \t]+",
            r"-(?:token|secret|key)",
            rank=LOOSE,
            sure=False,
        ),
        _spaced(
            r"\b(?:docker|podman|helm|oras|skopeo|crane|oc|az|buildah)\b[^\n|;]* login\b[^\n|;]*[ \t]-p[ \t=]*",
            " login ",
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            r"(?i:\b(?:requirepass|masterauth|sshpass[ \t]+-p|rootpw(?:[ \t]+--\w+)*)[ \t]*)",
            r"(?i:requirepass|masterauth|sshpass|rootpw)",
            rank=KEYED,
            sure=True,
        ),
        _spaced(r"\bmysql\w*[^\n|;]*[ \t]-p", r"mysql", rank=LOOSE, sure=False),
        Detector("near", UNGATED, _find_near, _TELLING_SIGNS),
    )
