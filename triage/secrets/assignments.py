"""Finds secrets by the name that they are assigned to, in the syntaxes of code and configuration.

`leads` finds telling names with what separates them from a value, and `values` and `judging` read and
judge the value.
"""

from __future__ import annotations

import re

from fixstream.triage.secrets import values
from fixstream.triage.secrets.judging import WRITTEN, is_label, is_namesake, is_secret
from fixstream.triage.secrets.leads import (
    LEAD,
    MAX_KEPT_LEAD,
    QUOTES,
    Lead,
    known_lead,
    new_lead,
)
from fixstream.triage.secrets.model import ANYWHERE, PLACEHOLDER, UNGATED, Detector, Find

_BLOCK_SCALAR = re.compile(rb"[|>][+-]?[ \t]*\r?\n[ \t]+")
_LINE_START = re.compile(
    rb"(?:^|[\r\n])[ \t]*(?:(?:export|set|setenv|ENV|ARG|-e|--env|let|const|var|-)[ \t]+)?[\"']?$"
)
_LINE_ENDS = (b"\n", b"\r")
_MAY_STAND_BEFORE = (b" ", b"\t", b'"', b"'")
_QUERY_MARKS = (b"?", b"&", b"#")
_NEXT_PAIR = re.compile(rb"[;&,][ \t]*[A-Za-z][\w. -]*=")
_HEADER_SCHEME = re.compile(
    rb"(?i)(?:bearer|basic|token|apikey|api-key|negotiate|ntlm|ssws|hmac|key|plain|login)[ \t]+"
)
_ANY_SCHEME = re.compile(rb"[A-Za-z][\w-]{1,24}[ \t]+(?:[\w-]{1,40}[:=](?=.))?")
_STARTS_MARK = re.compile(rb"[\"'`]?" + PLACEHOLDER.pattern)
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


def _judged(text: bytes, begin: int, position: int, lead: Lead) -> Find | None:
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
    if not is_secret(verdict, value, written) or is_label(lead.name, value):
        return None
    if not quoted and is_namesake(lead.name, lead.separator, value):
        return None
    phrase = _MNEMONIC.match(text, start)
    end = max(end, phrase.end()) if phrase else _wrapped_end(text, start, end)
    return start, end, verdict.kind, lead.rank


def _find(text: bytes) -> list[Find]:
    """Finds all values behind telling names. One loop without calls of its own for the most common."""
    found: list[Find] = []
    search, position, size = LEAD.match, 0, len(text)
    while position < size:
        begin, position = search(ANYWHERE, text, position, size)[0]
        if begin < 0:
            break
        if b"[" in text[position : position + 2] and (mark := _STARTS_MARK.match(text, position)):
            position = mark.end()
            continue
        matched = text[begin:position]
        lead = known_lead(matched) if len(matched) <= MAX_KEPT_LEAD else new_lead(matched)
        if lead is None or (lead.fits is not None and not lead.fits(text, begin, position)):
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
