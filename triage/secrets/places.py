"""Finds secrets by the place where they stand: URLs, connection strings, headers, files.

Private keys in any wrapping, password hashes, cookies, `.pgpass` lines, calls with credentials.
"""

from __future__ import annotations

import binascii
import re
from collections import deque
from collections.abc import Iterator

from fixstream.triage.secrets import values
from fixstream.triage.secrets.checks import is_basic_credentials
from fixstream.triage.secrets.model import (
    EXACT,
    KEYED,
    LOOSE,
    NUMBERS,
    PLACEHOLDER,
    RUNS,
    Detector,
    Find,
    after_prefix,
    compile_bytes,
)

_KEY_KIND = r"(?:[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?|OpenVPN Static key V1) ?-----?"
_BEGIN = compile_bytes(rf"-----? ?BEGIN {_KEY_KIND}")
_END = compile_bytes(rf"-----? ?END {_KEY_KIND}")
_KEY_BODY = re.compile(rb"(?:[A-Za-z0-9+/=\s\\,\"'|>:-]|%[0-9A-Fa-f]{2})*")
_KEY_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\\ \t\r\n\f\v"
_MAX_KEY = 16_384


def _private_keys(text: bytes) -> Iterator[Find]:
    """Finds whole keys, keys without an end, and ends without a beginning."""
    begins, ends = deque(_BEGIN.spans(text)), deque(_END.spans(text))
    position = 0
    while begins or ends:
        if not begins or (ends and ends[0] < begins[0]):
            first, stop = ends.popleft()
            window = text[max(position, first - _MAX_KEY) : first]
            start = first - len(window) + len(window.rstrip(_KEY_BYTES))
        else:
            start, head = begins.popleft()
            if start < position:
                continue
            is_whole = bool(ends) and ends[0][0] - head <= _MAX_KEY
            stop = ends.popleft()[1] if is_whole else _cut_key_end(text, head)
        if start >= position:
            yield (start, stop, "private_key", EXACT)
            position = stop


def _cut_key_end(text: bytes, head: int) -> int:
    """Returns where the body of a key ends that is cut off; `head` is the end of its first line."""
    body = _KEY_BODY.match(text, head, head + _MAX_KEY)
    stop = body.end() if body else head
    return head + len(text[head:stop].rstrip(b" \t\r\n\"'\\,:|>-"))


