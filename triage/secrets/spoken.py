"""Finds secrets that a word, an option or a command announces, with nothing but white space between.

Passwords in prose and in options of tools, random values beside a telling word, values alone on a line
behind a line that announces them. Refuses words: what is told so has to look random, unless the word
can mean nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixstream.triage.secrets import values
from fixstream.triage.secrets.keys import Trust, is_id_key, judge
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
from fixstream.triage.secrets.wordlike import is_jumbled, is_made_of_words, typed_end


def _spaced(prefix: str, gate: str, *, rank: int, sure: bool) -> Detector:
    """Makes a detector for a value that only white space divides from a telling word."""
    compiled = compile_bytes(prefix)

    def find(text: bytes) -> Iterator[Find]:
        for first, begin in compiled.spans(text):
            start, end, quoted = values.read(text, begin, whole_line=False, percent=False)
            is_listed = text[first:begin].rstrip().endswith((b'",', b"',"))
            if is_listed and (not quoted or b" " in text[start:end]):
                continue  # Another argument of a call that declares the option.
            value = text[start:end].rstrip(b".,:;?") if not quoted else text[start:end]
            if (
                values.is_stand_in(value)
                or values.is_prose(value)
                or value.startswith((b"-", b"/"))
            ):
                continue
            if quoted and _SIGNIFICANT.search(value) is None:
                continue  # What stands between two other values.
            if sure or quoted or values.looks_random(value, 6) or is_jumbled(value):
                yield (start, start + len(value), "password", rank)

    return Detector("password", gate, find)


_SIGNIFICANT = re.compile(rb"[^\s,;:+&|]")
_SPOKEN = r"(?i:passw(?:or)?d|passphrase|pwd|passcode)"
_TELLING = (
    r"(?i:(?:\b|_)(?:passw(?:or)?d|secret|token|api[ _-]?key|access[ _-]?key|secret[ _-]?key|private[ _-]?key|"
    r"encryption[ _-]?key|signing[ _-]?key|unseal[ _-]?key(?: \d{1,2})?|credentials?|key|jwt|signature|unseal))"
)
_CONNECTORS = (
    r"(?i:[ \t\"'`(\[<:#\\]{1,4}(?:(?:was|is|value|of|for|with|to|as|provided|supplied|given|rejected|"
    r"invalid|using|header|ending|named)[ \t\"'`(:=\[<\\]{1,3}){0,2})"
)
_NEAR = compile_bytes(rf"{_TELLING}{_CONNECTORS}[\w+/=.~-]{{16}}")
_CANDIDATE = re.compile(rb"[\w+/=.~-]{16,512}$")
_UUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_BARE_KEY = (b"key ", b"key:", b"key=", b"key'", b'key"', b"key(")
_RUN = re.compile(rb"[\w+/=.~-]{8,4096}")


_NAME_BEFORE, _NAME_AFTER = re.compile(rb"\w{1,40}$"), re.compile(rb"_[A-Za-z]+")


def _is_no_secret(text: bytes, position: int) -> bool:
    """Tells whether the name whose last word begins at `position` says nothing: `DEDUP_TOKEN`."""
    before = _NAME_BEFORE.search(text, max(0, position - 40), position)
    word = _NAME_AFTER.match(text, position)
    name = (before[0] if before else b"") + (word[0] if word else b"")
    return judge(name.decode("latin-1")).trust is Trust.NONE


def _find_near(text: bytes) -> Iterator[Find]:
    """Finds a random-looking run beside a telling word."""
    for begin, end in _NEAR.spans(text):
        run = _CANDIDATE.search(text, begin, end)
        whole = _RUN.match(text, run.start()) if run else None
        if whole is None:
            continue
        value = whole[0].rstrip(b".")
        before = text[begin - 1 : begin]
        if text[begin : begin + 1] == b"_" and _is_no_secret(text, begin):
            continue
        if before == b"/" and text[begin : whole.start()].endswith(b": "):
            continue  # Of a map of digests, `checksum/secret: x`.
        if text[begin : begin + 4].lower() in _BARE_KEY and (
            len(value) < 20 or values.is_digest(value) or is_id_key(text, begin)
        ):
            continue  # Keys of maps, caches and signatures are ids, public ones no secret.
        is_id = _UUID.fullmatch(value) and text[begin : begin + 3].lower() in (
            b"tok",
            b"api",
            b"sec",
        )
        if (is_id or values.looks_random(value)) and PLACEHOLDER.match(value) is None:
            yield (whole.start(), whole.start() + len(value), "secret", VAGUE)


def _paired() -> Detector:
    """Makes the detector for a user with a password, `creds: ann/Tr0ub4dor` and `admin:Tr0ub4dor`."""
    prefix = compile_bytes(
        r"(?:(?i:\b(?:creds?|credentials|log(?:ged)? ?in)(?: (?:are|is|as|with|using))?)[ \t:='\"(]{1,3}[\w.@+\[\]-]{2,64}"
        r"|\b(?:admin|root|administrator|postgres)) ?[:/|] ?"
    )

    def find(text: bytes) -> Iterator[Find]:
        for _, start in prefix.spans(text):
            end = typed_end(text, start)
            if end > start:
                yield start, end, "password", LOOSE

    return Detector(
        "paired",
        r"[Cc]red(?:s|entials)?[ :=]|[Ll]og(?:in|ged in| in)[ :=]|(?:admin|root|administrator|postgres)[:/]",
        find,
    )


def _prompted() -> Detector:
    """Makes the detector for what was typed at a prompt, `Password for ann: monkey`, to the line's end."""
    prefix = compile_bytes(rf"(?i:\b{_SPOKEN}[ \t]+for[ \t]+(?:user[ \t]+)?)[^\s]+?:[ \t]+")
    typed = re.compile(rb"([^\s\"'<>()\[\]{}]*[\w!?$%&#*@])[ \t]*(?:\r?\n|$)")

    def find(text: bytes) -> Iterator[Find]:
        for _, start in prefix.spans(text):
            value = typed.match(text, start)
            if value is None or values.is_stand_in(value[1]) or values.is_prose(value[1]):
                continue
            yield start, value.end(1), "password", LOOSE

    return Detector("prompted", rf"{_SPOKEN}[ \t]for[ \t]", find)


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


