"""Recognises a stack trace in a text, whatever the language, and takes it apart.

Refuses prose: a text counts as a trace only when it holds frames in the form of its language.
Traces inside log lines are found behind the lines' own prefixes. The time is linear in the length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from fixstream.triage.gates import Gates
from fixstream.triage.traces import (
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

_PARSERS: tuple[tuple[str, str, Parser], ...] = (
    ("python", python.GATE, python.parse),
    ("java", java.GATE, java.parse),
    ("go", go.GATE, go.parse),
    ("rust", rust.GATE, rust.parse),
    ("dart", dart.GATE, dart.parse),
    ("csharp", dotnet.GATE, dotnet.parse),
    ("javascript", javascript.GATE, javascript.parse),
    ("php", php.GATE, php.parse),
    ("ruby", ruby.GATE, ruby.parse),
    ("cpp", native.GATE, native.parse),
)
"""Language, the pattern that a trace of it cannot lack, and its parser; the surest form first."""

_DIALECTS: dict[str, Callable[[tuple[ParsedException, ...]], str]] = {
    "java": java.language,
    "javascript": javascript.language,
}
_GATES = Gates(gate for _, gate, _ in _PARSERS)
_LOG_PREFIX = re.compile(
    r"^(?:<\d{1,3}>\d? ?)?(?:[\w.-]{1,64} *\| )?"
    r"(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?Z| ?[+-]\d\d:?\d\d)?\]?"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: [\w.-]{1,64})?|[VDIWEF]\d{4} \d\d:\d\d:\d\d\.\d+|\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})"
    r"(?: (?:stdout|stderr) [FP])?(?: *[\[(<]?(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|SEVERE|[VDIWEF])[\])>]?[:/]?(?=\s))?"
    r"(?: {1,4}(?:[\w./-]{1,64}\[\d{1,10}\]|[a-z][\w./-]{0,63}):(?=\s))?(?: {1,2}\d{1,8}){0,2}(?: [VDIWEF](?: [\w.-]{1,32} *:)?)? ?",
    re.MULTILINE,
)
_SHORT_PREFIX = re.compile(
    r"^(?:[VDIWEF]/[\w.$-]{1,64} *\( *\d+\): |[\w.-]{1,64} +\| |\[(?:ERROR|WARN|INFO|FATAL|pid \d+)\] |(?:ERROR|FATAL|SEVERE|E): )",
    re.MULTILINE,
)


def _parsed(text: str, opened: Iterable[int]) -> ParsedTrace | None:
    for index in opened:
        language, _, parse = _PARSERS[index]
        exceptions = parse(text)
        if exceptions:
            dialect = _DIALECTS.get(language)
            return ParsedTrace(dialect(exceptions) if dialect else language, exceptions)
    return None


def _open(text: str) -> list[int]:
    return _GATES.open(text.encode("utf-8", "surrogatepass"))


def _is_escaped(text: str) -> bool:
    """Tells whether the line breaks are written out, as in JSON."""
    escaped = text.count("\\n")
    return escaped > 2 and text.count("\n") < escaped


def _plain_lines(text: str) -> str:
    """Takes away what a logger, a container or JSON put around the lines."""
    if _is_escaped(text):
        text = text.replace("\\r", "").replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
    return _SHORT_PREFIX.sub("", _LOG_PREFIX.sub("", text))


def parse_trace(text: str) -> ParsedTrace | None:
    """Returns the trace in `text`, or None when there is none."""
    opened = _open(text)
    found = _parsed(text, opened) if opened else None
    if found is not None and any(len(exception.frames) > 1 for exception in found.exceptions):
        return found
    if not opened and not _is_escaped(text):
        return None
    plain = _plain_lines(text)
    return (_parsed(plain, _open(plain)) or found) if plain != text else found
