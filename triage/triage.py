"""One pass over one event: cut, scrub, parse, fingerprint, title, labels.

The processor, the backtest and inference all call this, so that a text is judged the same way
everywhere. Does no I/O and reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fixstream.schemas.records import ErrorEvent, Labels
from fixstream.triage.classify import classify
from fixstream.triage.fingerprint import FINGERPRINT_VERSION, fingerprint
from fixstream.triage.scrub import SCRUBBER_VERSION, Scrubber
from fixstream.triage.title import title
from fixstream.triage.trace import ParsedTrace, parse_trace

TRIAGE_VERSION = f"triage-1+{SCRUBBER_VERSION}+{FINGERPRINT_VERSION}"
"""Changes whenever the same event could be judged differently."""

MAX_MESSAGE_CHARS = 64 * 1024
MAX_TRACE_CHARS = 256 * 1024
_CUT = "\n[... cut ...]\n"


@dataclass(frozen=True, slots=True)
class Triage:
    """All that triage found out about one event; `event` is scrubbed."""

    event: ErrorEvent
    fingerprint: str
    title: str
    labels: Labels
    trace: ParsedTrace | None


def cut(text: str, limit: int) -> str:
    """Keeps head and tail of a text that is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    half = (limit - len(_CUT)) // 2
    return text[:half] + _CUT + text[-half:]


def _bounded(event: ErrorEvent) -> ErrorEvent:
    stack = event.stack_trace
    if len(event.message) <= MAX_MESSAGE_CHARS and len(stack or "") <= MAX_TRACE_CHARS:
        return event
    return replace(
        event,
        message=cut(event.message, MAX_MESSAGE_CHARS),
        stack_trace=None if stack is None else cut(stack, MAX_TRACE_CHARS),
    )


class Triager:
    """Judges events with one scrubber. Safe to share between threads."""

    def __init__(self, scrubber: Scrubber | None = None) -> None:
        """Stores the scrubber; None takes one with the default settings."""
        self._scrubber = scrubber or Scrubber()

    def triage(self, event: ErrorEvent) -> Triage:
        """Returns the judgement; never raises on any text."""
        clean = self._scrubber.scrub_event(_bounded(event))
        trace = parse_trace(clean.stack_trace) if clean.stack_trace else parse_trace(clean.message)
        if trace is not None and clean.language is None:
            clean = replace(clean, language=trace.language)
        return Triage(
            event=clean,
            fingerprint=fingerprint(clean, trace),
            title=title(clean, trace),
            labels=classify(clean, trace),
            trace=trace,
        )