def _declared() -> Detector:
    """Makes the detector for lines of a name and a value, as in `ENV DB_PASSWORD x` and properties."""
    line = compile_bytes(
        rf"(?m)^[ \t|]*(?:(?:ENV|setenv|(?i:setx)|export|set|#[ \t]*define)[ \t]+)?[\w.-]*{_DECLARABLE}[\w.-]*(?:[ \t]+|[ \t]*\|[ \t]*)[^\s|]+[ \t|]*\r?$"
    )

    def find(text: bytes) -> Iterator[Find]:
        for begin, end in line.spans(text):
            *declared, name, word = text[begin:end].replace(b"|", b" ").split()
            value = word.strip(b"\"'")
            is_told = (bool(declared) and declared != [b"#define"]) or value != word
            if declared[:1] == [b"#define"] and not is_told:
                continue  # Numbers of names, as headers have them.
            is_told = is_told or _IS_MIXED.match(value) is not None or is_jumbled(value)
            verdict = judge(name[-120:].decode("latin-1"))
            if verdict.trust is not Trust.STRONG or not is_told or values.is_expression(value):
                continue
            if not values.is_stand_in(value) and not values.is_prose(value):
                start = text.rindex(value, begin, end)
                yield start, start + len(value), verdict.kind, LOOSE

    return Detector("declared", rf"{_DECLARABLE}[\w.-]*[ \t|]", find)


_DECLARABLE = r"(?i:passw(?:or)?d|passphrase|secret|token|api_?key|access_?key|bindpw|rootpw)"
_IS_MIXED = re.compile(rb"(?=[^A-Za-z]*[A-Za-z])(?=\D*\d)[^\[\]()<>=:]{6,}$")


def _mapped() -> Detector:
    """Makes the detector for maps under a name for secrets, `secrets:` over lines of `name: value`."""
    head = compile_bytes(
        r"(?m)^[ \t]*[\"']?(?:secrets|passwords|stringData|credentials|tokens|api_?[kK]eys|data)[\"']?[ \t]*:[ \t]*\{?[ \t]*\r?\n"
    )
    line = re.compile(
        rb"[ \t]+[\"']?[\w./-]+[\"']?[ \t]*:[ \t]*[\"']?([^\s\"',]{8,4096})[\"']?,?[ \t]*(?:\r?\n|$)"
    )

    def find(text: bytes) -> Iterator[Find]:
        is_secret = _KIND.search(text) is not None
        for begin, start in head.spans(text):
            is_data = b"data" in text[begin:start]
            if is_data and not is_secret:
                continue
            position = start
            while (entry := line.match(text, position)) is not None:
                position, value = entry.end(), entry[1]
                if values.looks_random(value, 8) or (is_data and _BASE64.match(value)):
                    yield entry.start(1), entry.end(1), "secret", LOOSE

    return Detector("mapped", _MAPPED_SIGNS, find)


