"""Recognises a stack trace in a text, whatever the language, and takes it apart.

Refuses prose: a text counts as a trace only when it holds frames in the form of its language.
Linear in the length of the text; texts over `MAX_TRACE_CHARS` are cut by the caller.
"""

from __future__ import annotations

from fixstream.triage.gates import Gates
from fixstream.triage.traces import java, python
from fixstream.triage.traces.model import Frame, ParsedException, ParsedTrace, Parser

__all__ = ["Frame", "ParsedException", "ParsedTrace", "parse_trace"]

_PARSERS: tuple[tuple[str, str, Parser], ...] = (
    ("python", python.GATE, python.parse),
    ("java", java.GATE, java.parse),
)
"""Language, the pattern that a trace of it cannot lack, and its parser; the surest form first."""


_GATES = Gates(gate for _, gate, _ in _PARSERS)


def parse_trace(text: str) -> ParsedTrace | None:
    """Returns the trace in `text`, or None when there is none."""
    for index in _GATES.open(text.encode("utf-8", "surrogatepass")):
        language, _, parse = _PARSERS[index]
        exceptions = parse(text)
        if exceptions:
            return ParsedTrace(language, exceptions)
    return None
