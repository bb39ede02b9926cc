"""Reads errors and fixes with the frozen sentence encoder, in one thread: errors first.

What an error says can be compared with the fixes from the first minute, without a trained model. A
reading that is late is given up: words answer by themselves, and nobody waits for meaning. It keeps
no vectors; the encoder remembers what it read last.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import structlog

from fixstream.inference import metrics
from fixstream.inference.served import ErrorText, Vectors
from fixstream.runtime.background import BackgroundThread
from fixstream.runtime.clock import Clock
from fixstream.trainer.sentences import Sentences, values_of

log = structlog.get_logger(__name__)

MAX_WAITING = 64
"""Errors that may wait; further ones are answered by words."""
DEADLINE_S = 0.3
"""An error that has waited longer is answered by words."""


@dataclass(slots=True)
class _Waiting:
    text: ErrorText
    answer: Future[Vectors | None]
    given_up_at: float


class SentenceReader(BackgroundThread):
    """One encoder behind two queues. A context manager: its thread runs inside."""

    version = 1
    """The encoder is frozen: one version for as long as the service runs."""

    def __init__(
        self,
        sentences: Sentences,
        clock: Clock,
        *,
        prepare_thread: Callable[[], None] = lambda: None,
    ) -> None:
        """Stores its collaborators; `prepare_thread` sets the thread's number of torch threads."""
        super().__init__("sentence-reader")
        self._prepare_thread = prepare_thread
        self._sentences = sentences
        self._clock = clock
        self._changed = threading.Condition()
        self._errors: deque[_Waiting] = deque()
        self._fixes: deque[_Waiting] = deque()

    def wake(self) -> None:
        """Lets the thread see that it shall stop."""
        with self._changed:
            self._changed.notify()

    def submit(self, text: ErrorText) -> Future[Vectors | None]:
        """Asks for an error's embedding; its result is None where there was no time for it."""
        one = _Waiting(text, Future(), self._clock.monotonic() + DEADLINE_S)
        with self._changed:
            is_taken = len(self._errors) < MAX_WAITING and not self.stopping.is_set()
            if is_taken:
                self._errors.append(one)
                self._changed.notify()
        if not is_taken:
            _give_up(one)
        return one.answer

    def encode(self, version: int, texts: Sequence[str]) -> Vectors | None:
        """The vectors `(N, D)` of fixes, once no error waits; None: it is stopping."""
        wanted = [_Waiting(ErrorText(text), Future(), math.inf) for text in texts]
        with self._changed:
            if version != self.version or self.stopping.is_set():
                return None
            self._fixes += wanted
            self._changed.notify()
        found = [one.answer.result() for one in wanted]
        if self.stopping.is_set():
            return None
        # What it cannot read is like nothing, and keeps no other fix waiting.
        like_nothing = np.zeros(self._sentences.width, np.float32)
        return np.stack([like_nothing if one is None else one for one in found])

    def run(self) -> None:
        """Reads until it is asked to stop; what waits then is given up."""
        self._prepare_thread()
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._errors or self._fixes or self.stopping.is_set()
                )
                if self.stopping.is_set():
                    break
                one = (self._errors or self._fixes).popleft()
            self._read(one)
        with self._changed:
            left = [*self._errors, *self._fixes]
        for one in left:
            _give_up(one)

    def _read(self, one: _Waiting) -> None:
        if one.given_up_at < self._clock.monotonic():
            _give_up(one)
            return
        if not one.answer.set_running_or_notify_cancel():
            return  # The caller went away meanwhile.
        try:
            one.answer.set_result(values_of(self._sentences.read(one.text)))
        except Exception:  # The loop edge: one bad text must not end the readings.
            log.exception("sentence encoder failed")
            metrics.SENTENCES_SKIPPED.labels("failed").inc()
            one.answer.set_result(None)


def unread() -> Future[Vectors | None]:
    """The reading where there is no encoder."""
    answer: Future[Vectors | None] = Future()
    answer.set_result(None)
    return answer


def _give_up(one: _Waiting) -> None:
    if one.answer.set_running_or_notify_cancel():  # From here on nobody can cancel it.
        metrics.SENTENCES_SKIPPED.labels("late").inc()
        one.answer.set_result(None)
