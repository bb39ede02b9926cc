"""Suggested fixes as they are kept inside a host: for five minutes, by fingerprint, bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from fixstream.producers.fork_safety import renew_in_children
from fixstream.runtime.clock import Clock
from fixstream.schemas.records import SuggestedFix

MAX_AGE_S: Final = 300.0
_MAX_FINGERPRINTS: Final = 512
_MAX_HEADER_CHARS: Final = 200


class SuggestionCache:
    """The last suggestion of each fingerprint. Thread-safe."""

    def __init__(
        self,
        clock: Clock,
        *,
        max_fingerprints: int = _MAX_FINGERPRINTS,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        self._clock = clock
        self._max_fingerprints = max_fingerprints
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, SuggestedFix]] = OrderedDict()
        renew_in_children(self)

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, suggestion: SuggestedFix) -> None:
        """Keep the suggestion in the place of an older one; one without a fix is not kept."""
        if not suggestion.fixes:
            return
        with self._lock:
            self._kept.pop(suggestion.fingerprint, None)
            self._kept[suggestion.fingerprint] = (self._clock.monotonic(), suggestion)
            if len(self._kept) > self._max_fingerprints:
                self._kept.popitem(last=False)

    def get(self, fingerprint: str) -> SuggestedFix | None:
        """The suggestion for a fingerprint, if one came in the last five minutes."""
        with self._lock:
            kept = self._kept.get(fingerprint)
            if kept is None:
                return None
            came_at, suggestion = kept
            if self._clock.monotonic() - came_at > self._max_age_s:
                del self._kept[fingerprint]
                return None
            return suggestion

    def renew_after_fork(self) -> None:
        """A lock that no thread of the parent holds."""
        self._lock = threading.Lock()


def header_text(suggestion: SuggestedFix) -> str | None:
    """The best fix in one line of printable ASCII, fit for a header: `<title> [<solution id>]`."""
    if not suggestion.fixes:
        return None
    best = suggestion.fixes[0]
    tail = f" [{_printable(best.solution_id)}]"
    room = max(0, _MAX_HEADER_CHARS - len(tail))
    title = _printable(best.title or best.text)
    short = title if len(title) <= room else f"{title[: max(0, room - 3)].rstrip()}..."
    return f"{short}{tail}"[:_MAX_HEADER_CHARS].strip() or None


def _printable(text: str) -> str:
    # No line break may reach a header: what follows it would be a header of its own.
    return " ".join("".join(c if " " <= c <= "~" else " " for c in text[:1000]).split())
