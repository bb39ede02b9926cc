"""Decides which model serves: reads signed updates, and swaps in the newest good one.

An update is refused unless its signature is good, its version is new, and its checkpoint loads,
fits and answers. A refused one leaves the model in use and says why. At start the newest good one
is taken, older ones if need be; with none, the service answers from rules and words alone. How a
checkpoint is opened and checked is the loader's business.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import structlog

from fixstream.inference import metrics
from fixstream.inference.served import ServedModel
from fixstream.inference.slot import ModelSlot
from fixstream.runtime.clock import Clock
from fixstream.runtime.tracing import span
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected, RetryLater
from fixstream.schemas.records import ModelUpdate

log = structlog.get_logger(__name__)

MAX_HISTORY = 1000
MAX_REFUSALS = 50
FIRST_RETRY_S = 1.0
LAST_RETRY_S = 30.0


class Reason(StrEnum):
    """Why an update was refused."""

    SIGNATURE = "signature"
    VERSION = "version"
    LOCATION = "location"
    MISSING = "missing"
    HASH = "hash"
    FORMAT = "format"
    SMOKE = "smoke"
    UNDECODABLE = "undecodable"


class UpdateRefused(ArtifactRejected):
    """An update that must not be served; `reason` is for counting, the message for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class StoreUnavailable(RetryLater):
    """The checkpoint could not be read for a reason that may pass."""


class ModelLoader(Protocol):
    """What knows keys and checkpoints."""

    def verify(self, update: ModelUpdate) -> None:
        """Checks the signature. Raises UpdateRefused."""

    def load(self, update: ModelUpdate) -> ServedModel:
        """The checkpoint as a verified and warm model. Raises UpdateRefused, StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One update that was not taken."""

    version: int
    reason: Reason
    detail: str
    at: datetime


class ModelState(StrEnum):
    """Where the model side of the service stands."""

    STARTING = "starting"
    NO_MODEL = "no_model"
    SERVING = "serving"
    BEHIND = "behind"
    """Serving, but not the newest update: it was refused, or its store is away. While
    an update is being loaded nobody is behind: until it is judged, the newest good one serves."""


