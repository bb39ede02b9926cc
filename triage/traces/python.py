"""Python tracebacks: chained exceptions, exception groups, syntax errors.

Refuses text without a `File "...", line N` frame.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate

from fixstream.triage.traces.model import (
    MAX_FRAMES,
    Frame,
    ParsedException,
    short_message,
    with_ends,
)

GATE = r'File "[^"\n]+", line \d+|\bE {2,8}[A-Za-z][^\x00]*\.py:\d+: [A-Z]'

SIGNS = r'File "|\.py:\d+: [A-Z]'
"""What the gate cannot open without; quicker to look for."""

_FRAME = re.compile(
    r'^[ \t|+]*File "(?P<file>[^"\n]{1,1024})", line (?P<line>\d+)(?:,? in (?P<function>[^\n]+))?',
    re.MULTILINE,
)
_BLOCK = re.compile(
    r"^[ \t|+-]*(?:Exception Group )?Traceback \(most recent call last\):?[ \t]*$", re.MULTILINE
)
_GROUP = "Exception Group Traceback"
_FATAL = re.compile(
    r"^(?:Fatal Python error: (?P<message>[^\n]{1,400})|Current thread \S+[^\n]{0,80} \(most recent call first\):)$",
    re.MULTILINE,
)
_FIRST_WORDS = "Traceback (most recent call last)"
_MAX_MARGIN = 200
"""Groups within groups are indented, but never so far."""
_ERROR = re.compile(
    r"^[ \t|]*(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>[^\n]*)|:?[ \t]*$)", re.MULTILINE
)
_PYTEST_PLACE = re.compile(
    r"^(?P<file>[^\s:|][^\n:|]{0,400}\.py):(?P<line>\d{1,9}): ?(?P<type>[A-Z]\w*)?[ \t]*$",
    re.MULTILINE,
)
_PYTEST_ERROR = re.compile(
    r"^E {2,8}(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>[^\n]*)|[ \t]*$)", re.MULTILINE
)
_DEF = re.compile(r"^[ \t]*(?:async )?def (\w+)\(", re.MULTILINE)
_LIBRARY = re.compile(
    r"(?:site|dist)-packages[/\\]|/lib(?:64)?/python\d|\\lib\\|<frozen |<string>|/third_party/|\.zip/|_lib/versions/"
)
_PACKAGE = re.compile(r"(?:site-packages|dist-packages|/lib(?:64)?/python\d[\d.]*|/[Ll]ib)/")


@lru_cache(maxsize=8192)
def _place(file: str) -> tuple[str, bool]:
    """Names the module as it would be imported, and tells whether it is our own.

    Libraries are named from their package on, wherever they are installed; own modules by their
    last folder, for the folders above differ between machines.
    """
    in_app = _LIBRARY.search(file) is None
    path = file.replace("\\", "/").removesuffix(".py").removesuffix("/__init__")
    if in_app:
        return ".".join(path.rsplit("/", 2)[-2:]).lstrip("."), True
    package = _PACKAGE.split(path)[-1]
    return package.replace("/", "."), False


def _frame(match: re.Match[str]) -> Frame:
    file, line, function = match.groups()
    module, in_app = _place(file)
    return Frame(function or "<module>", file, int(line[:9]), module, in_app)


def _exception(block: str) -> ParsedException | None:
    """Reads one block: everything from behind one `Traceback` line to the next."""
    matches = list(_FRAME.finditer(block))
    if not matches:
        return None
    frames = tuple(_frame(match) for match in matches[-MAX_FRAMES:])[::-1]
    tail = block[matches[-1].end() :]
    margin = len(matches[0][0]) - len(matches[0][0].lstrip(" \t|+"))
    for error in _ERROR.finditer(tail):
        indent = len(error[0]) - len(error[0].lstrip(" \t|+"))
        if indent < max(margin, 1):
            message = error["message"] or ""
            return ParsedException(error["type"], short_message(message), frames)
    return ParsedException(None, "", frames)


def _starts(text: str) -> list[re.Match[str]]:
    """Finds the lines that begin a block; looking for their words is quicker than for their form."""
    starts = []
    place = text.find(_FIRST_WORDS)
    while place >= 0:
        line = text.rfind("\n", max(0, place - _MAX_MARGIN), place) + 1
        if found := _BLOCK.match(text, line):
            starts.append(found)
        place = text.find(_FIRST_WORDS, place + len(_FIRST_WORDS))
    return starts


def _tested(text: str) -> tuple[ParsedException, ...] | None:
    """Reads the report of a failed test, where each frame is shown as source above its place."""
    frames: list[Frame] = []
    kind, begin = None, 0
    for place in _PYTEST_PLACE.finditer(text):
        shown = _DEF.findall(text, begin, place.start())
        module, in_app = _place(place["file"])
        function = shown[-1] if shown else "<module>"
        frames.append(Frame(function, place["file"], int(place["line"]), module, in_app))
        kind, begin = place["type"], place.end()
        if kind:
            break
    if not frames or kind is None:
        return None
    error = _PYTEST_ERROR.search(text)
    message = (error["message"] or "") if error else ""
    return (ParsedException(kind, short_message(message), tuple(frames[-MAX_FRAMES:][::-1])),)


def _leaves_first(starts: list[re.Match[str]]) -> list[int]:
    """Orders the blocks of a chain so that what a group holds stands before the group."""
    links = accumulate("|" not in start[0] for start in starts)
    keys = [(link, _GROUP in start[0]) for link, start in zip(links, starts, strict=True)]
    return sorted(range(len(starts)), key=lambda at: (*keys[at], -at if keys[at][1] else at))


def _fatal(text: str) -> tuple[ParsedException, ...] | None:
    """Reads what the interpreter prints when it dies: the thread at fault, innermost frame first."""
    message, begin = "", None
    for found in _FATAL.finditer(text):
        message = found["message"] or message
        begin = begin if found["message"] else found.end()
    if begin is None:
        return None
    end = text.find("\n\n", begin)
    frames = tuple(
        _frame(match) for match in _FRAME.finditer(text, begin, len(text) if end < 0 else end)
    )
    return (
        (ParsedException("Fatal Python error", message, frames[:MAX_FRAMES]),) if frames else None
    )


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a Python traceback; the blocks of a chain already stand root cause first.

    A group is printed before what it holds, of which the first is taken for the root.
    """
    starts = _starts(text)
    if not starts and "(most recent call first)" in text and (fatal := _fatal(text)) is not None:
        return fatal
    blocks = [text[start.end() : limit] for start, limit in with_ends(starts, len(text))] or [text]
    exceptions = [found for block in blocks if (found := _exception(block)) is not None]
    if len(exceptions) == len(starts) > 1 and _GROUP in text:
        exceptions = [exceptions[index] for index in _leaves_first(starts)]
    return tuple(exceptions) or _tested(text)
