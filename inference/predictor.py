"""Runs the model: one thread of its own, small batches, never two models in one batch.

Torch never sees the event loop's pool. Requests that come while a batch runs form the next one;
a batch waits for company only if the last one had some, so a lone request starts at once. The
queue is bounded: what cannot be served in time is refused before it waits.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from fixstream.inference import metrics
from fixstream.inference.served import ErrorText, Prediction, ServedModel
from fixstream.inference.slot import ModelSlot
from fixstream.runtime.background import BackgroundThread
from fixstream.runtime.clock import Clock
from fixstream.schemas.errors import RetryLater

log = structlog.get_logger(__name__)


PACE_WEIGHT = 0.1


class Overloaded(RetryLater):
    """More predictions are waiting than can be made in time; `retry_after_s` says when to ask."""

    def __init__(self, detail: str, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class PredictorConfig:
    """How predictions are batched."""

    max_batch: int = 16
    """The most texts in one pass of the model."""
    company_wait_s: float = 0.002
    """How long a batch stays open for more, when the last one had more than one text."""
    max_waiting: int = 512
    """Predictions that may wait; further ones are refused."""
    deadline_s: float = 5.0
    """A prediction that has waited longer is given up."""
    max_wait_s: float = 2.0
    """Where a further prediction would wait longer than this, it is refused at once."""


@dataclass(slots=True)
class _Waiting:
    text: ErrorText
    answer: Future[Prediction | None]
    given_up_at: float


class Predictor(BackgroundThread):
    """Predicts with whatever model the slot holds. A context manager: its thread runs inside."""

    def __init__(
        self,
        slot: ModelSlot,
        clock: Clock,
        config: PredictorConfig | None = None,
        *,
        prepare_thread: Callable[[], None] = lambda: None,
    ) -> None:
        """Stores its collaborators.

        Args:
            slot: Where the model is leased, once a batch.
            clock: For deadlines.
            config: Limits; the defaults suit two cores.
            prepare_thread: Called first in the thread, to set its number of torch threads.
        """
        super().__init__("predictor")
        self._slot = slot
        self._clock = clock
        self._config = config or PredictorConfig()
        self._prepare_thread = prepare_thread
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._seconds_per_text = 0.0

    def wake(self) -> None:
        """Lets the thread see that it shall stop; it answers what waits first."""
        with self._changed:
            self._changed.notify()

    @property
    def num_waiting(self) -> int:
        """Predictions that wait for the model now."""
        return len(self._waiting)

    def submit(self, text: ErrorText) -> Future[Prediction | None]:
        """Asks for one prediction; its result is None when there is no model.

        Raises:
            Overloaded: Too many are waiting already, or the predictor is stopping.
        """
        answer: Future[Prediction | None] = Future()
        if self._slot.version == 0:
            answer.set_result(None)
            return answer
        with self._changed:
            self._check_room()
            given_up_at = self._clock.monotonic() + self._config.deadline_s
            self._waiting.append(_Waiting(text, answer, given_up_at))
            self._changed.notify()
        return answer

    async def predict(self, text: ErrorText) -> Prediction | None:
        """As `submit`, for the event loop."""
        return await asyncio.wrap_future(self.submit(text))

    def _check_room(self) -> None:
        """Called with the lock held: refusing now is kinder than refusing after a wait."""
        num_waiting, config = len(self._waiting), self._config
        wait_s = num_waiting * self._seconds_per_text
        if (
            self.stopping.is_set()
            or num_waiting >= config.max_waiting
            or wait_s > config.max_wait_s
        ):
            metrics.PREDICTIONS_REFUSED.inc()
            raise Overloaded(f"{num_waiting} predictions are waiting", max(1, math.ceil(wait_s)))

    def run(self) -> None:
        """Answers in batches until it is asked to stop and nothing waits."""
        self._prepare_thread()
        had_company = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self.stopping.is_set())
                if self.stopping.is_set() and not self._waiting:
                    break
                batch = self._take(had_company)
            had_company = len(batch) > 1
            self._predict(batch)

    def _take(self, had_company: bool) -> list[_Waiting]:
        """Called with the lock held; waits for company where the last batch had some."""
        config = self._config
        if had_company and len(self._waiting) < config.max_batch and not self.stopping.is_set():
            self._changed.wait_for(
                lambda: len(self._waiting) >= config.max_batch or self.stopping.is_set(),
                timeout=config.company_wait_s,
            )
        size = min(len(self._waiting), config.max_batch)
        return [self._waiting.popleft() for _ in range(size)]

    def _predict(self, batch: list[_Waiting]) -> None:
        now = self._clock.monotonic()
        late = [one for one in batch if one.given_up_at < now]
        for one in late:
            metrics.PREDICTIONS_REFUSED.inc()
            one.answer.set_exception(Overloaded("the prediction waited too long"))
        # False: the caller went away meanwhile, and nobody would read the answer.
        live = [
            one
            for one in batch
            if one.given_up_at >= now and one.answer.set_running_or_notify_cancel()
        ]
        if not live:
            return
        metrics.BATCH_SIZE.observe(len(live))
        with self._slot.lease() as model:
            self._answer(live, model)
        self._learn_pace((self._clock.monotonic() - now) / len(live))

    def _learn_pace(self, seconds_per_text: float) -> None:
        """A moving mean over some ten batches: one slow moment must not turn callers away."""
        known = self._seconds_per_text
        self._seconds_per_text = known + PACE_WEIGHT * (seconds_per_text - known)

    def _answer(self, batch: list[_Waiting], model: ServedModel | None) -> None:
        try:
            answers = model.predict([one.text for one in batch]) if model else [None] * len(batch)
        except Exception as error:  # The loop edge: one bad text must not end the service.
            if len(batch) > 1:  # Nor fail its neighbours.
                for one in batch:
                    self._answer([one], model)
                return
            log.exception("prediction failed")
            metrics.PREDICTIONS_FAILED.inc()
            batch[0].answer.set_exception(error)
            return
        for one, answer in zip(batch, answers, strict=True):
            one.answer.set_result(answer)
