"""Names the group of an error: the same fault gets the same fingerprint, wherever it happens.

The key is the root exception's type with its frames of our own code (function and module, never a
line), or the normalised message where there is no trace. Over-merging is the worse mistake.
"""

from __future__ import annotations

import hashlib
import re

from fixstream.schemas.records import ErrorEvent
from fixstream.triage.normalise import normalise
from fixstream.triage.trace import Frame, ParsedException, ParsedTrace

FINGERPRINT_VERSION = "v1"
"""Prefix of every fingerprint; a better recipe gets a new one and leaves the old groups alone."""

MAX_KEY_FRAMES = 8

_GENERATED = re.compile(r"\$\$\w+|\$?\d+|0x[0-9a-fA-F]+|(?<=[.-])[0-9a-f]{8,40}(?=[.-])")


def _part(frame: Frame) -> str:
    name = f"{frame.module or frame.file or ''}:{frame.function}"
    return _GENERATED.sub("#", name)


def _trace_key(root: ParsedException) -> list[str]:
    frames = [frame for frame in root.frames if frame.in_app] or list(root.frames)
    return [root.type or "", *(_part(frame) for frame in frames[:MAX_KEY_FRAMES])]


def _key(event: ErrorEvent, trace: ParsedTrace | None) -> list[str]:
    if trace is not None and trace.root.frames:
        return ["trace", *_trace_key(trace.root)]
    first_line = event.message.strip().split("\n", 1)[0]
    return ["message", event.error_type or "", normalise(first_line)]


def fingerprint(event: ErrorEvent, trace: ParsedTrace | None) -> str:
    """Returns `v1-` and 16 hex digits for the scrubbed event and its parsed trace."""
    key = "\x1f".join(_key(event, trace)).encode("utf-8", "surrogatepass")
    return f"{FINGERPRINT_VERSION}-{hashlib.blake2b(key, digest_size=8).hexdigest()}"
