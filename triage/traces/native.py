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
    r"^(?:[^\n#]{0,119}?[^\n#\w])?#(?P<number>\d{1,3}):? +(?:(?:pc )?(?:0x)?[0-9a-fA-F`]{6,18}(?: +|$))?(?:in )?(?P<rest>[^\n]*)$",
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
_WEBKIT = re.compile(
    r"^\d{1,3} {1,8}0x[0-9a-f]{5,16} (?P<function>[A-Za-z_+~-][^\n]{0,500})$", re.MULTILINE
)
_MINIDUMP = re.compile(
    r"^ ?\d{1,3}  (?P<file>[\w.+-]{1,200})!(?P<function>[^\n]{1,300}?)(?: \[[^\n\]]{1,400}\]| \+ 0x[0-9a-f]+)?$",
    re.MULTILINE,
)
_VALGRIND = re.compile(
    r"^==\d+== +(?:at|by) 0x[0-9A-F]+: (?P<function>[^\n]{1,500}?) \((?:in )?(?P<file>[^\n():]{1,400})(?::\d+)?\)$",
    re.MULTILINE,
)
_JVM = re.compile(
    r"^(?:[CVv]  (?:\[(?P<file>[^\]\n+]{1,200})\+0x[0-9a-f]+\]  |~)(?P<function>[^\n]{1,500}?)(?:\+0x[0-9a-f]+)?"
    r"|[Jj]  ?(?:\d+ [\w%! ]{1,8} )?(?P<java>[\w.$/]{1,300})\([^\n]*)$",
    re.MULTILINE,
)
_SUMMARY = re.compile(
    r"SUMMARY: \w{1,20}Sanitizer: [^\n]{1,60}? (?P<file>\S{1,400}?):\d+(?::\d+)? in (?P<function>\S[^\n]{0,500})$"
    r"|SUMMARY: \w{1,20}Sanitizer: [^\n]{1,60}? \((?P<module>\S{1,400})\+0x[0-9a-f]+\) in (?P<called>\S[^\n]{0,500})$",
    re.MULTILINE,
)
"""The frame at fault, where the stack itself is lost."""
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
    r"^[^\n]{0,80}?(?P<file>[\w./-]+)\((?P<function>[\w:~][^\n]{0,500}?)\+0x[0-9a-f]+\) ?\[0x[0-9a-f]+\]",
    re.MULTILINE,
)
_CDB = re.compile(
    r"^[^\n]{0,120}?(?P<file>[\w.]+)!(?P<function>[\w:~<>`' ,*&]+?)\+0x[0-9a-f]+", re.MULTILINE
)
_OTHER_FORMS = (
    (_MAC, " + "),
    (_WINDOWS, " [0x"),
    (_KERNEL, "/0x"),
    (_GLIBC, "[0x"),
    (_VALGRIND, "== "),
    (_MINIDUMP, "!"),
    (_JVM, "  "),
    (_CDB, "!"),
    (_WEBKIT, " 0x"),
)
"""Each with what no frame of it lacks."""
_PLACE = re.compile(
    r"(?: at)? (?P<file>(?:[A-Za-z]:)?[^\s():]*[./\\][^\s():]*):(?P<line>\d{1,9})(?::\d{1,9})?(?: .*)?$"
    r"| \((?P<module>[^()\s]+)\+0x[0-9a-f]+\)(?: .*)?$|(?P<bare>(?:(?: from)? /[^\s]+| [\w./-]+\.(?:c|cc|cpp|cxx|h|hpp|m|mm|swift|S|so[\d.]*)))$"
)
_ANDROID = re.compile(
    r"^(?P<module>/[^\s]+|\S+\.so)(?: \((?!BuildId: )(?P<function>[^()]*(?:\([^()]*\)[^()]*)*?)\))?"
)
_CRASHED = re.compile(
    r"^(?:Last Exception Backtrace:|Thread \d+[^\n]{0,80}?\b[Cc]rashed\)?:?[^\n]{0,80}$|Thread 1 \((?:Thread|LWP|process)\b[^\n]*)",
    re.MULTILINE,
)
"""Where the stack of the thread at fault begins, in logs that hold those of all threads."""
_CALL_TRACE = re.compile(r"Call [Tt]race:")
_OTHER_TRACE = re.compile(r"Call [Tt]race:|Allocated by task|Freed by task|The buggy address")
_HARNESS = "LLVMFuzzerTestOneInput"
_UNNAMED = re.compile(r"^(?:in )?\(?(?P<module>[^()<>\s]+)\+0x[0-9a-f]+\)?(?: |$)")
_LOADED = re.compile(r"\.(?:so|apk|odex|oat|vdex)\b")
_SYSTEM_LIBRARY = re.compile(
    r"(?:lib(?:c|m|dl|rt|pthread|gcc_s|stdc\+\+|c\+\+\w*|clang_rt|art|utils|system|asan|ubsan|tsan)|ld|linux-(?:gate|vdso)|ntdll|kernel32|kernelbase|dyld)\b",
    re.IGNORECASE,
)
_MODULE = re.compile(r"^[\w.+-]{1,200}`(?=\S)")
"""How lldb writes where a function is from."""
_OFFSET = re.compile(r"\+(?:0x[0-9a-f]+|\d+$)(?:/0x[0-9a-f]+)?$|^_[es]text$|^\S+\.\w+:\d+$")
_MAX_STACKS = 8
"""Stacks looked at for the first one that holds more than machinery."""


