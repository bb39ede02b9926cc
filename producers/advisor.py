"""With predictions on: which fix is known for an error of this process, without ever waiting.

One thread listens for the suggestions that name this service, another finds the fingerprints of
reported errors by the same triage as the processor's. A request only looks up what both have found
so far; for a place that is new to this process, and only where it is asked to by name, it runs the
triage itself, which takes about a millisecond.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final, TypeVar

from fixstream.producers import host_log
from fixstream.producers.exception_chain import chain_of, frames_of, root_cause
from fixstream.producers.safe_text import message_of, type_name
from fixstream.producers.suggestions import MAX_AGE_S, SuggestionCache, header_text
from fixstream.runtime.clock import Clock
from fixstream.schemas.records import ErrorEvent, SuggestedFix

if TYPE_CHECKING:
    from fixstream.triage.triage import Triage, Triager

LOGGER_NAME: Final = "fixstream.suggestions"
"""Where a known fix is told, as a warning: a host sees it without any set-up."""

_log = logging.getLogger(LOGGER_NAME)
_MAX_PLACES: Final = 2048
_MAX_WAITING: Final = 256
_MAX_MESSAGE_CHARS: Final = 1000
_WAIT_S: Final = 0.5

Listen = Callable[[Callable[[SuggestedFix], None], threading.Event], None]
"""Calls the first for each suggestion until the second is set."""
MakeEvent = Callable[[], ErrorEvent]
_K = TypeVar("_K")
_V = TypeVar("_V")


class Advisor:
    """Start it once; ask it from anywhere; close it. A forked child starts it anew by itself."""

    def __init__(self, cache: SuggestionCache, listen: Listen, clock: Clock) -> None:
        self._cache = cache
        self._listen = listen
        self._clock = clock
        self._triager: Triager | None = None
        self._fingerprints: OrderedDict[Hashable, str] = OrderedDict()
        """By place, or by place and message where the message decides the group."""
        self._error_types: OrderedDict[str, str] = OrderedDict()
        """Of the fingerprints of this process: what its errors are called."""
        self._told_at: OrderedDict[str, float] = OrderedDict()
        self._waiting: deque[tuple[Hashable, ErrorEvent]] = deque(maxlen=_MAX_WAITING)
        self._has_work = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pid = 0

    def start(self) -> None:
        """Start both threads, in this process."""
        self._pid = os.getpid()
        self._has_work = threading.Event()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._name_groups, name="fixstream-groups", daemon=True),
            threading.Thread(target=self._hear, name="fixstream-suggestions", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def observe(self, error: BaseException, event: ErrorEvent) -> None:
        """An error was reported: find out its group when there is time."""
        if self._pid != os.getpid():
            self.start()
        self._waiting.append((_place(error), event))
        self._has_work.set()

    def advice(self, error: BaseException, make_event: MakeEvent | None = None) -> str | None:
        """The known fix in one line of printable ASCII, or None.

        Args:
            error: What failed.
            make_event: Makes its event, if its group may be found out here and now.
        """
        if not len(self._cache):
            return None
        place = _place(error)
        fingerprint = self._fingerprints.get(place) or self._fingerprints.get(
            (place, message_of(error, _MAX_MESSAGE_CHARS))
        )
        if fingerprint is None and make_event is not None and self._triager is not None:
            fingerprint = self._remember(place, make_event())
        suggestion = self._cache.get(fingerprint) if fingerprint is not None else None
        return header_text(suggestion) if suggestion is not None else None

    def close(self) -> None:
        """End both threads; what they wait for ends within half a second."""
        self._stopping.set()
        self._has_work.set()
        if self._pid == os.getpid():
            for thread in self._threads:
                thread.join(2.0)

    def _hear(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen(self._on_suggestion, self._stopping)
            except Exception as error:  # noqa: BLE001 -- loop edge: Kafka may be away
                host_log.warn_once("suggestions cannot be received", error=type(error).__name__)
                self._stopping.wait(10 * _WAIT_S)

    def _on_suggestion(self, suggestion: SuggestedFix) -> None:
        self._cache.put(suggestion)
        self._tell(suggestion.fingerprint)

    def _name_groups(self) -> None:
        while not self._stopping.is_set():
            try:
                # Before the first error comes: the rules take a while to load.
                self._ready_triager()
                self._has_work.wait(_WAIT_S)
                self._has_work.clear()
                while self._waiting and not self._stopping.is_set():
                    self._tell(self._remember(*self._waiting.popleft()))
            except Exception as error:  # noqa: BLE001 -- loop edge: the next may do better
                host_log.swallowed("finding an error's group", error)
                self._stopping.wait(_WAIT_S)

    def _ready_triager(self) -> Triager:
        from fixstream.triage.triage import Triager

        if self._triager is None:
            self._triager = Triager(num_kept=64)
        return self._triager

    def _remember(self, place: Hashable, event: ErrorEvent) -> str:
        triage = self._ready_triager().triage(event)
        key = (place, event.message[:_MAX_MESSAGE_CHARS]) if _by_message(triage) else place
        _put(self._fingerprints, key, triage.fingerprint)
        _put(self._error_types, triage.fingerprint, event.error_type or "error")
        return triage.fingerprint

    def _tell(self, fingerprint: str) -> None:
        """Log the fix of an error of this process, once in five minutes."""
        error_type = self._error_types.get(fingerprint)
        suggestion = self._cache.get(fingerprint)
        text = header_text(suggestion) if suggestion is not None else None
        now_s = self._clock.monotonic()
        if error_type is None or text is None:
            return
        if now_s - self._told_at.get(fingerprint, -MAX_AGE_S) < MAX_AGE_S:
            return
        _put(self._told_at, fingerprint, now_s)
        _log.warning("a fix is known error_type=%s fix=%s", error_type, text)


def _place(error: BaseException) -> Hashable:
    """What two errors of one group have in common but for their messages: types and calls."""
    links = [link.error for link in chain_of(error)]
    root = root_cause(error)
    if all(root is not link for link in links):
        links += [link.error for link in chain_of(root)]
    return tuple((type_name(link), _calls(link)) for link in links)


def _calls(error: BaseException) -> tuple[tuple[str, str], ...]:
    return tuple((frame.file, frame.function) for frame in frames_of(error.__traceback__).kept)


def _by_message(triage: Triage) -> bool:
    """Whether the message has a part in the fingerprint: where no frame is the application's."""
    exceptions = triage.trace.exceptions if triage.trace is not None else ()
    root = next((found for found in exceptions if found.frames), None)
    return root is None or not any(frame.in_app for frame in root.frames)


def _put(kept: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > _MAX_PLACES:
        kept.popitem(last=False)
