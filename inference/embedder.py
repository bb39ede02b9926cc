"""Keeps the fixes' learned vectors up to the model in use, in the background.

A new model's vectors are filled beside those in use, a few fixes at a time in the model's own
thread and only when no prediction waits; then they are taken into use in one step. While they are
not ready the learned part says nothing, rather than comparing vectors of two models.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import structlog

from fixstream.inference.earning import MIN_TRIALS
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.predictor import Predictor
from fixstream.inference.served import ErrorText, Vectors
from fixstream.inference.slot import ModelSlot
from fixstream.inference.suggest import Suggester
from fixstream.schemas.records import Solution

log = structlog.get_logger(__name__)

CHUNK = 2
"""Fixes embedded at once: a prediction that comes meanwhile waits for no more than these."""
MAX_SHARE = 0.2
"""Of the model's time that embedding may take: vectors can wait, callers cannot."""
LOOK_S = 0.5
MAX_CHARS = 2_000


class Embedder:
    """A thread that embeds fixes. A context manager."""

    def __init__(
        self,
        knowledge: KnowledgeBase,
        predictor: Predictor,
        slot: ModelSlot,
        suggester: Suggester,
        evidence: Evidence,
    ) -> None:
        """Stores its collaborators."""
        self._suggester = suggester
        self._evidence = evidence
        self._num_judged = 0
        self._knowledge = knowledge
        self._predictor = predictor
        self._slot = slot
        self._stop = threading.Event()
        self._done: dict[str, Solution] = {}
        self._version = 0
        self._thread = threading.Thread(target=self._run, name="embedder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.catch_up()
            except Exception:  # The loop edge: retrieval by words goes on without vectors.
                log.exception("embedding failed")

    def catch_up(self) -> None:
        """Embeds what is new or changed under the model in use; starts over for a new model."""
        version = self._slot.version
        if version == 0:
            return
        if version != self._version and not self._begin(version):
            return
        held = {one.solution_id: one for one in self._knowledge.solutions()}
        self._done = {key: one for key, one in self._done.items() if key in held}
        missing = [one for key, one in held.items() if self._done.get(key) is not one]
        for start in range(0, len(missing), CHUNK):
            started_at = time.monotonic()
            if not self._embed(missing[start : start + CHUNK]):
                return
            pause_s = (time.monotonic() - started_at) * (1 / MAX_SHARE - 1)
            if self._stop.wait(pause_s) or self._slot.version != version:
                return
        if self._knowledge.vectors_version != version and self._knowledge.use_vectors(version):
            log.info("vectors in use", model_version=version, num_solutions=len(held))
            self._num_judged = 0
        self._judge()

    def _judge(self) -> None:
        """Weighs the learned part anew for a new model, and when a fifth more is confirmed."""
        num_confirmed = len(self._evidence.confirmed())
        if num_confirmed >= MIN_TRIALS and num_confirmed > 1.2 * self._num_judged:
            self._suggester.judge_learned_part(self._error_vector)
            self._num_judged = num_confirmed

    def _error_vector(self, text: ErrorText) -> Vectors | None:
        def embedded() -> Vectors | None:
            with self._slot.lease() as model:
                if model is None or model.version != self._knowledge.vectors_version:
                    return None
                return model.predict([text])[0].embedding

        return self._predictor.run_when_idle(embedded).result()

    def _begin(self, version: int) -> bool:
        with self._slot.lease() as model:
            if model is None or model.version != version:
                return False  # Swapped meanwhile: the next look sees the newer one.
            self._knowledge.begin_vectors(version, model.embedding_dim)
        self._version = version
        self._done = {}
        return True

    def _embed(self, solutions: Sequence[Solution]) -> bool:
        texts = [f"{one.title}\n{one.text}"[:MAX_CHARS] for one in solutions]
        vectors = self._predictor.run_when_idle(lambda: self._vectors(texts)).result()
        if vectors is None:
            return False
        keys = [one.solution_id for one in solutions]
        if not self._knowledge.add_vectors(self._version, keys, vectors):
            return False
        self._done.update(zip(keys, solutions, strict=True))
        return True

    def _vectors(self, texts: list[str]) -> Vectors | None:
        with self._slot.lease() as model:
            if model is None or model.version != self._version:
                return None
            return model.embed_solutions(texts)