def _named(name: str, file: str | None, line: int | None) -> Frame | None:
    function = _OFFSET.sub("", plain_name(name))
    if function == _HARNESS and file is not None and not file.endswith(".rs"):
        # All fuzzers start there, but each in a file of its own; those in Rust in one of a library.
        return Frame(re.split(r"[/\\]", file)[-1], file, line, None, in_app=True)
    if not function or function.startswith(("0x", "<")):
        return None
    module = function.rpartition("::")[0]
    return Frame(function, file, line, module, not is_generic(function, file))


def _library(module: str) -> Frame | None:
    """Stands in for a function that has no name; the system's libraries tell nothing."""
    library = module.rpartition("/")[2]
    if not library or _SYSTEM_LIBRARY.match(library):
        return None
    return Frame(library, module, None, None, in_app=False)


def _frame(rest: str) -> Frame | None:
    """Reads what stands behind the number and the address."""
    if "`" in rest:
        rest = _MODULE.sub("", rest)
    unnamed = _UNNAMED.match(rest)
    if unnamed is not None:
        return _library(unnamed["module"])
    android = _ANDROID.match(rest)
    if android is not None:
        if android["function"]:
            return _named(android["function"], android["module"], None)
        return _library(android["module"]) if _LOADED.search(android["module"]) else None
    place = _PLACE.search(rest[:2000])
    if place is None:
        return _named(rest, None, None)
    name, module = rest[: place.start()], place["module"]
    if module and not name.strip():
        return _library(module)
    file = (place["file"] or module or place["bare"]).strip().removeprefix("from ")
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
    """Returns the useful frames of the first `#N` stack that has any.

    A debugger shows the innermost frame by itself before it shows the stack that begins with it.
    """
    shown: tuple[Frame, ...] = ()
    for number, frames in enumerate(_stacks(text)):
        useful = _useful(frames)
        if shown and not (useful and useful[0].function == shown[0].function):
            return shown
        if len(useful) > 1:
            return useful
        shown = shown or useful
        if number == _MAX_STACKS:
            break
    return shown


def _placed_frames(text: str) -> tuple[Frame, ...]:
    """Reads stacks without `#N` whose frames name their files."""
    found = [_frame(match["rest"]) for match in _BOOST.finditer(text)] or [
        _named(match["function"], match["file"], int(match["line"]) if match["line"] else None)
        for match in _SWIFT.finditer(text)
    ]
    return _useful([frame for frame in found[:MAX_FRAMES] if frame is not None])


def _function(form: re.Pattern[str], match: re.Match[str]) -> str | None:
    if form is _KERNEL and match["guess"]:
        return None
    if form is _JVM and match["function"] is None:
        return match["java"]
    return match["function"]


def _other_frames(text: str) -> tuple[Frame, ...]:
    """Reads stacks in the forms that number no frames with `#`."""
    for form, sign in _OTHER_FORMS:
        if sign not in text:
            continue
        names = [name for match in form.finditer(text) if (name := _function(form, match))]
        if names:
            found = (_named(name, None, None) for name in names[:MAX_FRAMES])
            return _useful([frame._replace(in_app=True) for frame in found if frame is not None])
    return ()


def _summed_up(text: str) -> tuple[Frame, ...]:
    found = _SUMMARY.search(text)
    if found is None:
        return ()
    frame = _named(found["function"] or found["called"], found["file"] or found["module"], None)
    return () if frame is None else _useful([frame])


def _at_fault(text: str) -> str:
    """Cuts the thread that crashed out of a log that holds those of all, and the first of a kernel's stacks."""
    crashed = _CRASHED.search(text)
    if crashed is not None:
        end = text.find("\n\n", crashed.end())
        return text[crashed.start() : len(text) if end < 0 else end]
    first = _CALL_TRACE.search(text)
    other = _OTHER_TRACE.search(text, first.end()) if first is not None else None
    return text if other is None else text[: other.start()]


def _frames(text: str) -> tuple[Frame, ...]:
    return numbered_frames(text) or _placed_frames(text) or _other_frames(text)


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a crash log: the kind of crash and the stack that belongs to it."""
    part = _at_fault(text)
    frames = _frames(part) or (() if part == text else _frames(text)) or _summed_up(text)
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
