"""Recognises a stack trace in a text, whatever the language, and takes it apart.

Refuses prose: a text counts as a trace only when it holds frames in the form of its language.
Traces inside log lines are found behind the lines' own prefixes. The time is linear in the length.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from fixstream.triage.gates import Gates
from fixstream.triage.traces import (
    beam,
    dart,
    dotnet,
    go,
    java,
    javascript,
    native,
    php,
    python,
    ruby,
    rust,
)
from fixstream.triage.traces.model import Frame, ParsedException, ParsedTrace, Parser

__all__ = ["Frame", "ParsedException", "ParsedTrace", "parse_trace"]


class _Language(NamedTuple):
    """How the traces of one language are found and read."""

    name: str
    signs: str
    gate: Gates
    """The pattern that a trace of it cannot lack."""
    parse: Parser


# Each gate is a set of its own: in one set for all, the states of the search multiply with what a
# text opens, and most of the time went into building states for texts never seen before.
_LANGUAGES: tuple[_Language, ...] = (
    _Language("python", python.SIGNS, Gates([python.GATE]), python.parse),
    _Language("java", java.SIGNS, Gates([java.GATE]), java.parse),
    _Language("go", go.SIGNS, Gates([go.GATE]), go.parse),
    _Language("rust", rust.SIGNS, Gates([rust.GATE]), rust.parse),
    _Language("dart", dart.SIGNS, Gates([dart.GATE]), dart.parse),
    _Language("csharp", dotnet.SIGNS, Gates([dotnet.GATE]), dotnet.parse),
    _Language("javascript", javascript.SIGNS, Gates([javascript.GATE]), javascript.parse),
    _Language("php", php.SIGNS, Gates([php.GATE]), php.parse),
    _Language("ruby", ruby.SIGNS, Gates([ruby.GATE]), ruby.parse),
    _Language("elixir", beam.SIGNS, Gates([beam.GATE]), beam.parse),
    _Language("cpp", native.SIGNS, Gates([native.GATE]), native.parse),
)
"""The surest form first."""
_SIGNS = Gates(language.signs for language in _LANGUAGES)

_DIALECTS: dict[str, Callable[[tuple[ParsedException, ...]], str]] = {
    "cpp": native.language,
    "elixir": beam.language,
    "java": java.language,
    "javascript": javascript.language,
}
_LOG_PREFIX = re.compile(
    r"^(?:<\d{1,3}>\d? ?)?(?:[\w.-]{1,64} *\| )?"
    r"(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?Z| ?[+-]\d\d:?\d\d)?\]?"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: [\w.-]{1,64})?|[VDIWEF]\d{4} \d\d:\d\d:\d\d\.\d+|\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})"
    r"(?: (?:stdout|stderr) [FP])?(?: *[\[(<]?(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|SEVERE|[VDIWEF](?= \S))[\])>]?[:/]?(?=\s))?"
    r"(?: {1,4}(?:[\w./-]{1,64}\[[\w.-]{1,20}\]|[a-z][\w./-]{0,63}):(?=\s))?(?:(?: {1,5}\d{1,8}){2} [VDIWEF](?: [\w.-]{1,32} *:)?| {1,5}\d{1,8}(?= [\w.-]{1,64}:\d{1,6}\]))? ?",
    re.MULTILINE,
)
_SHORT_PREFIX = re.compile(
    r"^(?:[VDIWEF]/[\w.$-]{1,64} *\( *\d+\): |[\w.-]{1,64} +\| |\[(?:ERROR|WARN|INFO|FATAL|pid \d+)\] |(?:ERROR|FATAL|SEVERE|E): )",
    re.MULTILINE,
)


def _parsed(text: str) -> tuple[ParsedTrace | None, bool]:
    """Returns the trace, and whether the text has at least the signs of one."""
    encoded = text.encode("utf-8", "surrogatepass")
    has_signs = False
    for index in _SIGNS.open(encoded):
        language = _LANGUAGES[index]
        if not language.gate.open(encoded):
            continue
        has_signs = True
        exceptions = language.parse(text)
        if exceptions:
            dialect = _DIALECTS.get(language.name)
            return ParsedTrace(dialect(exceptions) if dialect else language.name, exceptions), True
    return None, has_signs


def _is_escaped(text: str) -> bool:
    """Tells whether the line breaks are written out, as in JSON."""
    escaped = text.count("\\n")
    return escaped > 2 and text.count("\n") < escaped


def _plain_lines(text: str) -> str:
    """Takes away what a logger, a container or JSON put around the lines."""
    if _is_escaped(text):
        text = (
            _COLOUR.sub("", text.replace("\\u001b", "\x1b"))
            .replace("\\r", "")
            .replace("\\n", "\n")
            .replace("\\t", "\t")
            .replace('\\"', '"')
        )
    return _SHORT_PREFIX.sub("", _LOG_PREFIX.sub("", text))


_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")


def parse_trace(text: str) -> ParsedTrace | None:
    """Returns the trace in `text`, or None when there is none."""
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    found, has_signs = _parsed(text)
    if found is not None and any(len(exception.frames) > 1 for exception in found.exceptions):
        return found
    if not has_signs and not _is_escaped(text):
        return None
    plain = _plain_lines(text)
    return (_parsed(plain)[0] or found) if plain != text else found
