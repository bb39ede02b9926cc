"""Rust panics with or without a backtrace. Refuses text without a `panicked at` or a numbered backtrace."""

from __future__ import annotations

import re

from fixstream.triage.traces.model import MAX_FRAMES, Frame, ParsedException, short_message
from fixstream.triage.traces.native import numbered_frames

GATE = r"panicked at |\n *\d+: +(?:0x[0-9a-f]+ - )?[\w<>:]+::[^\n]+\n +at [^\n]+\.rs:\d+|(?i:stack backtrace:)\n|\nLocation:\n +\S+\.rs:\d+"

SIGNS = r"panicked at |\.rs:|(?i:stack backtrace:)"
"""What the gate cannot open without; quicker to look for."""

_FRAME = re.compile(
    r"^[^\S\n]*\d+: +(?:0x[0-9a-f]+ - )?(?P<function>[^\n]{1,500}?)[ \t]*$"
    r"(?:\n[^\S\n]+at (?P<file>[^\n]{1,400}?):(?P<line>\d{1,9})(?::\d{1,9})?)?",
    re.MULTILINE,
)
_OLD = re.compile(
    r"thread '(?P<thread>[^'\n]*)'[^\n]* panicked at '(?P<message>.{0,2000}?)', (?P<file>[^\s:]+):(?P<line>\d{1,9})",
    re.DOTALL,
)
_NEW = re.compile(
    r"thread '(?P<thread>[^'\n]*)'[^\n]* panicked at (?P<file>[^\n:]+):(?P<line>\d{1,9})(?::\d{1,9})?:?\n?(?P<message>[^\n]*)"
)
_BACKTRACE = re.compile(
    r"stack backtrace:\n|^ +[-\u2501]+ BACKTRACE [^\n]*\n", re.IGNORECASE | re.MULTILINE
)
_ERROR = re.compile(r"^Error: (?P<message>[^\n]*)", re.MULTILINE)
_LOCATION = re.compile(r"^Location:\n +(?P<file>\S+\.rs):(?P<line>\d{1,9})", re.MULTILINE)
"""Where an error was made, as the reports of error libraries say."""
_HASH = re.compile(r"::h[0-9a-f]{16}$")
_LIBRARY = re.compile(
    r"^(?:<?(?:std|core|alloc|test|tokio|futures\w*|hyper|rayon|backtrace|rust_\w+|__rust\w*)\b|_start|__libc|anyhow|eyre|color_eyre|main$|clone|start_thread)"
)
_LIBRARY_FILE = re.compile(r"/rustc/|/\.cargo/|/registry/src/|/toolchains/")
_MACHINERY = re.compile(
    r"panic|begin_unwind|backtrace|rust_begin|option::expect|result::unwrap|unwrap_failed|expect_failed"
)


def _named(symbol: str, file: str | None, line: int | None) -> Frame:
    name = _HASH.sub("", symbol).replace("{{closure}}", "").rstrip(":")
    if "$" in name:
        name = _mangled(name)
    module, _, function = name.rpartition("::")
    library = _LIBRARY.match(name) is not None or (
        file is not None and _LIBRARY_FILE.search(file) is not None
    )
    return Frame(function or name, file, line, module, not library)


def _mangled(name: str) -> str:
    """Reads a name of the older mangling that nobody has put right."""
    name = name.removeprefix("_").replace("..", "::")
    return name.replace("$LT$", "<").replace("$GT$", ">").replace("$u20$", " ")


def _frame(match: re.Match[str]) -> Frame:
    return _named(match["function"], match["file"], int(match["line"]) if match["line"] else None)


def _raised(frames: list[Frame]) -> list[Frame]:
    """Leaves out the machinery of panicking on top of the stack."""
    machinery = [
        index
        for index, frame in enumerate(frames[:12])
        if _MACHINERY.search(f"{frame.module}::{frame.function}")
    ]
    return frames[machinery[-1] + 1 :] if machinery and machinery[-1] + 1 < len(frames) else frames


def _frames(text: str) -> list[Frame]:
    begin = _BACKTRACE.search(text)
    frames = [_frame(match) for match in _FRAME.finditer(text, begin.end())] if begin else []
    if not frames and "#0 " in text:
        # Where a sanitizer caught the panic, the stack is in its form.
        frames = [_named(frame.function, frame.file, frame.line) for frame in numbered_frames(text)]
    return _raised(frames)


def _place(found: re.Match[str], name: str) -> Frame:
    file = found["file"]
    return Frame(name, file, int(found["line"]), file.removesuffix(".rs"), True)


def _reported(text: str) -> tuple[ParsedException, ...] | None:
    """Reads an error that was returned from `main`, with its backtrace or the place it was made."""
    frames = _frames(text) if _BACKTRACE.search(text) else []
    location = _LOCATION.search(text)
    if not frames and location is not None:
        frames = [_place(location, "<error>")]
    if not frames:
        return None
    error = _ERROR.search(text)
    kind, message = ("Error", error["message"]) if error else ("panic", "")
    return (ParsedException(kind, short_message(message), tuple(frames[:MAX_FRAMES])),)


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a panic; the place that panicked stands in for missing frames."""
    found = _OLD.search(text) or _NEW.search(text)
    if found is None:
        return _reported(text)
    frames = _frames(text)
    if not frames:
        frames = [_place(found, "<panic>")]
    return (ParsedException("panic", short_message(found["message"]), tuple(frames[:MAX_FRAMES])),)
