"""Reads the value that follows a telling key, and judges whether it can be a secret.

Refuses stand-ins (`${X}`, `****`, `<password>`), literals of code (`None`, `true`), expressions
(`os.environ["X"]`) and the words with which error messages speak about a secret.
"""

from __future__ import annotations

import math
import re

from fixstream.triage.secrets.keys import PROSE
from fixstream.triage.secrets.model import PLACEHOLDER
from fixstream.triage.secrets.wordlike import is_made_of_words

PLACEHOLDER_WHOLE = re.compile(rb"^" + PLACEHOLDER.pattern + rb"$")
_ESCAPED_QUOTE = re.compile(rb"(\\+)([\"'])")
_OPENING = re.compile(rb"(?:[bBrRuUfFNn@L$]{1,2}(?=[\"'`])|<!\[CDATA\[)")
_OPENS = frozenset(bytes((byte,)) for byte in b"bBrRuUfFNn@L$<[{\\")
"""What a prefix of a literal, a placeholder or an escaped quote begins with; most values do not."""
_BARE = re.compile(rb"[^\s\"'`,;&<>(){}\[\]|\\]+")
_BARE_LINE = re.compile(rb"[^\s\"'`]+")
_BRACED = re.compile(rb"\{((?:[^{}\s\"]|\}\}){1,256})\}(?=;|$)")
_PERCENT = re.compile(
    rb"(?:[^\s\"'`,;&<>(){}\[\]|\\%]|%(?!26|22|27|2526|7[Dd]|5[Dd]|2[Cc]|3[Bb]|0[AaDd]|20))+"
)
_MARKUP = re.compile(rb"[^<>]{1,4096}")
_QUOTED = {
    quote: re.compile(
        rb"(?:[^\\\n" + quote + rb"]|\\.|" + quote * 2 + rb"(?=[^\s" + quote + rb",;)}\]]))*"
    )
    for quote in (b'"', b"'", b"`")
}

_NOTHING = re.compile(
    rb"^(?i:[*x.\-_#?\xe2\x80\xa2\xa6]+|null|none|nil|true|false|yes|no|on|off|undefined|nan|void|empty"
    rb"|n/a|na|unset|default|any|str|string|bytes?|int|integer|char|bool|boolean|text|varchar.*|number|object"
    rb"|required|optional|missing|invalid|expired|incorrect|wrong|prompt|ask|redacted|filtered"
    rb"|masked|hidden|removed|secret|changeme_?placeholder|todo|self|this|file|env|basic|bearer|digest"
    rb"|plain|md5|sha\d*|bcrypt|scram-sha-\d+|peer|trust|eof|enabled|disabled|private|public|inherit|read|write|await|new|async|yield|lambda|0x[0-9a-f]{1,6}|[\w-]{0,12}(?:\.{3}|\xe2\x80\xa6))$"
)
_STAND_IN = re.compile(
    rb"^(?:\$[A-Za-z_{(][\w.:{}()-]*|\([a-z]+\)?|!(?:Ref|Sub|GetAtt|ImportValue|Join|Select|FindInMap|If|Base64|Split|vault|secret|reference|env_var|include)|\$\d{1,2}|\$\(.*|\{\{.*|%[({]\w+[)}]s?|%[sdvr]|%\w+%|\{[\w.]*\}|<[\w .-]+>|\[[\w .*-]*\]?"
    rb"|:\w+|\?|@\w+|@[\w.-]+@|#\{.*|(?i:your[_-][a-z_-]+)"
    rb"|(?:[A-Z0-9]+_)*(?:PASS|PASSWORD|PASSWD|PWD|TOKEN|SECRET|KEY)"  # as usages of tools show them
    rb"|(?:~|\.{1,2}|[A-Za-z]:|\$\w+|file:)?[/\\][\w./\\ -]+\.(?:pem|key|crt|cer|der|p12|pfx|jks|pub|json|ya?ml|txt|env)"
    rb"|arn:aws[\w-]*:[\w:/*.-]+)$",
    re.DOTALL,
)
_EXPRESSION = re.compile(
    rb"^(?:[A-Za-z_$][\w$]*(?:(?:\.|->|::)\{?[A-Za-z_$][\w$]*)+(?:[(\[{}].*)?|\$?[A-Za-z_]\w*[(\[].*|(?:\[\][\w.]+|\w+\.\w+|[A-Z][a-z]\w*)\{.*|process\.env\b.*|os\.(?:environ|getenv)\b.*"
    rb"|(?:ConvertTo|ConvertFrom|Get|New|Read|Import|Invoke)-[A-Z]\w+|<%=?.*|(?:self|this|args|config|settings|options|params|request|req|env|secrets|vault|user)[.\[].*)$",
    re.DOTALL,
)
_KNOWN_FORM = re.compile(
    rb"\{?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\}?$"  # UUID
    rb"|[\d.,:+TZ/-]+[a-zA-Z%]{0,3}$|0x[0-9a-fA-F]{1,16}$"  # number, date, amount, handle
    rb"|(?:[A-Za-z]:)?(?:~|\.{1,2})?[/\\][\w./\\@+-]*$|[A-Za-z][A-Za-z0-9+.-]*://"  # path, URL
    rb"|[A-Za-z]+(?:[-_ ][A-Za-z]+)*$"  # words
)
_MIXED = re.compile(rb"(?=[^A-Za-z]*[A-Za-z])[^\d]*\d")
_STRUCTURE = re.compile(rb"[./:_\\$@,-]+")
_TIME = re.compile(rb"^\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?$")


