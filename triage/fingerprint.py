"""Names the group of an error: the same fault gets the same fingerprint, wherever it happens.

The key is the root exception's type with its frames of our own code (function and module, never a
line), or the normalised message where there is no trace. Over-merging is the worse mistake: two
messages are one group only where they say the same of the same things, in whatever words.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import re2

from fixstream.schemas.records import ErrorEvent
from fixstream.triage.gates import byte_options
from fixstream.triage.normalise import normalise
from fixstream.triage.trace import Frame, ParsedException, ParsedTrace
from fixstream.triage.traces.crash_kind import TELLING, crash_line, may_be_crash
from fixstream.triage.wording import plain_wording

FINGERPRINT_VERSION = "v1"
"""Prefix of every fingerprint; a better recipe gets a new one and leaves the old groups alone."""

NATIVE = frozenset(("cpp", "swift", "objective-c"))
"""Languages whose traces are crash logs."""
MAX_KEY_FRAMES = 8
"""Own frames that count. More would split a group whenever an outer caller differs."""
MAX_CRASH_FRAMES = 3
"""Frames that count in crash logs, whose stacks are long and differ far from the crash."""
MAX_LINES = 12
"""Lines that count of a stack trace in no known form."""
FEW_FRAMES = 2
"""So few own frames tell little: then what they called counts too."""
MAX_LIBRARY_FRAMES = 4
"""Frames that count when none is our own."""

MAX_FAILURE_LINES = 3
"""Lines that are added to the first line of a log."""
MAX_LINE_BYTES = 400
MAX_WEAK_CHARS = 64 * 1024
"""This much of a text is looked at where no trace tells the group."""
_FAILURE = re2.compile(
    rb"(?i)\b(?:\w*(?:error|exception)|fail(?:s|ed|ure|ures)?|fatal|panic|abort(?:ed)?|crash(?:ed)?|denied|refused|timed? ?out|"
    rb"exceeded|killed|overflow|unable|cannot|could not|invalid|missing|not found|signal)\b",
    byte_options(),
)
_LOG_LINE = re.compile(
    r"\W*(?:[VDIWEF]\d{4} |(?:INFO|WARN|WARNING|DEBUG|TRACE|NOTICE|ERROR)\b|\d{4}-\d\d|\d\d?:\d\d|$)|[\[=#+*-]"
)
"""How the first line of a log begins, or of a banner: it names no error."""
_MANY_REPEATS = 50
"""Repeated calls that no stack has but one that runs over."""

_GENERATED = re.compile(
    r"\$\$(?:Lambda|FastClass|Enhancer|EnhancerBy|Proxy|anonfun)\w*(?:\$\w+)*(?:/0x[0-9a-f]+|/\d+)?"
    r"|\$\$[0-9a-f]{6,}|(?<=lambda)\$\w*\$\d+|\$?Proxy\d+|\$\d+|GeneratedMethodAccessor\d+"
    r"|0x[0-9a-fA-F]+|[.-][0-9a-f]{8,64}(?=[./-]|$)|@[0-9a-f]{4,16}\b|(?<=[./\\_-])\d+(?:\.\d+)*(?=[./\\_-]|$)"
    r"|<lambda_?\d+>|(?<=lambda_)\d+|(?<=func)\d+|(?<=anonymous_)\d+|(?<=closure_)\d+|(?<=d__)\d+|(?<=b__)[\d_]+"
)
_MAY_VARY = re.compile(r"[\d$@]")
_FIRST_NUMBERED = re.compile(r"(?<=[a-z])\d{3,}$")


class Group(NamedTuple):
    """The names of an error's group, each `v1-` and 16 hex digits."""

    fingerprint: str
    own_fingerprint: str | None
    """The name of its very wording, where the group holds other wordings as well."""


class _Key(NamedTuple):
    """What a group is named by."""

    parts: list[str]
    said: tuple[str, ...] = ()
    """Normalised lines of text."""


@lru_cache(maxsize=16384)
def _part(module: str, function: str) -> str:
    """Names a frame without what differs between builds, machines and runs."""
    name = f"{module}:{function}"
    if _MAY_VARY.search(name) is None:
        return name
    return _FIRST_NUMBERED.sub("#", _GENERATED.sub("#", name))


def _distinct(parts: Iterable[str], limit: int) -> list[str]:
    """Keeps the first `limit` parts, each recursion once."""
    kept: list[str] = []
    for part in parts:
        if part not in kept:
            kept.append(part)
            if len(kept) == limit:
                break
    return kept


def _is_recursion(root: ParsedException) -> bool:
    """Tells whether the stack ran over, by what the log says or by how often its calls repeat."""
    said = (root.type or "").lower().replace(" ", "-")
    if "stack-overflow" in said:
        return True
    return len(root.frames) - len({frame.function for frame in root.frames}) > _MANY_REPEATS


def _crash_key(root: ParsedException) -> list[str]:
    own = [frame.function for frame in root.frames if frame.in_app]
    if _is_recursion(root):
        # The stack ends anywhere in the recursion: the calls that repeat tell it, in no order.
        counts = Counter(frame.function for frame in root.frames)
        repeated = sorted(name for name, count in counts.items() if count > 2)
        own = repeated or own
    names = _distinct(own, MAX_CRASH_FRAMES)
    if len(names) < MAX_CRASH_FRAMES:
        names = _distinct([*names, *(frame.function for frame in root.frames)], MAX_CRASH_FRAMES)
    return ["crash", root.type or "", *names]


