"""One line that tells a person which error this is. Refuses to be longer than a list allows."""

from __future__ import annotations

from fixstream.schemas.records import ErrorEvent
from fixstream.triage.trace import ParsedTrace

MAX_TITLE_CHARS = 160


def _first_line(text: str) -> str:
    for line in text[:4000].splitlines():
        if line.strip():
            return " ".join(line.split())
    return ""


def title(event: ErrorEvent, trace: ParsedTrace | None) -> str:
    """Returns the exception's short name and first line of message, at most 160 characters."""
    kind, message = event.error_type or "", _first_line(event.message)
    if trace is not None:
        kind = kind or trace.top.type or ""
        message = message or _first_line(trace.top.message)
    kind = " ".join(kind.split())[:MAX_TITLE_CHARS]
    kind = kind.rsplit(".", 1)[-1] if " " not in kind else kind
    if kind and not message.startswith(kind):
        message = f"{kind}: {message}" if message else kind
    message = message or "(no message)"
    return message if len(message) <= MAX_TITLE_CHARS else message[: MAX_TITLE_CHARS - 1] + "…"
