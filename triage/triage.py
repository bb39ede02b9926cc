"""One pass over one event: cut, scrub, parse, fingerprint, title, labels.

The processor, the backtest and inference all call this, so that a text is judged the same way
everywhere. Does no I/O and reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from fixstream.schemas.making import maker
from fixstream.schemas.records import ErrorEvent, Labels
from fixstream.triage.classify import category_hint, classify
from fixstream.triage.event_texts import (
    NUM_MAIN,
    main_texts,
    may_be_secret,
    other_texts,
    with_texts,
)
from fixstream.triage.fingerprint import FINGERPRINT_VERSION, group_of
from fixstream.triage.language import language_of
from fixstream.triage.recent import Recent
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
    own_fingerprint: str | None = None
    """The name of its very wording, where the group holds other wordings as well."""


_triage = maker(Triage)


class _Judgement(NamedTuple):
    """What two events with the same main texts have in common."""

    language: str | None
    fingerprint: str
    title: str
    labels: Labels
    trace: ParsedTrace | None
    own_fingerprint: str | None


_Texts = tuple[str, ...]


def _num_chars(texts: _Texts) -> int:
    return sum(map(len, texts))


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
    """Judges events with one scrubber. Safe to share between threads.

    What it remembers of earlier events saves work and never changes an answer: only errors in
    whose main texts nothing was to scrub are kept, so that no secret stays in memory.
    """

    def __init__(self, scrubber: Scrubber | None = None, *, num_kept: int = 2048) -> None:
        """Stores the scrubber (None: one with default settings) and how many judgements to keep."""
        self._scrubber = scrubber or Scrubber()
        self._recent: Recent[_Texts, _Judgement] = Recent(num_kept)
        self._clean: Recent[_Texts, bool] = Recent(num_kept)
        """The other texts of events, taken together, in which nothing was to scrub."""

    def triage(self, event: ErrorEvent) -> Triage:
        """Returns the judgement; never raises on any text."""
        event = _bounded(event)
        texts = main_texts(event)
        key = (*texts, event.language or "", category_hint(event) or "")
        known = self._recent.get(key)
        if known is not None:
            texts += self._cleaned_others(event)
            clean = with_texts(event, texts, language=known.language, scrubber=SCRUBBER_VERSION)
            return _triage(clean, *known[1:])
        all_clean = self._scrubber.scrub_texts([*texts, *other_texts(event)])
        judged = self._judged(event, all_clean)
        if all_clean[:NUM_MAIN] == texts:
            language = judged.event.language
            self._recent.put(
                key,
                _Judgement(
                    language,
                    judged.fingerprint,
                    judged.title,
                    judged.labels,
                    judged.trace,
                    judged.own_fingerprint,
                ),
                _num_chars(key),
            )
        return judged

    def judge(self, event: ErrorEvent) -> Triage:
        """The same judgement; nothing is remembered, for the caller knows repeats itself."""
        event = _bounded(event)
        texts = [*main_texts(event), *other_texts(event)]
        return self._judged(event, self._scrubber.scrub_texts(texts))

    def _cleaned_others(self, event: ErrorEvent) -> list[str]:
        texts = other_texts(event)
        key = tuple(texts)
        if self._clean.get(key):
            return texts
        clean = self._scrubber.scrub_texts(texts)
        # An attribute may be secret by its name alone, and such a value must not stay here.
        if clean is texts and not any(map(may_be_secret, event.attributes)):
            self._clean.put(key, True, _num_chars(key))
        return clean

    @staticmethod
    def _judged(event: ErrorEvent, clean: list[str]) -> Triage:
        trace = parse_trace(clean[1]) if clean[1] else parse_trace(clean[0])
        language = event.language or (
            trace.language if trace is not None else language_of(clean[2], clean[0])
        )
        scrubbed = with_texts(event, clean, language=language, scrubber=SCRUBBER_VERSION)
        group = group_of(scrubbed, trace)
        return Triage(
            event=scrubbed,
            fingerprint=group.fingerprint,
            title=title(scrubbed, trace),
            labels=classify(scrubbed, trace),
            trace=trace,
            own_fingerprint=group.own_fingerprint,
        )