_NO_SECRET = re.compile(
    b"|".join(b"(?:%b)" % form.pattern for form in (_NOTHING, _STAND_IN, _TIME, PLACEHOLDER_WHOLE)),
    re.DOTALL,
)


_NO_WORD = re.compile(
    rb"(?:^[*x.#?-]+$)|(?:%b)|(?:%b)" % (_STAND_IN.pattern, PLACEHOLDER_WHOLE.pattern), re.DOTALL
)


def entropy(value: bytes) -> float:
    """Returns the Shannon entropy of the bytes of `value`, in bits a byte."""
    size = len(value)
    counts = {byte: value.count(byte) for byte in set(value)}
    return -sum(n / size * math.log2(n / size) for n in counts.values())


Value = tuple[int, int, bool]
"""Where a value begins and ends, and whether it is quoted."""


def read(text: bytes, position: int, *, whole_line: bool, percent: bool) -> Value:
    """Finds the value that begins at `position`: its start, its end, and whether it is quoted.

    An empty range means that there is no value. `whole_line` reads a bare value up to white space
    (environment files); `percent` ends it at an encoded delimiter too.
    """
    first = text[position : position + 1]
    if first in _OPENS:
        if first == b"[" and PLACEHOLDER.match(text, position):
            return position, position, False
        if first == b"{" and (braced := _BRACED.match(text, position)) is not None:
            return braced.start(1), braced.end(1), False  # As ODBC quotes a value.
        if (opening := _OPENING.match(text, position)) is not None:
            position = opening.end()
            if opening[0].startswith(b"<!"):
                end = text.find(b"]]>", position, position + 4096)
                return position, position if end < 0 else end, True
            first = text[position : position + 1]
        if (escaped := _ESCAPED_QUOTE.match(text, position)) is not None:
            return _read_escaped(text, escaped)
    if first in _QUOTED:
        body = _QUOTED[first].match(text, position + 1)
        assert body is not None
        return position + 1, body.end(), True
    pattern = _PERCENT if percent else _BARE_LINE if whole_line else _BARE
    found = pattern.match(text, position)
    return (position, found.end(), False) if found else (position, position, False)


def _read_escaped(text: bytes, quote: re.Match[bytes]) -> Value:
    """Reads up to the same quote with the same marks before it, or to the end of the line."""
    start = quote.end()
    end = text.find(quote[0], start, start + 8192)
    line = text.find(b"\n", start, start + 8192)
    ends = [place for place in (end, line) if place >= 0]
    return start, min(ends) if ends else min(len(text), start + 8192), True


def read_escaped_markup(text: bytes, position: int) -> Value:
    """Finds a value in quotes that markup had to escape, as in `&quot;x&quot;`."""
    if not text.startswith(b"&quot;", position):
        return position, position, False
    start = position + len(b"&quot;")
    end = text.find(b"&quot;", start, start + 4096)
    return start, max(start, end), True


def read_markup(text: bytes, position: int) -> Value:
    """Finds the text content of an element that begins at `position`."""
    if text.startswith(b"<![CDATA[", position):
        return read(text, position, whole_line=False, percent=False)
    found = _MARKUP.match(text, position)
    if found is None:
        return position, position, True
    end = found.end()
    is_content = text.startswith(b"</", end) or len(found[0].split()) == 1
    return (position, end, True) if is_content else (position, position, True)


def is_variable(value: bytes) -> bool:
    """Tells whether the value is put in later or was taken out: `${X}`, `****`, `[password]`."""
    return _NO_WORD.match(value) is not None


def is_stand_in(value: bytes) -> bool:
    """Tells whether the value stands for a secret, or for nothing."""
    stripped = value.strip()
    return not stripped or _NO_SECRET.match(stripped) is not None


def is_prose(value: bytes) -> bool:
    """Tells whether the value is what a message says about a secret."""
    words = value.lower().split()
    if len(words) == 1:
        return words[0].strip(b".,:;!?") in PROSE
    return sum(word.strip(b".,:;!?'\"") in PROSE for word in words[:12]) >= min(2, len(words) - 1)


def is_expression(value: bytes) -> bool:
    """Tells whether a bare value is code that fetches the secret, not the secret."""
    return _EXPRESSION.match(value) is not None


_IS_HEX = re.compile(rb"[0-9a-fA-F]+")


def _is_hex(value: bytes) -> bool:
    return _IS_HEX.fullmatch(value) is not None


def looks_random(value: bytes, min_length: int = 16) -> bool:
    """Tells whether a value without a sure key looks like a key or token.

    Refuses ids that engineers need: UUIDs, numbers, dates, paths, addresses, dotted names, words.
    """
    value = value.rstrip(b".:,;!?")
    if not min_length <= len(value) <= 4096 or not _MIXED.match(value) or _KNOWN_FORM.match(value):
        return False
    if b" " in value or b"=" in value.rstrip(b"="):
        return False
    if len(set(value[:256])) < min(7, min_length):
        return False
    if _is_hex(value):
        return True
    if min_length < 12:
        parts = [part for part in _STRUCTURE.split(value) if part]
        return len(parts) < 2 or len(max(parts, key=len)) >= 8
    return not is_made_of_words(value)


def is_digest(value: bytes) -> bool:
    """Tells whether the value has the form of a commit id or a SHA-256 digest."""
    return len(value) in (40, 64) and _is_hex(value)
