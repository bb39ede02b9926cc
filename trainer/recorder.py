"""Writes checkpoints and publishes their updates beside the training, one at a time.

The steps go on while a copy of the state is judged and written. Order matters: first the checkpoint
lies complete, then its update is published, then old checkpoints are deleted. A crash between any
two leaves something that the next start completes. The recorder does not touch the learner.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from fixstream.schemas.errors import RetryLater
from fixstream.schemas.records import ModelUpdate
from fixstream.trainer.checkpoint import (
    CheckpointNotWritten,
    CheckpointStore,
    Content,
    Manifest,
    SigningKey,
    StoredCheckpoint,
    checkpoint_name,
)
from fixstream.trainer.metrics import CHECKPOINT_SECONDS, CHECKPOINTS, VERSION
from fixstream.trainer.update_log import Superseded
from fixstream.trainer.updates import update_of

log = structlog.get_logger(__name__)

_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """How a checkpoint ended: stored, or not written and why."""

    stored: StoredCheckpoint | None
    failure: str | None = None
    is_superseded: bool = False
    """Somebody else has taken over the log of updates: this one was not published."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A checkpoint to be written."""

    manifest: Manifest
    content: Content
    in_use: frozenset[int] = frozenset()
    """Versions whose checkpoints must not be deleted."""


class Publish(Protocol):
    """Publishes one update and returns when it has arrived; raises RetryLater or Superseded."""

    def __call__(self, update: ModelUpdate) -> None: ...


class CheckpointRecorder:
    """A worker thread for at most one checkpoint at a time."""

    def __init__(
        self, store: CheckpointStore, key: SigningKey, publish: Publish, num_kept: int
    ) -> None:
        self._store = store
        self._key = key
        self._publish = publish
        self._num_kept = num_kept
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._recorded: Recorded | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a checkpoint is being recorded, or its outcome was not collected yet."""
        return self._thread is not None

    def submit(self, prepare: Callable[[], Draft]) -> None:
        """Starts recording what `prepare` makes, in the recorder's thread; it must not be busy."""
        assert not self.is_busy, "one checkpoint at a time"
        self._thread = threading.Thread(
            target=self._run, args=(prepare,), name="checkpoint-recorder"
        )
        self._thread.start()

    def collect(self, timeout_s: float = 0.0) -> Recorded | None:
        """The outcome, once there is one; waits for it at most `timeout_s`."""
        if self._thread is None:
            return None
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return None
        self._thread, recorded, self._recorded = None, self._recorded, None
        return recorded

    def close(self) -> None:
        """Gives up publishing (the next start completes it) and waits for the thread."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, prepare: Callable[[], Draft]) -> None:
        try:
            self._recorded = self._record(prepare())
        except Superseded as error:
            self._recorded = Recorded(None, str(error), is_superseded=True)
        except Exception as error:  # The training thread has to learn of it, whatever it was.
            log.exception("checkpoint failed")
            CHECKPOINTS.labels("failed").inc()
            self._recorded = Recorded(None, repr(error))

    def _record(self, draft: Draft) -> Recorded:
        started = time.perf_counter()
        manifest = draft.manifest
        try:
            stored = self._store.write(manifest, draft.content, self._key)
        except CheckpointNotWritten as error:
            CHECKPOINTS.labels("failed").inc()
            log.error("checkpoint not written", reason=str(error))  # noqa: TRY400 - it says it all
            return Recorded(None, str(error))
        CHECKPOINT_SECONDS.set(time.perf_counter() - started)
        CHECKPOINTS.labels(manifest.kind.value).inc()
        if self._published(update_of(stored, self._key)):
            VERSION.set(manifest.version)
            self._forget_old_ones(draft.in_use)
        return Recorded(stored)

    def _forget_old_ones(self, in_use: Collection[int]) -> None:
        try:
            self._store.delete(deletable(self._store.names(), in_use, self._num_kept))
        except RetryLater as error:  # The new one stands all the same; the next looks again.
            log.warning("old checkpoints not deleted", reason=str(error))

    def _published(self, update: ModelUpdate) -> bool:
        while True:
            try:
                self._publish(update)
            except RetryLater as error:
                log.warning("update not published", model_version=update.version, reason=str(error))
                if self._closing.wait(_RETRY_S):
                    return False
            else:
                return True


def deletable(names: Iterable[str], in_use: Collection[int], num_kept: int) -> list[str]:
    """Checkpoints that are neither among the newest `num_kept` nor of a version in use."""
    protected = {checkpoint_name(version) for version in in_use}
    ordered = sorted(names)
    return [name for name in ordered[: max(len(ordered) - num_kept, 0)] if name not in protected]
