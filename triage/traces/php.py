"""PHP: uncaught exceptions with their previous ones, and logged traces.

Refuses text without a `#N file(LINE): function()`, `[internal function]` or `{main}` frame.
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

GATE = r"#\d+ (?:[^\n]+\(\d+\): |\[internal function\]|\{main\})|PHP +\d+\. \{main\}"

SIGNS = r"PHP +\d+\. |#\d+ (?:\[internal function\]|\{main\})|\(\d+\): "
"""What the gate cannot open without; quicker to look for."""

_FRAME = re.compile(
    r"^[^\S\n]*#\d+ (?:(?P<file>[^\n]{1,500}?)\((?P<line>\d{1,9})\)|\[internal function\]): (?P<call>[^\n(]{1,300})",
    re.MULTILINE,
)
_NEW = re.compile(
    r"(?:^|Uncaught |Next |\] |: )(?P<type>[A-Z\\][\w\\]*)(?:: (?P<message>[^\n]*?))?"
    r" in (?P<file>[^\s][^\n]{0,400}?)(?::| on line )(?P<line>\d{1,9})",
    re.MULTILINE,
)
_OLD = re.compile(
    r"exception '(?P<type>[\w\\]+)'(?: with message '(?P<message>[^\n]*?)')? in (?P<file>[^\n]{1,400}?):(?P<line>\d{1,9})"
)
_MONOLOG = re.compile(
    r"\[object\] \((?P<type>[\w\\]{1,200})\(code: [^()\n]{0,40}\): (?P<message>[^\n]{0,4000}?) at (?P<file>[^\s()]{1,400}):(?P<line>\d{1,9})\)"
)
"""How loggers write an exception; the previous ones follow, marked by `[previous exception]`."""
_XDEBUG = re.compile(
    r"^PHP +\d+\. (?P<call>[^\n(]{1,300})(?:\([^\n]{0,500}\))? (?P<file>\S[^\n]{0,400}?):(?P<line>\d{1,9})$",
    re.MULTILINE,
)
_LEVEL = re.compile(
    r"PHP (?P<type>[A-Z][a-z]+(?: [a-z]+)?): +(?P<message>[^\n]*?) in (?P<file>[^\n]{1,400}?) on line (?P<line>\d{1,9})$",
    re.MULTILINE,
)
_TRACE = re.compile(r"^[^\S\n]*(?:Stack trace:|\[stacktrace\])", re.MULTILINE)
_LIBRARY = re.compile(r"/vendor/|^phar://|/pear/")


def _module(file: str) -> str:
    path = file.rsplit("/vendor/", maxsplit=1)[-1].replace("\\", "/").removesuffix(".php")
    return "/".join(path.split("/")[-2:])


def _frame(match: re.Match[str]) -> Frame:
    file, call = match["file"], match["call"].strip()
    owner, _, function = call.replace("->", "::").rpartition("::")
    module = owner or (_module(file) if file else "internal")
    in_app = file is not None and _LIBRARY.search(file) is None
    return Frame(function, file, int(match["line"]) if match["line"] else None, module, in_app)


def _raised(found: re.Match[str]) -> Frame:
    """Makes the frame of the place where it was raised, which PHP does not number."""
    file = found["file"]
    return Frame("<raise>", file, int(found["line"]), _module(file), _LIBRARY.search(file) is None)


def _debugged(text: str) -> tuple[ParsedException, ...] | None:
    """Reads what Xdebug logs: any error with its stack, the innermost call last."""
    head = _LEVEL.search(text)
    frames = [_frame(match) for match in _XDEBUG.finditer(text)][::-1]
    if head is None or not frames:
        return None
    thrown = _NEW.search(head[0])
    found = head if thrown is None or "Uncaught " not in head[0] else thrown
    message = short_message(found["message"] or "")
    return (ParsedException(found["type"], message, (_raised(head), *frames)[:MAX_FRAMES]),)


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a PHP trace; PHP prints the root cause first already."""
    if _FRAME.search(text) is None and "{main}" not in text:
        return None
    if "PHP Stack trace:" in text and (debugged := _debugged(text)) is not None:
        return debugged
    logged = list(_MONOLOG.finditer(text)) if "[object] (" in text else []
    heads = logged or list(_OLD.finditer(text)) or list(_NEW.finditer(text))
    heads = [head for head in heads if not head[0].startswith("#")]
    exceptions = []
    for head, end in with_ends(heads, len(text)):
        block = text[head.end() : end]
        frames = tuple(_frame(match) for match in _FRAME.finditer(block))
        if frames or _TRACE.search(block):
            kind = head["type"].replace("\\\\", "\\").lstrip("\\")
            frames = (_raised(head), *frames)[:MAX_FRAMES]
            exceptions.append(ParsedException(kind, short_message(head["message"] or ""), frames))
    if not exceptions:
        frames = tuple(_frame(match) for match in _FRAME.finditer(text))[:MAX_FRAMES]
        return (ParsedException(None, "", frames),) if frames else None
    return tuple(exceptions[::-1] if logged else exceptions)
