"""Names the group of an error: the same fault gets the same fingerprint, wherever it happens.

The key is the root exception's type with its frames of our own code (function and module, never a
line), or the normalised message where there is no trace. Over-merging is the worse mistake.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from fixstream.schemas.records import ErrorEvent
from fixstream.triage.normalise import normalise
from fixstream.triage.trace import ParsedException, ParsedTrace
from fixstream.triage.traces.native import crash_kind, may_be_crash

FINGERPRINT_VERSION = "v1"
"""Prefix of every fingerprint; a better recipe gets a new one and leaves the old groups alone."""

MAX_KEY_FRAMES = 8
"""Own frames that count. More would split a group whenever an outer caller differs."""
MAX_CRASH_FRAMES = 3
"""Frames that count in crash logs, whose stacks are long and differ far from the crash."""
MAX_LINES = 12
"""Lines that count of a stack trace in no known form."""
MAX_LIBRARY_FRAMES = 4
"""Frames that count when none is our own."""

_GENERATED = re.compile(
    r"\$\$(?:Lambda|FastClass|Enhancer|EnhancerBy|Proxy|anonfun)\w*(?:\$\w+)*(?:/0x[0-9a-f]+|/\d+)?"
    r"|\$\$[0-9a-f]{6,}|(?<=lambda)\$\w*\$\d+|\$?Proxy\d+|\$\d+|GeneratedMethodAccessor\d+"
    r"|0x[0-9a-fA-F]+|[.-][0-9a-f]{8,64}(?=[./-]|$)|@[0-9a-f]{4,16}\b|(?<=[./\\_-])\d+(?:\.\d+)*(?=[./\\_-]|$)"
    r"|<lambda_?\d+>|(?<=lambda_)\d+|(?<=func)\d+|(?<=anonymous_)\d+|(?<=closure_)\d+|(?<=d__)\d+|(?<=b__)[\d_]+"
)
_MAY_VARY = re.compile(r"[\d$@]")
_FIRST_NUMBERED = re.compile(r"(?<=[a-z])\d{3,}$")


_TELLING_KINDS = ("check", "dcheck", "assert", "fatal", "ubsan")
"""Kinds of crash that hold the words of the failed check, so that they name a group by themselves."""


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


def _crash_key(root: ParsedException) -> list[str]:
    names = [frame.function for frame in root.frames]
    if "overflow" in (root.type or "") and len(names) > len(set(names)) + 2:
        # The stack ends anywhere in the recursion: the calls that repeat tell it, in no order.
        counts = Counter(names)
        names = sorted(name for name, count in counts.items() if count > 1)
    return ["crash", root.type or "", *_distinct(names, MAX_CRASH_FRAMES)]


def _trace_key(root: ParsedException, kind: str) -> list[str]:
    own = [frame for frame in root.frames if frame.in_app]
    if own:
        return [
            "trace",
            kind,
            *_distinct(
                (_part((frame.module or "")[:300], frame.function[:300]) for frame in own[:64]),
                MAX_KEY_FRAMES,
            ),
        ]
    frames = _distinct(
        (_part((frame.module or "")[:300], frame.function[:300]) for frame in root.frames[:64]),
        MAX_LIBRARY_FRAMES,
    )
    return ["library", kind, *frames, normalise(root.message.partition("\n")[0])]


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


def _key(event: ErrorEvent, trace: ParsedTrace | None) -> list[str]:
    root = _root(trace) if trace is not None else None
    if trace is not None and root is not None:
        if trace.language == "cpp":
            return _crash_key(root)
        return _trace_key(root, _kind(trace, root, event))
    text = event.stack_trace or event.message
    kind = crash_kind(text) if may_be_crash(text) else None
    if kind is not None and kind.startswith(_TELLING_KINDS):
        return ["crash", kind]
    first_line = event.message.strip().split("\n", 1)[0]
    lines = [line for line in (event.stack_trace or "").splitlines() if line.strip()]
    if len(lines) > MAX_LINES:
        lines = lines[: MAX_LINES // 2] + lines[-MAX_LINES // 2 :]
    kind = kind or event.error_type or ""
    return ["message", kind, normalise(first_line), *map(normalise, lines)]


def fingerprint(event: ErrorEvent, trace: ParsedTrace | None) -> str:
    """Returns `v1-` and 16 hex digits for the scrubbed event and its parsed trace."""
    key = "\x1f".join(_key(event, trace)).encode("utf-8", "surrogatepass")
    return f"{FINGERPRINT_VERSION}-{hashlib.blake2b(key, digest_size=8).hexdigest()}"
