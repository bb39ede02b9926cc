"""Finds secrets by the name that they are assigned to, in the syntaxes of code and configuration.

`leads` finds telling names with what separates them from a value, and `values` and `judging` read and
judge the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixstream.triage.secrets import values
from fixstream.triage.secrets.judging import WRITTEN, Written, is_label, is_namesake, is_secret
from fixstream.triage.secrets.keys import Trust, is_id_key, is_secret_key, judge
from fixstream.triage.secrets.leads import (
    LEAD,
    MAX_KEPT_LEAD,
    QUOTES,
    Lead,
    is_part,
    known_lead,
    new_lead,
)
from fixstream.triage.secrets.model import (
    ANYWHERE,
    KEYED,
    PLACEHOLDER,
    UNGATED,
    Detector,
    Find,
    compile_bytes,
)

_BLOCK_SCALAR = re.compile(rb"[|>][+-]?[ \t]*\r?\n[ \t]+")
_LINE_START = re.compile(
    rb"(?:^|[\r\n])[ \t]*(?:(?:export|set|setenv|ENV|ARG|-e|--env|let|const|var|-)[ \t]+)?[\"']?$"
)
_LINE_ENDS = (b"\n", b"\r")
_MAY_STAND_BEFORE = (b" ", b"\t", b'"', b"'")
_QUERY_MARKS = (b"?", b"&", b"#")
_NEXT_PAIR = re.compile(rb"[;&,][ \t]*[A-Za-z][\w. -]*=")
_HEADER_SCHEME = re.compile(
    rb"(?i)(?:bearer|basic|token|apikey|api-key|negotiate|ntlm|ssws|hmac|key|plain|login)[ \t]+|sha(?:1|256|512)=|t=\d+,v\d="
)
_ANY_SCHEME = re.compile(rb"[A-Za-z][\w-]{1,24}[ \t]+(?:[\w-]{1,40}[:=](?=.))?")
_STARTS_MARK = re.compile(rb"[\"'`]?" + PLACEHOLDER.pattern + rb"([\"'][ \t]*->[ \t]*(?=[\"']))?")
"""A placeholder; in a plan, `"[password]" -> "new"`, the group leads to what takes its place."""
_MNEMONIC = re.compile(rb"[a-z]{3,8}(?: [a-z]{3,8}){11,23}\b")


def _begins_line(text: bytes, start: int) -> bool:
    """Tells whether nothing but a keyword of its language stands before the name on its line."""
    before = text[start - 1 : start] if start else b"\n"
    if before not in _MAY_STAND_BEFORE:
        return before in _LINE_ENDS
    return _LINE_START.search(text, max(0, start - 24), start) is not None


def _value_at(text: bytes, position: int, lead: Lead, begins_line: bool) -> values.Value:
    """Reads the value behind one lead that ends at `position`."""
    if lead.is_markup:
        return values.read_markup(text, position)
    first = text[position : position + 1]
    if first == b"&":
        return values.read_escaped_markup(text, position)
    if first in QUOTES:
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
        if text[begin:end].endswith(b"):"):
            end -= 1
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


_NEXT_WORD = re.compile(rb" [a-z]{2,}(?:[ .,]|$)")


def _goes_on(text: bytes, value: bytes, end: int) -> bool:
    """Tells whether a word within a line is the first of a message, `invalid password: access denied`."""
    return value.isalpha() and value.isascii() and _NEXT_WORD.match(text, end) is not None


_IDENTIFIER = re.compile(rb"[A-Za-z_$][\w.]*$")
_TYPE = re.compile(rb"(?:[A-Z]+[a-z]+\d?){2,}$")
_MIN_PRIVATE = 32
"""No private key is as short as the name of a variable."""
_UNPACKED = re.compile(rb"\w, $")


def _is_code(text: bytes, begin: int, end: int, lead: Lead, value: bytes) -> bool:
    """Tells a name of code from a value: a call, a variable of that name, a type, what is unpacked."""
    if not _IDENTIFIER.match(value):
        return False
    after, separator = text[end : end + 1], lead.separator
    is_own_name = lead.name.lower().replace(b"-", b"_").endswith(value.lower())
    if lead.verdict.kind == "private_key" and len(value) < _MIN_PRIVATE:
        return True
    if after in (b"(", b"{") or (after in (b",", b")", b";") and is_own_name):
        return True
    is_telling = judge(value.decode("latin-1")).trust is not Trust.NONE
    if separator != b" = ":
        return separator == b": " and is_telling and _TYPE.match(value) is not None
    if b"_" in value and is_own_name:
        return True
    is_member = is_telling and lead.name.startswith((b"self.", b"this."))
    is_unpacked = _UNPACKED.search(text, max(0, begin - 8), begin) is not None
    return value.replace(b"_", b"").isalpha() and (is_member or is_unpacked)


def _says_nothing(
    text: bytes, begin: int, end: int, lead: Lead, value: bytes, written: Written
) -> bool:
    """Tells a label, a word of a message, an id or what repeats the name from a value."""
    if lead.is_markup and value.strip().lower() == lead.name.lower():
        return True  # `<label for="password">Password</label>`
    if lead.verdict.kind == "key" and is_id_key(text, begin):
        return True
    if is_label(lead.name, value):
        return True
    if written.is_quoted:
        return False
    if not written.is_tight and _goes_on(text, value, end):
        return True
    return _is_code(text, begin, end, lead, value) or is_namesake(lead.name, lead.separator, value)


def _judged(text: bytes, begin: int, position: int, lead: Lead) -> Find | None:
    """Judges the value behind the lead at `[begin, position)`; None where it is no secret."""
    begins_line = lead.fits is is_part or _begins_line(text, begin)
    start, end, quoted = _value_at(text, position, lead, begins_line)
    if start == end:
        return None
    value, verdict = text[start:end], lead.verdict
    if verdict.kind == "secret" and (phrase := _MNEMONIC.match(text, start)) is not None:
        return start, phrase.end(), verdict.kind, lead.rank
    if verdict.kind == "key" and is_secret_key(text, begin) and values.looks_random(value):
        return start, _wrapped_end(text, start, end), "secret_key", lead.rank
    is_query = lead.is_tight and text[begin - 1 : begin] in _QUERY_MARKS
    written = WRITTEN[quoted, quoted or lead.is_tight or begins_line, is_query]
    if _says_nothing(text, begin, end, lead, value, written) or not is_secret(
        verdict, value, written
    ):
        return None
    return start, _wrapped_end(text, start, end), verdict.kind, lead.rank


_ITEM = re.compile(rb"\s*(?:,\s*)?([\"'])([^\"'\s]{8,512})\1")
_MAX_ITEMS = 64


def _listed(text: bytes, position: int, lead: Lead) -> Iterator[Find]:
    """Yields the random values of a list behind a name, `keys: ["x", "y"]`."""
    for _ in range(_MAX_ITEMS):
        item = _ITEM.match(text, position)
        if item is None:
            return
        if values.looks_random(item[2], 8):
            yield item.start(2), item.end(2), lead.verdict.kind, lead.rank
        position = item.end()


def _judged_all(text: bytes, begin: int, position: int, lead: Lead) -> list[Find]:
    """Judges the value, or the list of values, behind the lead at `[begin, position)`."""
    if text[position : position + 1] == b"[" and _ITEM.match(text, position + 1):
        return list(_listed(text, position + 1, lead))
    find = _judged(text, begin, position, lead)
    return [] if find is None else [find]


def _find(text: bytes) -> list[Find]:
    """Finds all values behind telling names. One loop without calls of its own for the most common."""
    found: list[Find] = []
    search, size = LEAD.match, len(text)
    begin, position = search(ANYWHERE, text, 0, size)[0]
    while begin >= 0:
        matched = text[begin:position]
        if b"[" in text[position : position + 2] and (mark := _STARTS_MARK.match(text, position)):
            position = mark.end()
            if mark[1] is None:
                begin, position = search(ANYWHERE, text, position, size)[0]
                continue
        lead = known_lead(matched) if len(matched) <= MAX_KEPT_LEAD else new_lead(matched)
        if lead is None or (lead.fits is not None and not lead.fits(text, begin, position)):
            pass
        elif lead.quick is not None and (quick := lead.quick.match(text, position)) is not None:
            start, end = quick.span(2)
            found.append((start, end, lead.verdict.kind, lead.rank))
            position = quick.end()
        elif more := _judged_all(text, begin, position, lead):
            found += more
            position = max(position, more[-1][1])
        begin, position = search(ANYWHERE, text, position, size)[0]
    return found


_SETTER = re.compile(rb"(?:set|with|use|put|add|send|enter|fill|bearer|basic)_?[A-Za-z]")
_MEMBER = re.compile(
    rb"(?i)(?:db_?|user_?|admin_?|keystore_?)?(?:password|passwd|passphrase|api_?key|secret_?key|access_?key"
    rb"|private_?key|auth_?token|access_?token|api_?token|token)$"
)
_CALL_ENDS = re.compile(rb"\\?[\"'`]\s*\)")
_CALL_SIGNS = r"(?:[pP]ass[wW]ord|[pP]asswd|[pP]assphrase|[kK]ey|[tT]oken|[sS]ecret|[aA]uth)\((?:Some\()?\\?[\"']"
_CALL = compile_bytes(rf"[\w.]*{_CALL_SIGNS}")


def _set(text: bytes) -> Iterator[Find]:
    """Finds what calls set, `setPassword("x")`, or `.password("x")` of a builder."""
    for begin, end in _CALL.spans(text):
        owner, dot, name = text[begin:end].partition(b"(")[0].rpartition(b".")
        is_member = bool(dot) or text[begin - 2 : begin] in (b"->", b"::")
        is_builder = is_member and not owner.lower().endswith(b"request") and _MEMBER.match(name)
        if not is_builder and _SETTER.match(name) is None:
            continue
        quote = end - (2 if text[end - 2 : end - 1] == b"\\" else 1)
        start, stop, quoted = values.read(text, quote, whole_line=False, percent=False)
        verdict = judge(name[-120:].decode("latin-1"))
        value = text[start:stop]
        is_alone = _CALL_ENDS.match(text, stop) is not None
        is_telling = (
            quoted and is_alone and verdict.trust is not Trust.NONE and not is_label(name, value)
        )
        if is_telling and is_secret(verdict, value, WRITTEN[True, True, False]):
            yield start, stop, verdict.kind, KEYED


def detectors() -> tuple[Detector, Detector]:
    """Returns the detectors of this module; the first may look into what is encoded."""
    return (
        Detector("assignment", UNGATED, _find, leads=True),
        Detector("setter", _CALL_SIGNS, _set),
    )
