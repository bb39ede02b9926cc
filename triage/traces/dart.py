"""Dart and Flutter traces. Refuses frames whose place is no `dart:`, `package:` or file address."""

from __future__ import annotations

import re

from fixstream.triage.traces.model import MAX_FRAMES, Frame, ParsedException, short_message

GATE = r"#\d+ +[^\n]+ \((?:dart|package|file|http|https|org-dartlang[\w-]*):[^\s)]*\)|package:[\w/.]+\.dart \d+:\d+"

SIGNS = r"package:|\((?:dart:|package:|file:|http|org-dartlang)"
"""What the gate cannot open without; quicker to look for."""

_FRAME = re.compile(
    r"^[^\S\n]*#\d+ +(?P<function>[^\n]{1,300}?) \((?P<file>(?:dart|package|file|https?|org-dartlang[\w-]*):[^\s)]*?)"
    r"(?::(?P<line>\d{1,9}))?(?::\d{1,9})?\)",
    re.MULTILINE,
)
_TERSE = re.compile(
    r"^[^\S\n]*(?P<file>(?:package|dart):[\w/.-]+) (?P<line>\d{1,9})(?::\d{1,9})? +(?P<function>[^\n]{1,300})$",
    re.MULTILINE,
)
_UNHANDLED = re.compile(r"Unhandled [Ee]xception:?\s*(?P<rest>.*)", re.DOTALL)
_TYPE = re.compile(
    r"^\s*(?:Instance of ')?(?P<type>_?[A-Z]\w*(?:Exception|Error)|Exception|Bad state|Invalid argument\(s\)|Unsupported operation|Concurrent modification)(?:'$|'?(?: \([^\n:]*\))?(?:: (?P<message>[^\n]*)|\b))"
)
_CAUGHT = re.compile(
    r"The following (?P<type>\w{1,100})(?: object)? was thrown[^\n]{0,300}:\s*\n(?P<message>[^\n]*)"
)
_CLOSURE = re.compile(r"\.<(?:anonymous closure|fn)>|<anonymous closure>")


def _frame(match: re.Match[str]) -> Frame:
    file = match["file"]
    name = _CLOSURE.sub("", match["function"]) or "<closure>"
    library = file.startswith(("dart:", "package:flutter/", "org-dartlang"))
    parts = file.rpartition(".dart")[0] or file
    return Frame(
        name,
        file,
        int(match["line"]) if match["line"] else None,
        "/".join(parts.split("/")[-2:]),
        not library,
    )


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a trace with what was thrown above it."""
    matches = list(_FRAME.finditer(text)) or list(_TERSE.finditer(text))
    if not matches:
        return None
    frames = tuple(_frame(match) for match in matches[:MAX_FRAMES])
    head = text[: matches[0].start()][-4000:]
    caught = _CAUGHT.search(head)
    if caught is not None:
        return (ParsedException(caught["type"], short_message(caught["message"]), frames),)
    unhandled = _UNHANDLED.search(head)
    rest = (unhandled["rest"] if unhandled else head).strip()
    found = _TYPE.match(rest)
    if found is None:
        return (ParsedException(None, short_message(rest.partition("\n")[0]), frames),)
    return (ParsedException(found["type"], short_message(found["message"] or ""), frames),)