class ModelFollower:
    """Feeds the slot from updates. `see` and `tend` are called from one thread; reads from any."""

    def __init__(
        self, slot: ModelSlot, loader: ModelLoader, clock: Clock, model_name: str | None = None
    ) -> None:
        """Stores its collaborators.

        Args:
            slot: Where good models go.
            loader: What verifies and loads.
            clock: For retries, and the times of refusals.
            model_name: Updates of other models are passed over; None follows them all.
        """
        self._slot = slot
        self._loader = loader
        self._clock = clock
        self._model_name = model_name
        self._lock = threading.Lock()
        self._is_caught_up = False
        self._history: deque[ModelUpdate] = deque(maxlen=MAX_HISTORY)
        self._refusals: deque[Refusal] = deque(maxlen=MAX_REFUSALS)
        self._num_refused = 0
        self._newest_version = 0
        self._serving: ModelUpdate | None = None
        self._wanted: ModelUpdate | None = None
        self._retry_at = 0.0
        self._retry_s = FIRST_RETRY_S
        self._store_problem: str | None = None

    @property
    def history(self) -> list[ModelUpdate]:
        """The genuine updates so far, oldest first, rejected ones included."""
        with self._lock:
            return list(self._history)

    @property
    def refusals(self) -> list[Refusal]:
        """The last updates that were refused, oldest first."""
        with self._lock:
            return list(self._refusals)

    @property
    def num_refused(self) -> int:
        """Updates refused since the start."""
        return self._num_refused

    @property
    def serving(self) -> ModelUpdate | None:
        """The update whose checkpoint serves."""
        return self._serving

    @property
    def wanted_version(self) -> int | None:
        """The version that is to be loaded and is not yet; None if nothing waits."""
        wanted = self._wanted
        return wanted.version if wanted else None

    @property
    def store_problem(self) -> str | None:
        """Why the checkpoint that is wanted cannot be read at present; None if nothing is wrong."""
        return self._store_problem

    @property
    def state(self) -> ModelState:
        """Where things stand, for `/readyz`."""
        if not self._is_caught_up:
            return ModelState.STARTING
        with self._lock:
            serving, newest = self._serving, self._newest_servable()
            is_loading = self._wanted is not None and self._store_problem is None
        if serving is None:
            return ModelState.NO_MODEL
        if newest is not None and newest.version != serving.version and not is_loading:
            return ModelState.BEHIND
        return ModelState.SERVING

    def see(self, update: ModelUpdate) -> None:
        """Takes note of the next update of the topic, and loads it once the past is read."""
        if self._model_name is not None and update.model != self._model_name:
            return
        if any(update == known for known in self._history):
            return  # The same bytes again: the trainer's re-send after a crash, or a replay.
        try:
            self._loader.verify(update)
            self._check_growing(update)
        except UpdateRefused as refused:
            self._refuse(update.version, refused.reason, str(refused))
            return
        with self._lock:
            self._history.append(update)
            self._newest_version = update.version
            if update.kind.is_servable:
                self._want(update)
        if update.kind.is_servable:
            self.tend()

    def refuse_unreadable(self, detail: str) -> None:
        """Counts a message of the topic that is no update at all."""
        self._refuse(0, Reason.UNDECODABLE, detail)

    def caught_up(self) -> None:
        """Says that the topic's past has been read: loads the newest good model there is."""
        if self._is_caught_up:
            return
        self._is_caught_up = True
        self.tend()
        if self._serving is None and self._wanted is None:
            self._fall_back()

    def tend(self) -> None:
        """Loads what is wanted, if something is and its time has come. Call it now and then."""
        wanted = self._wanted
        if wanted is None or not self._is_caught_up or self._clock.monotonic() < self._retry_at:
            return
        self._attempt(wanted)

    def _check_growing(self, update: ModelUpdate) -> None:
        if update.version <= self._newest_version:
            raise UpdateRefused(
                Reason.VERSION,
                f"version {update.version} is not above {self._newest_version}: "
                "a replay or a downgrade",
            )

    def _want(self, update: ModelUpdate) -> None:
        self._wanted = update
        self._retry_at = 0.0
        self._retry_s = FIRST_RETRY_S

    def _attempt(self, update: ModelUpdate) -> bool:
        """Tries to serve an update; True once it serves."""
        started = self._clock.monotonic()
        try:
            with span("reload", model_version=update.version, kind=update.kind.value):
                model = self._loader.load(update)
        except UpdateRefused as refused:
            # First the reason: whoever sees that the newest is not served has to see why.
            self._refuse(update.version, refused.reason, str(refused))
            with self._lock:
                self._wanted, self._store_problem = None, None
            return False
        except StoreUnavailable as error:
            with self._lock:
                self._wanted, self._store_problem = update, str(error)
            self._retry_at = self._clock.monotonic() + self._retry_s
            log.warning("model store unavailable", error=str(error), retry_in_s=self._retry_s)
            self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)
            return False
        self._slot.swap(model)
        with self._lock:
            self._serving, self._wanted, self._store_problem = update, None, None
        seconds = self._clock.monotonic() - started
        metrics.RELOADS.inc()
        metrics.MODEL_VERSION.set(update.version)
        metrics.MODEL_ARITHMETIC.clear()
        metrics.MODEL_ARITHMETIC.labels(model.precision).set(1)
        _show_scores(update)
        metrics.RELOAD_SECONDS.observe(seconds)
        log.info("model in use", model_version=update.version, kind=update.kind, seconds=seconds)
        return True

    def _fall_back(self) -> None:
        """At start, when the newest is refused: the newest older one that loads."""
        servable = [one for one in self.history if one.kind.is_servable]
        if not servable:
            return
        newest = servable.pop()
        while servable:
            older = servable.pop()
            # A rollback judged everything after its checkpoint bad: do not fall forward to that.
            if newest.kind is UpdateKind.ROLLED_BACK and older.examples_seen > newest.examples_seen:
                continue
            log.warning("falling back to an older model", model_version=older.version)
            if self._attempt(older):
                return

    def _newest_servable(self) -> ModelUpdate | None:
        return next((one for one in reversed(self._history) if one.kind.is_servable), None)

    def _refuse(self, version: int, reason: Reason, detail: str) -> None:
        with self._lock:
            self._num_refused += 1
            self._refusals.append(Refusal(version, reason, detail, self._clock.now()))
        metrics.UPDATES_REFUSED.labels(reason.value).inc()
        log.warning("model update refused", model_version=version, reason=reason, detail=detail)


def _show_scores(update: ModelUpdate) -> None:
    metrics.MODEL_SCORE.clear()  # What the last model was measured by may not be there any more.
    for name, value in update.metrics.items():
        metrics.MODEL_SCORE.labels(name).set(value)