_USERINFO = r"(?:://|%3A%2F%2F)[^\s\"'<>`\\]*@"
_AUTHORITY = compile_bytes(rf"[A-Za-z][A-Za-z0-9+.-]*{_USERINFO}")
_HOSTLIKE = re.compile(rb"[\w.-]+(?::\d{1,5})?(?:[/?#,\s]|$)|\[[0-9a-fA-F:.]+\]")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*(?:://|%3A%2F%2F)")


_PLAIN_LOGIN = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[\w.%+-]{0,20}:([A-WYZa-wyz0-9][^/?#@]*)@")
"""Most logins: a short name, and a password that is no stand-in and has no mark of a URL in it."""


def _userinfo_end(text: bytes, start: int, end: int) -> int:
    """Returns where the userinfo of an address at `start` ends, looking no further than `end`.

    Usually that is the last `@` before the path. A password may itself hold `/`, `?` and `#`
    against the rules; then what follows the `@` would not be a host.
    """
    stops = [place for char in (b"/", b"?", b"#") if (place := text.find(char, start, end)) >= 0]
    authority = min(stops, default=end)
    at = text.rfind(b"@", start, authority)
    if at >= 0 and _HOSTLIKE.match(text, at + 1):
        return at
    if at < 0 and authority < end and re.match(rb"[^:@]*:\d{1,5}$|[^:@]*$", text[start:authority]):
        return -1
    return text.rfind(b"@", start, end)


def _userinfo(text: bytes) -> Iterator[Find]:
    """Finds the password of a URL's userinfo, or a token in place of the user's name."""
    for first, last in _AUTHORITY.spans(text):
        plain = _PLAIN_LOGIN.fullmatch(text, first, last)
        if plain is not None:
            yield plain.start(1), last - 1, "password", EXACT
            continue
        marked = text.rfind(b":[", first, last)
        if marked >= 0 and PLACEHOLDER.fullmatch(text, marked + 1, last - 1):
            continue  # Done before.
        scheme = _SCHEME.match(text, first)
        assert scheme is not None
        end = _userinfo_end(text, scheme.end(), last)
        if end >= 0:
            yield from _in_userinfo(text, scheme.end(), end)


def _in_userinfo(text: bytes, start: int, end: int) -> Iterator[Find]:
    """Finds what is secret in the userinfo at `[start, end)`."""
    colon = text.find(b":", start, end)
    user_end, has_password = (colon, colon < end - 1) if colon >= 0 else (end, False)
    if has_password and not values.is_variable(text[colon + 1 : end]):
        yield (colon + 1, end, "password", EXACT)
    if values.looks_random(text[start:user_end], 24 if has_password else 16):
        yield (start, user_end, "token", EXACT)


_ENCODED = compile_bytes(r"(?:^|[\s\"'=:,(\[{>])[A-Za-z0-9+/_-]{40,}={0,2}")


_LONG_RUN = r"[A-Za-z0-9+/_-]{40}"
"""Forty characters of base64 together; most texts have no such run."""
_BEARER = re.compile(rb"[\w.~+/=-]{8,8192}")


def _scheme_tokens(text: bytes) -> Iterator[Find]:
    """Finds `Bearer x` and `Basic x` anywhere."""
    for first, reached in _AUTH_SCHEME.spans(text):
        last = reached - _MIN_BEARER
        run = _BEARER.match(text, last)
        assert run is not None
        value = run[0].rstrip(b".,")
        word = text[first:last].strip(b" \"':=\\").lower()
        basic = word.startswith(b"basic")
        is_id = not basic and _UUID.fullmatch(value) is not None
        if is_id or (is_basic_credentials(value) if basic else values.looks_random(value, 8)):
            yield (run.start(), run.start() + len(value), "basic_auth" if basic else "token", KEYED)


_UUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_MIN_BEARER = 8
_SCHEMED = r"(?i:\b(?:bearer|basic)[ \t\"':=\\]+(?:%20)?)[\w.~+/=-]"
_AUTH_SCHEME = compile_bytes(rf"{_SCHEMED}{{{_MIN_BEARER}}}")
_COOKIE_HEADER = compile_bytes(r"(?i:\bcookie2?\\?[\"']?[ \t]*[:=][ \t]*(?:b?\\?[\"'])?)")
_COOKIE_PAIR = re.compile(rb"[ \t]*([\w.$!%*+^|~-]+)=([^;\s\"'\\,]*)[ \t]*;?")
_PLAIN_COOKIE = re.compile(
    rb"(?i)^(?:path|domain|expires|max-age|samesite|secure|httponly|priority|partitioned|version"
    rb"|lang|language|locale|theme|tz|timezone|currency|country)$"
)


def _cookies(text: bytes) -> Iterator[Find]:
    """Finds the values of cookies in `Cookie` and `Set-Cookie` headers; names and attributes stay."""
    for _, start in _COOKIE_HEADER.spans(text):
        position = start
        while (pair := _COOKIE_PAIR.match(text, position)) is not None and pair.end() > position:
            if not _PLAIN_COOKIE.match(pair[1]) and not values.is_stand_in(pair[2]):
                yield (pair.start(2), pair.end(2), "cookie", KEYED)
            position = pair.end()


_LONG_HEADERS = r"(?i:\b(?:proxy-)?authorization\\?[\"']?[ \t]*[:=][ \t]*\\?[\"']?(?:digest|aws4-hmac-sha256|oauth|hawk|negotiate|ntlm|signature)[ \t]+)"
_LONG_HEADER = compile_bytes(_LONG_HEADERS)
_HEADER_FIELD = re.compile(
    rb"(?i)(?:signature|response|nonce|cnonce|oauth_\w+|mac|credential)=\\?\"?([^\s\",\\]+)"
)


def _long_headers(text: bytes) -> Iterator[Find]:
    """Finds the telling fields of authorization headers that have many."""
    for _, start in _LONG_HEADER.spans(text):
        line_end = text.find(b"\n", start, start + 4096)
        end = line_end if line_end >= 0 else min(len(text), start + 4096)
        fields = list(_HEADER_FIELD.finditer(text, start, end))
        for field in fields:
            if not values.is_stand_in(field[1]):
                yield (field.start(1), field.end(1), "authorization", KEYED)
        run = _BEARER.match(text, start)
        if not fields and run is not None:
            yield (run.start(), run.end(), "authorization", KEYED)


_PGPASS_LINE = compile_bytes(
    r"(?m)^(?:(?:localhost|\*|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+):(?:\d{4,5}|\*):[\w*.-]+"
    r"|[A-Za-z0-9-]+:(?:\d{4,5}:\*|[56]43[2-9]:[A-Za-z_][\w-]*)):[\w*.@-]+:[^\s:]+$"
)
_SOURCE_FILE = re.compile(
    rb"\.(?:py|js|ts|c|cc|cpp|h|hpp|go|rs|java|kt|rb|php|cs|scala|swift|m|pl|sh):"
)


def _pgpass(text: bytes) -> Iterator[Find]:
    for start, end in _PGPASS_LINE.spans(text):
        line = text[start:end]
        value = line.rsplit(b":", 1)[1]
        if not _SOURCE_FILE.search(line) and not values.is_stand_in(value):
            yield (end - len(value), end, "password", KEYED)


def _encoded(strong: tuple[Detector, ...]) -> Detector:
    """Makes a detector for secrets wrapped in base64: it decodes a run and looks inside once."""

    def find(text: bytes) -> Iterator[Find]:
        for first, end in _ENCODED.spans(text):
            run = text[first:end].lstrip(b" \t\r\n\f\v\"'=:,([{>")
            start = end - len(run)
            if PLACEHOLDER.match(run):
                continue
            try:
                # Mostly keys and digests: their first bytes are no text.
                if binascii.a2b_base64(run[:16].translate(_URL_SAFE)).translate(None, _TEXT_BYTES):
                    continue
                body = run.rstrip(b"=")[:8192].translate(_URL_SAFE)
                decoded = binascii.a2b_base64(body + b"=" * (-len(body) % 4))
            except (binascii.Error, ValueError):
                continue
            if decoded[:64].translate(None, _TEXT_BYTES):
                continue
            if any(True for detector in strong for _ in detector.find(decoded)):
                yield (start, end, "encoded_secret", LOOSE)

    return Detector("encoded", _LONG_RUN, find, RUNS)


_TEXT_BYTES = bytes(range(32, 127)) + b"\r\n\t"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_QUOTED_ARG = r"(?:\$[\w>-]+,[ \t]*)?[\"'][^\"'\n]*[\"'][ \t]*,[ \t]*"
_CALL_ENDS = (
    r"(?i:login|logon|log_in|sign_?in|authenticate|auth|handler|authentication|token|credentials?|userpassword|usernamepassword|authprovider"
    r"|wifi\.begin)[ \t]*\([ \t]*[\"'$]"
)
"""The gate of `_CALLS`: how their names end, for beginnings that are common cost more."""
_CALLS = (
    r"(?i:\w*login|db\.auth|\w*userpassword|\w*authprovider|oauth\w*|wifi\.begin|logon|log_in|signin|sign_in|authenticate|basicauth|basic_auth|httpbasicauth|http_basic_auth|"
    r"passwordauthentication|usernamepassword\w*|networkcredential|\w*credentials?)"
)


def detectors(strong: tuple[Detector, ...]) -> tuple[Detector, ...]:
    """Returns the detectors that go by places; `strong` ones are used inside encoded text."""
    quoted = r"[^\"'\n]+"
    return (
        Detector("private_key", r"PRIVATE KEY|Static key", _private_keys, leads=True),
        after_prefix(
            "private_key",
            r"Private-Lines: \d+\s+",
            r"(?:[A-Za-z0-9+/=]{4,}\s*)+",
            gate="Private-Lines",
        ),
        after_prefix("private_key", r"Private-MAC: ", r"[0-9a-f]{32,}"),
        Detector("userinfo", _USERINFO, _userinfo, leads=True),
        _go_dsn(),
        after_prefix(
            "twilio_key",
            r"\bAC[0-9a-f]{32}\\?[\"']?[:,][ \t]*\\?[\"']?",
            r"[0-9a-f]{32}\b",
            gate=r"\bAC[0-9a-f]",
        ),
        after_prefix(
            "password",
            r"\bjdbc:oracle:\w+:[^/\s@]+/|\b(?:sqlplus|sqlldr|expdp|impdp|rman)[ \t]+(?:-\w+[ \t]+)*[\w$#]+/\"?",
            r"[^@\s\"'/]+",
            gate="jdbc:oracle:|sqlplus|sqlldr|[mx]pdp|rman ",
        ),
        after_prefix(
            "password",
            r"(?:\bcurl\b(?:[^\n|;]|\\\n)*[ \t\n]-u|\bhttps?[ \t](?:[^\n|;]*[ \t])?-a|[ \t]--(?:user|auth|proxy-user|userpass|creds?)[ =])[ =]?[\"']?[^\s:\"']+:",
            r"(?:[^\s\"'$]|\$[^A-Z{(])[^\s\"']*",
            gate="curl|https?[ \t][^\n]*-a[ =]|--(?:user|auth|proxy-user|cred)",
        ),
        after_prefix(
            "password",
            r"\b(?:smbclient|rpcclient|net)\b[^\n|;]*-U ?[\w.\\/-]+%",
            r"[^\s\"']+",
            gate="-U",
        ),
        after_prefix(
            "password",
            rf"\b{_CALLS}[ \t]*\([ \t]*{_QUOTED_ARG}[\"']",
            quoted,
            gate=_CALL_ENDS,
        ),
        after_prefix(
            "password",
            rf"\b(?:auth|basic_auth|http_auth|creds?|credentials)[ \t]*=[ \t]*[(\[][ \t]*{_QUOTED_ARG}[\"']",
            quoted,
            gate=r"(?:auth|creds?|credentials)[ \t]*=[ \t]*[(\[]",
        ),
        after_prefix(
            "password",
            r"(?i:\bConvertTo-SecureString[ \t]+(?:-String[ \t]+)?[\"'])",
            quoted,
            gate=r"(?i:SecureString)",
        ),
        _piped(),
        after_prefix(
            "password",
            rf"(?i:\b(?:mysqli?_p?connect|new[ \t]+mysqli|new[ \t]+pdo|pymysql\.connect|mysqldb\.connect|dbi->connect"
            rf"|drivermanager\.getconnection|directoryentry)[ \t]*\([ \t]*){_QUOTED_ARG}{_QUOTED_ARG}[\"']",
            quoted,
            gate=r"(?i:mysql|new[ \t]+pdo|getconnection|directoryentry|dbi->)",
        ),
        after_prefix(
            "password",
            rf"\b(?:omniauth|provider)[ \t]+:\w+,[ \t]*{_QUOTED_ARG}[\"']",
            quoted,
            gate=r"omniauth|provider[ \t]+:",
        ),
        _to_chars(),
        after_prefix(
            "secret_key",
            r"(?i:\b(?:fernet|hmac\.new|algorithm\.hmac\d{3}|secretkeyspec|cryptr)[ \t]*\([ \t]*b?[\"']"
            r"|\bjwt\.(?:encode|decode|sign|verify)[ \t]*\([^\"'\n]*(?:[\"'][\w ]*[\"'][^\"'\n]*){0,4},[ \t]*b?[\"']"
            r"|\bsignwith\([\w.]+,[ \t]*[\"']|\b(?:createhmac|hash_hmac|aes\.(?:en|de)crypt)[ \t]*\([^\n()]{1,60},[ \t]*[\"'])",
            r"[^\"'\n]{8,}",
            gate=r"Fernet|HMAC\d|[hH]mac|hash_hmac|SecretKeySpec|Cryptr|jwt\.|JWT\.|signWith|AES\.",
            rank=LOOSE,
        ),
        after_prefix(
            "api_key",
            r"\b(?:infura\.io/v3|alchemy(?:api)?\.(?:com|io)/v2|quiknode\.pro)/",
            r"[\w-]{30,}",
            gate=r"infura|alchemy|quiknode",
        ),
        after_prefix("api_key", r"[?&]appid=", r"[0-9a-f]{32}\b"),
        after_prefix(
            "license_key",
            r"(?i:\b(?:licen[cs]e|activation|product|registration)[ _-]?(?:key|code)\b)[\"']?[ \t]*[:=]?[ \t]*[\"']?",
            r"[A-Z0-9]{4,6}(?:-[A-Z0-9]{4,6}){3,7}\b",
            gate=r"(?i:ense|ence|tion|duct)[ _-]?(?i:key|code)",
        ),
        after_prefix(
            "private_key",
            r"\\?[\"'](?:d|k|p|q|dp|dq|qi)\\?[\"'][ \t]*:[ \t]*\\?[\"']",
            r"[\w-]{20,}",
            gate=r"[\"']kty\\?[\"']",
        ),
        after_prefix(
            "private_key",
            r"<(?:D|P|Q|DP|DQ|InverseQ)>\s*",
            r"[A-Za-z0-9+/=\s]{20,}",
            gate=r"RSAKeyValue",
        ),
        _lone_login(),
        Detector("scheme", _SCHEMED, _scheme_tokens),
        Detector("cookie", r"(?i:cookie)", _cookies),
        Detector("long_header", _LONG_HEADERS, _long_headers),
        Detector("pgpass", r":(?:\d{4}|\*):", _pgpass, NUMBERS),
        Detector("aws_secret", _LONG_RUN, _aws_secrets, RUNS),
        _encoded(strong),
        after_prefix(
            "ansible_vault",
            r"\$ANSIBLE_VAULT;[\w.;-]+(?:\s|\\[rn])+",
            r"(?:[0-9a-f]{32,}(?:\s|\\[rn])*)+",
            gate=r"\$ANSIBLE_VAULT",
        ),
    )


_AWS_SECRET = compile_bytes(r"(?:^|[^A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?:$|[^A-Za-z0-9/+=])")
_ABOUT_AWS = compile_bytes(r"aws|AWS|Aws|AKIA|ASIA")
_RUN_OF_40 = re.compile(rb"[A-Za-z0-9/+]{40}")


def _aws_secrets(text: bytes) -> Iterator[Find]:
    """Finds AWS secret keys, 40 characters of base64 without a mark, in texts about AWS."""
    if _ABOUT_AWS.first(text) is None:
        return
    for first, last in _AWS_SECRET.spans(text):
        run = _RUN_OF_40.search(text, first, last)
        assert run is not None
        value = run[0]
        mixed = value.lower() != value != value.upper() and values.entropy(value) >= 4.2
        if mixed and values.looks_random(value, 40):
            yield (run.start(), run.end(), "aws_key", LOOSE)


def lone_key(text: bytes) -> Iterator[Find]:
    """Finds a text that is nothing but a 128-bit key, as in Rails' `master.key`."""
    if _LONE_KEY.fullmatch(text):
        yield (0, 32, "secret_key", LOOSE)


MAX_LONE_KEY = 36
"""Longer texts are no lone key."""
_LONE_KEY = re.compile(rb"[0-9a-f]{32}\s*")


_MIXED_8 = re.compile(rb"(?=[^A-Za-z]*[A-Za-z])(?=\D*\d)[^.]{8,}$")


def _piped() -> Detector:
    """Makes the detector for `echo password | sudo -S`, and others that read it from a pipe."""
    prefix = compile_bytes(r"\becho[ \t]+(?:-n[ \t]+)?[\"']?")
    value = re.compile(
        rb"[^\s\"'|$]{4,}(?=[\"']?[ \t]*\|[ \t]*(?:sudo[ \t]+-S|chpasswd|[^|\n]{1,80}--(?:password-)?stdin))"
    )

    def find(text: bytes) -> Iterator[Find]:
        for _, start in prefix.spans(text):
            piped = value.match(text, start)
            if piped is not None and not PLACEHOLDER.match(text, start):
                yield start, piped.end(), "password", KEYED

    return Detector("password", r"sudo[ \t]+-S|--(?:password-)?stdin|chpasswd", find)


def _lone_login() -> Detector:
    """Makes the detector for a key in place of a user with no password behind it, `curl -u KEY:`."""
    prefix = compile_bytes(r"\bcurl\b(?:[^\n|;]|\\\n)*[ \t]-u[ =]?[\"']?")
    key = re.compile(rb"[\w.-]{16,}(?=:(?:[\s\"']|$))")

    def find(text: bytes) -> Iterator[Find]:
        for _, start in prefix.spans(text):
            value = key.match(text, start)
            if value is not None and values.looks_random(value[0]):
                yield start, value.end(), "token", KEYED

    return Detector("login", "curl", find)


def _to_chars() -> Detector:
    """Makes the detector for passwords of Java, which are written as arrays: `"x".toCharArray()`."""
    whole = compile_bytes(r"\"[^\"\n\\]+\"\.toCharArray\(\)")

    def find(text: bytes) -> Iterator[Find]:
        for start, end in whole.spans(text):
            value = text[start + 1 : end - len(b'".toCharArray()')]
            if not values.is_stand_in(value):
                yield start + 1, start + 1 + len(value), "password", LOOSE

    return Detector("chars", r"\.toCharArray", find)


def _go_dsn() -> Detector:
    """Makes the detector for `user:password@tcp(host)` and `user:password@host:port`."""
    whole = compile_bytes(
        r"\b[\w.-]+:[^\s:@/\"'<>()\x1f]+@(?:(?:tcp|unix|udp)?\(|[A-Za-z0-9][\w.-]*(?::\d{2,5})?\b)"
    )

    def find(text: bytes) -> Iterator[Find]:
        for start, end in whole.spans(text):
            if text[max(0, start - 3) : start] == b"://":
                continue  # The userinfo of a URL is judged elsewhere.
            colon, at = text.find(b":", start, end), text.rfind(b"@", start, end)
            value = text[colon + 1 : at]
            if PLACEHOLDER.fullmatch(value):
                continue
            if text[end : end + 1] in (b"~", b"$"):
                continue  # The prompt of a shell.
            is_told = text[at + 1 : end].endswith(b"(") or b":" in text[at:end]
            if not is_told and (not _MIXED_8.match(value) or text.startswith(b"sha", at + 1)):
                continue
            if not values.is_stand_in(value) and not value.startswith(b"_Z"):
                yield (colon + 1, at, "password", KEYED)

    return Detector("dsn", r":[^\s:@/\"'<>()\x1f]+@", find)
