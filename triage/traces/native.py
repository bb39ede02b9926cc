"""C, C++, Objective-C and Swift: stacks of sanitizers, debuggers, kernels, glibc, Windows and macOS.

The exception's type is the kind of crash; its frames leave out the machinery of crashing and reporting.
Refuses text that names neither a crash nor frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixstream.triage.traces.crash_kind import GATE, SIGNS, crash_kind
from fixstream.triage.traces.model import MAX_FRAMES, Frame, ParsedException, short_message
from fixstream.triage.traces.native_names import is_generic, is_machinery, plain_name

__all__ = ["GATE", "SIGNS", "numbered_frames", "parse"]

_NUMBERED = re.compile(
    r"^[^\n#]{0,120}?#(?P<number>\d{1,3}):? +(?:(?:pc )?(?:0x)?[0-9a-fA-F`]{6,18}(?: +|$))?(?:in )?(?P<rest>[^\n]*)$",
    re.MULTILINE,
)
_MAC = re.compile(
    r"^[ \t]*\d{1,3}[ \t]+\S[^\n]{0,80}?[ \t]+0x[0-9a-f]{8,16} (?P<function>\S[^\n]{0,500}?) \+ \d+",
    re.MULTILINE,
)
_SWIFT = re.compile(
    r"^\d{1,3} (?:\[\w+\] )?0x[0-9a-f]{8,16} (?P<function>\S[^\n]{0,500}?) \+ \d+ in \S+(?: at (?P<file>[^\n:]{1,400}):(?P<line>\d{1,9}))?",
    re.MULTILINE,
)
_BOOST = re.compile(r"^ {0,2}\d{1,3}# (?P<rest>[^\n]+)$", re.MULTILINE)
_WINDOWS = re.compile(
    r"^[^\S\n]+(?:\(No symbol\) )?(?P<function>\S[^\n]{0,500}?) \[0x[0-9A-Fa-f]{6,16}\+\d+\]",
    re.MULTILINE,
)
_KERNEL = re.compile(
    r"^[^\n]{0,80}?(?:\[<[0-9a-f ]+>\] )?(?P<guess>\? )?(?:\([^)]*\) from )?(?P<function>[A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+",
    re.MULTILINE,
)
_GLIBC = re.compile(
    r"^[^\n]{0,80}?(?P<file>[\w./-]+)\((?P<function>[\w:~]+)\+0x[0-9a-f]+\) ?\[0x[0-9a-f]+\]",
    re.MULTILINE,
)
_CDB = re.compile(
    r"^[^\n]{0,120}?(?P<file>[\w.]+)!(?P<function>[\w:~<>`' ,*&]+?)\+0x[0-9a-f]+", re.MULTILINE
)
_PLACE = re.compile(
    r"(?: at)? (?P<file>(?:[A-Za-z]:)?[^\s():]*[./\\][^\s():]*):(?P<line>\d{1,9})(?::\d{1,9})?(?: .*)?$"
    r"| \((?P<module>[^()\s]+)\+0x[0-9a-f]+\)(?: .*)?$|(?P<bare>(?: /[^\s]+| [\w./-]+\.(?:c|cc|cpp|cxx|h|hpp|m|mm|swift|S|so[\d.]*)))$"
)
_ANDROID = re.compile(
    r"^(?P<module>/[^\s]+|\S+\.so)(?: \((?P<function>[^()]*(?:\([^()]*\)[^()]*)*?)(?:\+\d+)?\))?"
)
_OFFSET = re.compile(r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?$|^_[es]text$|^\S+\.\w+:\d+$")
_MAX_STACKS = 8
"""Stacks looked at for the first one that holds more than machinery."""


def _named(name: str, file: str | None, line: int | None) -> Frame | None:
    function = _OFFSET.sub("", plain_name(name))
    if not function or function.startswith(("0x", "<")):
        return None
    module = function.rpartition("::")[0]
    return Frame(function, file, line, module, not is_generic(function, file))


def _frame(rest: str) -> Frame | None:
    """Reads what stands behind the number and the address."""
    android = _ANDROID.match(rest)
    if android is not None:
        return _named(android["function"], android["module"], None) if android["function"] else None
    place = _PLACE.search(rest[:2000])
    if place is None:
        return _named(rest, None, None)
    name, module = rest[: place.start()], place["module"]
    if module and not name.strip():
        library = module.rpartition("/")[2]
        return Frame(library, module, None, None, not library.startswith("lib"))
    file = (place["file"] or module or place["bare"]).strip()
    return _named(name, file, int(place["line"]) if place["line"] else None)


def _useful(frames: list[Frame]) -> tuple[Frame, ...]:
    return tuple(frame for frame in frames if not is_machinery(frame.function))


def _stacks(text: str) -> Iterator[list[Frame]]:
    """Yields the numbered stacks: numbering that starts again begins another one."""
    frames: list[Frame] = []
    last = -1
    for match in _NUMBERED.finditer(text):
        number = int(match["number"])
        if number <= last and frames:
            yield frames
            frames = []
        last = number
        if len(frames) < MAX_FRAMES and (frame := _frame(match["rest"])) is not None:
            frames.append(frame)
    if frames:
        yield frames


def numbered_frames(text: str) -> tuple[Frame, ...]:
    """Returns the useful frames of the first `#N` stack that has any."""
    for number, frames in enumerate(_stacks(text)):
        if useful := _useful(frames):
            return useful
        if number == _MAX_STACKS:
            break
    return ()


def _placed_frames(text: str) -> tuple[Frame, ...]:
    """Reads stacks without `#N` whose frames name their files."""
    found = [_frame(match["rest"]) for match in _BOOST.finditer(text)] or [
        _named(match["function"], match["file"], int(match["line"]) if match["line"] else None)
        for match in _SWIFT.finditer(text)
    ]
    return _useful([frame for frame in found[:MAX_FRAMES] if frame is not None])


def _other_frames(text: str) -> tuple[Frame, ...]:
    """Reads stacks in the forms that number no frames with `#`."""
    for form in (_MAC, _WINDOWS, _KERNEL, _GLIBC, _CDB):
        names = [
            match["function"]
            for match in form.finditer(text)
            if form is not _KERNEL or not match["guess"]
        ][:MAX_FRAMES]
        if names:
            frames = [frame for name in names if (frame := _named(name, None, None)) is not None]
            return _useful([frame._replace(in_app=True) for frame in frames])
    return ()


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a crash log: the kind of crash and the stack that belongs to it."""
    frames = numbered_frames(text) or _placed_frames(text) or _other_frames(text)
    if not frames:
        return None
    kind = crash_kind(text)
    return (ParsedException(kind, short_message(kind or ""), frames),)


def language(exceptions: tuple[ParsedException, ...]) -> str:
    """Names swift or objective-c when most own frames are in it, else cpp."""
    frames = [frame for frame in exceptions[0].frames if frame.in_app]
    swift = sum((frame.file or "").endswith(".swift") for frame in frames)
    objective = sum(frame.function.startswith(("-[", "+[")) for frame in frames)
    if swift * 2 > len(frames):
        return "swift"
    return "objective-c" if objective * 2 > len(frames) else "cpp"
