"""Finds secrets that a word, an option or a command announces, with nothing but white space between.

Passwords in prose and in options of tools, random values beside a telling word, values alone on a line
behind a line that announces them. Refuses words: what is told so has to look random, unless the word
can mean nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixstream.triage.secrets import values
from fixstream.triage.secrets.model import (
    KEYED,
    LOOSE,
    NUMBERS,
    PLACEHOLDER,
    VAGUE,
    Detector,
    Find,
    after_prefix,
    compile_bytes,
)
from fixstream.triage.secrets.wordlike import is_made_of_words


def _spaced(prefix: str, gate: str, *, rank: int, sure: bool) -> Detector:
    """Makes a detector for a value that only white space divides from a telling word."""
    compiled = compile_bytes(prefix)

    def find(text: bytes) -> Iterator[Find]:
        for _, begin in compiled.spans(text):
            start, end, quoted = values.read(text, begin, whole_line=False, percent=False)
            value = text[start:end].rstrip(b".,:;?") if not quoted else text[start:end]
            if values.is_stand_in(value) or values.is_prose(value) or value.startswith(b"-"):
                continue
            if sure or quoted or values.looks_random(value, 6):
                yield (start, start + len(value), "password", rank)

    return Detector("password", gate, find)


_SPOKEN = r"(?i:passw(?:or)?d|passphrase|pwd|passcode)"
_TELLING = (
    r"(?i:(?:\b|_)(?:passw(?:or)?d|secret|token|api[ _-]?key|access[ _-]?key|secret[ _-]?key|private[ _-]?key|"
    r"encryption[ _-]?key|signing[ _-]?key|unseal[ _-]?key(?: \d{1,2})?|credentials?|key|jwt|signature|unseal))"
)
_CONNECTORS = (
    r"(?i:[ \t\"'`(\[<:#\\]{1,4}(?:(?:was|is|value|of|for|with|provided|supplied|given|rejected|"
    r"invalid|using|header|ending|named)[ \t\"'`(:=\[<\\]{1,3}){0,2})"
)
_NEAR = compile_bytes(rf"{_TELLING}{_CONNECTORS}[\w+/=.~-]{{16}}")
_CANDIDATE = re.compile(rb"[\w+/=.~-]{16,512}$")
_UUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_BARE_KEY = (b"key ", b"key:", b"key=", b"key'", b'key"', b"key(")
_RUN = re.compile(rb"[\w+/=.~-]{8,4096}")


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
        is_id = _UUID.fullmatch(value) and text[begin : begin + 3].lower() in (b"tok", b"api")
        if (is_id or values.looks_random(value)) and PLACEHOLDER.match(value) is None:
            yield (whole.start(), whole.start() + len(value), "secret", VAGUE)


def _announced() -> Detector:
    """Makes the detector for a value alone on a line, behind a line that announces it."""
    prefix = compile_bytes(
        r"(?i:passw(?:or)?d|token|secret|api[ _-]?key|passphrase)[^\n:]{0,80}:[ \t]*\r?\n\s{0,40}"
    )
    alone = re.compile(rb"[\w+/=.-]{16,512}(?=[ \t]*(?:\r?\n|$))")

    def find(text: bytes) -> Iterator[Find]:
        for _, start in prefix.spans(text):
            value = alone.match(text, start)
            if value is not None and values.looks_random(value[0]):
                yield (start, value.end(), "password", LOOSE)

    return Detector("announced", _ANNOUNCED_SIGNS, find, NUMBERS)


def _mail_login() -> Detector:
    """Makes the detector for `AUTH` of SMTP, IMAP, POP3 and Redis."""
    prefix = compile_bytes(
        r"\b(?:AUTH|AUTHENTICATE)(?: |=)(?:(?:PLAIN|LOGIN|XOAUTH2)[ =])?(?:default )?[\"']?"
    )

    def find(text: bytes) -> Iterator[Find]:
        for _, start in prefix.spans(text):
            run = _RUN.match(text, start)
            if run is not None and values.looks_random(run[0], 8) and not is_made_of_words(run[0]):
                yield (start, run.end(), "authorization", KEYED)

    return Detector("login", r"AUTH", find)


_SPOKEN_SIGNS = rf"{_SPOKEN}(?:[ \t]|[=-]>)"
_NEAR_SIGNS = (
    r"(?i:passw(?:or)?d|secret|token|key(?: \d{1,2})?|credentials?|jwt|signature|unseal)"
    r"[ \t\"'`(\[<:#\\]"
)
_ANNOUNCED_SIGNS = r"(?i:passw|token|secret|key|passphrase)[^\n:]*:[ \t]*\r?\n"
"""What the patterns of those detectors cannot do without, as much of it as costs no counting."""


_OPTION = (
    r"[ \t]-u[ =]?[^\s]+[ \t]+-p[ =]?|\bredis-cli\b[^\n|;]*[ \t]-a[ \t]+"
    r"|\bssh-keygen\b[^\n|;]*[ \t]-N[ \t]+"
    r"|\bopenssl\b[^\n|;]*[ \t]-[kK][ \t]+|\bvault[ \t]+login[ \t]+|\bnet[ \t]+use[ \t]+(?:[A-Za-z]:[ \t]+)?\\\\[^\s]+[ \t]+"
    r"|\bldap(?:search|modify|add|delete|whoami|passwd)\b[^\n|;]*[ \t]-w[ \t]*|\bsnmp-server community[ \t]+"
)
"""Options of well-known tools that take a password."""


def detectors() -> tuple[Detector, ...]:
    """Returns the detectors of this module."""
    word = _SPOKEN
    return (
        _spaced(
            r"(?:^|[\s\"'`,\[])-(?:src|dest)?(?:store|key)pass[ \t]+",
            "(?:store|key)pass ",
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            _OPTION,
            " -p|redis-cli|ssh-keygen|openssl|vault|net use|ldap|snmp-server",
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            rf"(?:^|[\s\"'`,\[])--?[\w-]*{word}[ \t]+",
            _SPOKEN_SIGNS,
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            rf"(?i:\b(?:login|user|username|account)[ \t]+[^\s]+[ \t]+{word}[ \t]+)",
            _SPOKEN_SIGNS,
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            rf"\b{word}(?i:[ \t]+(?:is|was|of|set to|changed to|[057]):?)?(?:[ \t]+|[ \t]*[=-]>[ \t]*)",
            _SPOKEN_SIGNS,
            rank=LOOSE,
            sure=False,
        ),
        _spaced(
            r"(?:\bIDENTIFIED|(?i:\b(?:user|role|grant|alter|create)\b[^\n;]{1,80}\bidentified))(?i:[ \t]+(?:with[ \t]+[\w\"']+[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+|values[ \t]+)?)",
            r"(?i:identified)",
            rank=KEYED,
            sure=True,
        ),
        _spaced(r"(?i:\bpassword\()", r"(?i:password\()", rank=KEYED, sure=True),
        _spaced(
            rf"(?i:\b{word}[ \t]+for[ \t]+(?:user[ \t]+)?[^\s]+?(?:[ \t]+(?:is|was)|:)[ \t]+)",
            _SPOKEN_SIGNS,
            rank=LOOSE,
            sure=False,
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
        Detector("near", _NEAR_SIGNS, _find_near),
        after_prefix(
            "one_time_code",
            r"(?i:\b(?:verification|security|one[- ]time|otp|2fa|mfa|login|confirmation)(?: pass)?[ -]?(?:code|pin)(?: is|:| =|=)? )",
            r"\d{4,8}\b",
            gate=r"(?i:(?:code|pin)(?: is|:| =|=)? \d)",
            rank=LOOSE,
        ),
        _mail_login(),
        _announced(),
    )
