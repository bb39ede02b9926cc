"""Ruby backtraces: plain, of Rails' logs, and with causes.

Refuses text without a `file.rb:LINE:in 'method'` frame.
"""

from __future__ import annotations

import re

from fixstream.triage.traces.model import (
    MAX_FRAMES,
    Frame,
    ParsedException,
    short_message,
    with_ends,
)

GATE = r"[^\s:]+:\d+:in [`'][^'\n]+'"

SIGNS = r":in [`']"
"""What the gate cannot open without; quicker to look for."""

_FRAME = re.compile(
    r"^[^\S\n]*(?:\d+: )?(?:from )?(?P<gem>[\w-]+ \([\w.]+\) )?(?P<file>[^\s:][^\n:]{0,400}):(?P<line>\d{1,9})"
    r":in [`'](?P<function>[^'\n]+)'",
    re.MULTILINE,
)
_TAIL = re.compile(
    r"^(?![ \t]*(?:\d+: )?from )[^\n]{0,500}?:in [`'][^'\n]+': (?P<message>[^\n]*?) \((?P<type>[A-Z][\w:]*)\)",
    re.MULTILINE,
)
_RAILS = re.compile(
    r"^[^\S\n]*(?P<type>[A-Z]\w*(?:::[A-Z]\w*)*)(?: \((?P<message>[^\n]*)\):?|: (?P<plain>[^\n]*))",
    re.MULTILINE,
)
_REVERSED = re.compile(r"Traceback \(most recent call last\):\n[^\S\n]*\d+: from ")
"""How Ruby 2.5 to 2.7 wrote to terminals."""
_LIBRARY = re.compile(r"/gems/|/lib/ruby/|^<internal:|/rubygems/|/vendor/bundle/|/bundler/")
_BLOCK = re.compile(r"^(?:block (?:\(\d+ levels\) )?in |rescue in |ensure in )+")
_NEW_NAME = re.compile(r"^[A-Z][\w:]*[#.]")


def _frame(match: re.Match[str]) -> Frame:
    file = match["file"]
    function = _BLOCK.sub("", match["function"])
    parts = file.split("/gems/")[-1].rpartition(".")[0] if "." in file else file
    return Frame(
        _NEW_NAME.sub("", function),
        file,
        int(match["line"]),
        "/".join(part for part in (parts or file).split("/")[-2:]),
        match["gem"] is None and _LIBRARY.search(file) is None,
    )


def _chain(text: str, tails: list[re.Match[str]]) -> tuple[ParsedException, ...]:
    """Reads an exception with its causes, which Ruby prints behind it, the root last."""
    chain = []
    for tail, end in with_ends(tails, len(text)):
        frames = tuple(map(_frame, _FRAME.finditer(text, tail.start(), end)))[:MAX_FRAMES]
        chain.append(ParsedException(tail["type"], short_message(tail["message"]), frames))
    return tuple(chain[::-1])


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a backtrace with the exception above it or in its first frame."""
    matches = list(_FRAME.finditer(text))
    if not matches:
        return None
    if _REVERSED.search(text) is not None:
        matches.reverse()
    frames = tuple(_frame(match) for match in matches[:MAX_FRAMES])
    tails = list(_TAIL.finditer(text))[:64]
    if len(tails) > 1:
        return _chain(text, tails)
    if tails:
        found = tails[0]
        return (ParsedException(found["type"], short_message(found["message"]), frames),)
    heads = list(_RAILS.finditer(text[: matches[0].start()][-4000:]))
    if not heads:
        return (ParsedException(None, "", frames),)
    message = heads[-1]["message"] or heads[-1]["plain"] or ""
    return (ParsedException(heads[-1]["type"], short_message(message), frames),)