def _names(frames: Iterable[Frame], limit: int) -> list[str]:
    parts = (_part((frame.module or "")[:300], frame.function[:300]) for frame in frames)
    return _distinct(parts, limit)


def _called(root: ParsedException) -> list[Frame]:
    """Returns the library's frame that our innermost own frame called, if any."""
    before: Frame | None = None
    for frame in root.frames:
        if frame.in_app:
            return [] if before is None else [before]
        before = frame
    return []


def _trace_key(root: ParsedException, kind: str) -> _Key:
    own = [frame for frame in root.frames if frame.in_app]
    if not own:
        frames = _names(root.frames[:64], MAX_LIBRARY_FRAMES)
        return _Key(["library", kind, *frames], (normalise(root.message.partition("\n")[0]),))
    names = _names(own[:64], MAX_KEY_FRAMES)
    if len(names) <= FEW_FRAMES:
        names += _names(_called(root), 1)
    return _Key(["trace", kind, *names])


def _root(trace: ParsedTrace) -> ParsedException | None:
    """Returns the deepest exception that has frames."""
    return next((found for found in trace.exceptions if found.frames), None)


def _kind(trace: ParsedTrace, root: ParsedException, event: ErrorEvent) -> str:
    """Names the type of the root; a Go panic by its message, for its type says nothing."""
    kind = trace.root.type or root.type or event.error_type or ""
    kind = kind.replace("\\", ".").replace("::", ".").rsplit(".", 1)[-1]
    if kind in ("panic", "fatal error", "goroutine", ""):
        return f"{kind} {normalise(root.message)}"
    return kind


def _failure_lines(text: str, limit: int) -> list[str]:
    """Returns the first lines of `text` that name a failure, at most `limit`."""
    data = text.encode("utf-8", "replace")
    lines: list[str] = []
    place = 0
    while len(lines) < limit and (found := _FAILURE.search(data, place)) is not None:
        begin = data.rfind(b"\n", place, found.start()) + 1 or place
        place = data.find(b"\n", found.end()) + 1 or len(data)
        lines.append(data[begin:place][:MAX_LINE_BYTES].decode("utf-8", "replace"))
    return lines


def _telling_lines(message: str, stack: str | None) -> list[str]:
    """Returns what counts of an error without a known trace.

    The first line of the message; where that is a log's, or the message is long, also the first lines
    that name a failure. All lines of a short stack; of a long one its ends, and those lines.
    """
    first, _, others = message[:MAX_WEAK_CHARS].strip().partition("\n")
    if not stack:
        if not others or not (_LOG_LINE.match(first) or others.count("\n") > MAX_LINES):
            return [normalise(first)]
        lines = _failure_lines(first + "\n" + others, MAX_FAILURE_LINES)
        return [normalise(line) for line in (first, *lines)]
    stack = stack[:MAX_WEAK_CHARS]
    lines = [line for line in stack.splitlines() if line.strip()]
    if len(lines) > MAX_LINES:
        told = _failure_lines(stack, MAX_LINES // 2)
        lines = lines[: MAX_LINES // 4] + told + lines[-MAX_LINES // 4 :]
    return [normalise(line) for line in (first, *lines)]


def _crash_lines(message: str, line: str) -> list[str]:
    """Returns what counts of a crash without a stack: what the message says, and the line that names it."""
    first = message[:MAX_WEAK_CHARS].strip().partition("\n")[0]
    is_told = _LOG_LINE.match(first) is not None or (line != "" and line in first)
    return [normalise(told) for told in ("" if is_told else first, line) if told]


def _key(event: ErrorEvent, trace: ParsedTrace | None) -> _Key:
    root = _root(trace) if trace is not None else None
    if trace is not None and root is not None:
        if trace.language in NATIVE:
            return _Key(_crash_key(root))
        return _trace_key(root, _kind(trace, root, event))
    text = event.stack_trace or event.message
    crash = crash_line(text) if may_be_crash(text) else None
    if crash is None:
        kind = event.error_type or ""
        return _Key(["message", kind], tuple(_telling_lines(event.message, event.stack_trace)))
    kind, line = crash
    if kind.startswith(TELLING):
        return _Key(["crash", kind])
    return _Key(["message", kind], tuple(_crash_lines(event.message, line)))


def _hashed(parts: Iterable[str]) -> str:
    key = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return f"{FINGERPRINT_VERSION}-{hashlib.blake2b(key, digest_size=8).hexdigest()}"


def group_of(event: ErrorEvent, trace: ParsedTrace | None) -> Group:
    """Names the group of a scrubbed event with its parsed trace."""
    key = _key(event, trace)
    plain = tuple(map(plain_wording, key.said))
    name = _hashed([*key.parts, *plain])
    return Group(name, None if plain == key.said else _hashed([*key.parts, *key.said]))


def fingerprint(event: ErrorEvent, trace: ParsedTrace | None) -> str:
    """Returns `v1-` and 16 hex digits for the scrubbed event and its parsed trace."""
    return group_of(event, trace).fingerprint