_KIND = re.compile(rb"kind[\"']?:[ \t]*[\"']?Secret\b")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")
_MAPPED_SIGNS = r"(?:secrets|passwords|credentials|tokens|[kK]eys)[\"']?[ \t]*:|stringData|kind[\"']?:[ \t]*[\"']?Secret"


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


_SPOKEN_SIGNS = rf"{_SPOKEN}(?:[ \t]|[=-]>|[\"'],)"
_NEAR_SIGNS = (
    r"(?i:passw(?:or)?d|secret|token|key(?: \d{1,2})?|credentials?|jwt|signature|unseal)"
    r"[ \t\"'`(\[<:#\\]"
)
_ANNOUNCED_SIGNS = r"(?i:passw|token|secret|key|passphrase)[^\n:]*:[ \t]*\r?\n"
"""What the patterns of those detectors cannot do without, as much of it as costs no counting."""


_GAP = r"(?:[ \t]+|[\"'],\s*)"
"""Between an option and its value, on a command line or in a list of arguments."""
_OPTION = (
    r"[ \t\"'\[]-u(?:[ =]?|[\"'],[ \t]*[\"'])[^\s\"',]+[\"']?,?[ \t]+[\"']?-p(?:[\"'],[ \t]*|[ =]?)|\bredis-cli\b[^\n|;]*[ \t]-a[ \t]+"
    r"|\bssh-keygen\b[^\n|;]*[ \t]-N[ \t]+"
    r"|\bopenssl\b[^\n|;]*[ \t]-[kK][ \t]+|\bvault[ \t]+login[ \t]+|\bnet[ \t]+use[ \t]+(?:[A-Za-z]:[ \t]+)?\\\\[^\s]+[ \t]+(?:/user:[^\s]+[ \t]+)?"
    r"|\b(?:sqlcmd|bcp|osql|isql|(?:un)?zip)\b[^\n|;]*[ \t]-P[ \t]*|\b7z[ar]?\b[^\n|;]*[ \t]-p|\blftp\b[^\n|;]*[ \t]-u[ \t]+[^\s,]+,"
    r"|\bcrypto[ \t]+isakmp[ \t]+key[ \t]+(?:\d[ \t]+)?|\bwpa-psk[ \t]+(?:ascii|hex)[ \t]+\d[ \t]+"
    r"|\bgh[ \t]+secret[ \t]+set\b[^\n|;]*[ \t](?:--body|-b)[ \t=]+|\bpulumi[ \t]+config[ \t]+set\b[^\n|;]*[ \t]--secret[ \t]+[\w:.-]+[ \t]+"
    r"|:_(?:authToken|password|auth)[ \t]+|\buser[ \t]+\w+[ \t]+on >"
    r"|\b(?:plink|pscp|psftp|putty)\b[^\n|;]*[ \t]-pw[ \t]+|\bx?freerdp\b[^\n|;]*[ \t]/p:|\bipmitool\b[^\n|;]*[ \t]-P[ \t]+|\bsnmp\w+[ \t][^\n|;]*-c[ \t]+"
    r"|\brabbitmqctl[ \t]+(?:add_user|change_password|authenticate_user)[ \t]+[^\s]+[ \t]+"
    r"|\bhtpasswd[ \t]+-(?:nb|bn)\w*[ \t]+[^\s]+[ \t]+|\bhtpasswd[ \t]+-b\w*[ \t]+[^\s]+[ \t]+[^\s]+[ \t]+"
    r"|:[ \t]+PSK[ \t]+|\bUSER[ \t]+[^\s]+\r?\n(?:[^\n]{0,80}\n)?[^\n]{0,60}\bPASS[ \t]+|\b[A-Za-z]{1,2}\d{1,5}[ ]LOGIN[ ][^\s]+[ ]"
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
            " -[pP]|redis-cli|lftp|ssh-keygen|openssl|vault|net use|ldap|snmp-server| isakmp|wpa-psk|rabbitmqctl|htpasswd -|freerdp|snmp|gh secret|pulumi|:_auth|:_pass| on >| PSK|PASS |LOGIN",
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            rf"(?:^|[\s\"'`,\[])--?[\w-]*{word}{_GAP}",
            _SPOKEN_SIGNS,
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            rf"(?i:\b(?:(?:user|username|account)[ \t]+[^\s/]+[ \t]+|log(?:in|ged in)[ \t]+(?:as[ \t]+)?[^\s]+\s+)(?:(?:and|with|using)[ \t]+)?{word}[ \t]+)",
            _SPOKEN_SIGNS,
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            rf"(?:\b|[a-z_]){word}(?i:[ \t]+(?:(?:is|was|has been)[ \t]+)?(?:is|was|of|(?:re)?set to|(?:changed|updated|rotated)(?: from)?(?: to)?|[057]):?)?(?:[ \t]+|[ \t]*[=-]>[ \t]*)",
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
            rf"(?i:\b{word}[ \t]+(?:(?:is[ \t]+)?generated[ \t]+)?for[ \t]+(?:the[ \t]+)?(?:user[ \t]+)?[^\s]+?(?:[ \t]+user)?(?:[ \t]+(?:is|was):?|:)[ \t]+|\bpassword[ \t]+\w+[ \t]+=[ \t]+)",
            _SPOKEN_SIGNS,
            rank=LOOSE,
            sure=False,
        ),
        _spaced(
            r"(?m)^[ \t]*(?:-[ \t]+)?[\"']?--[\w-]*(?:password|token|secret|key)[\"']?,?[ \t]*\r?\n[ \t]*(?:-[ \t]+)?",
            r"-(?:password|token|secret|key)[\"']?,?[ \t]*\r?\n",
            rank=LOOSE,
            sure=False,
        ),
        _paired(),
        _mapped(),
        _prompted(),
        _spaced(
            rf"(?:^|[\s\"'`,\[])--?[\w-]*(?:token|secret|key){_GAP}",
            r"-(?:token|secret|key)",
            rank=LOOSE,
            sure=False,
        ),
        _spaced(
            r"\b(?:docker|podman|helm|oras|skopeo|crane|oc|az|buildah|cf)\b[^\n|;]*\blogin\b[^\n|;]*[ \t\"']-p(?:[\"'],[ \t]*|[ \t=]*)",
            r"login[ '\"]",
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            rf"(?i:\b(?:requirepass|masterauth|sshpass[ \t]+-p|rootpw(?:[ \t]+--\w+)*)(?:{_GAP}|\b|))",
            r"(?i:requirepass|masterauth|sshpass|rootpw)",
            rank=KEYED,
            sure=True,
        ),
        _spaced(
            r"\b(?:mysql|mariadb)\w*[ \t\"'][^\n|;]*[ \t\"']-p",
            r"mysql|mariadb",
            rank=LOOSE,
            sure=True,
        ),
        after_prefix(
            "password",
            r"(?i:\bnet[ \t]+user[ \t]+[^\s/]+[ \t]+)",
            r"[^\s/*][^\s]+",
            gate=r"(?i:net[ \t]+user[ \t])",
        ),
        _declared(),
        Detector("near", _NEAR_SIGNS, _find_near),
        after_prefix(
            "one_time_code",
            r"(?i:\b(?:verification|security|one[- ]time|otp|2fa|mfa|login|confirmation)(?: pass)?[ -]?(?:code|pin)(?: is|:| =|=)? |\byour code(?: is|:) |\bpin code(?: is|:| =|=) ?)|\bPIN(?: is|:| =|=) ?",
            r"\d{4,8}\b",
            gate=r"(?i:(?:code|pin)(?: is|:| =|=)? ?\d)",
            rank=LOOSE,
        ),
        after_prefix(
            "secret",
            r"(?i:\b(?:(?:seed|recovery|mnemonic|backup|secret)[ _-]?(?:phrase|words?)|mnemonic)\b[\"']?[ \t]*[:=]?[ \t]*[\"']?)",
            r"[a-z]{3,8}(?: [a-z]{3,8}){11,23}\b",
        ),
        _mail_login(),
        _announced(),
    )
