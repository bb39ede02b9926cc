"""Keeps the fixes' learned vectors up to the model in use, in the background.

A new model's vectors are filled beside those in use, a few fixes at a time, in a thread of low
priority; then they are taken into use in one step. No prediction ever waits behind a fix. While
the vectors are not ready the learned part says nothing, rather than comparing those of two models.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog

from fixstream.inference.earning import MIN_TRIALS
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.served import ErrorText, Vectors
from fixstream.inference.slot import ModelSlot
from fixstream.inference.suggest import Suggester
from fixstream.runtime.background import BackgroundThread
from fixstream.schemas.records import Solution

log = structlog.get_logger(__name__)

CHUNK = 2
"""Fixes embedded between two looks at what has changed meanwhile."""
MAX_SHARE = 0.3
"""Of one core that embedding may take: vectors can wait, callers cannot."""
NICENESS = 15
LOOK_S = 0.5
MAX_CHARS = 2_000


class Embedder(BackgroundThread):
    """A thread that embeds fixes. A context manager."""

    def __init__(
        self,
        knowledge: KnowledgeBase,
        slot: ModelSlot,
        suggester: Suggester,
        evidence: Evidence,
        *,
        prepare_thread: Callable[[], None] = lambda: None,
    ) -> None:
        """Stores its collaborators.

        Args:
            knowledge: Whose fixes get vectors.
            slot: Where the model is leased, for a few fixes at a time.
            suggester: Told what the vectors have earned.
            evidence: What was confirmed.
            prepare_thread: Called first in the thread, to set its number of torch threads.
        """
        super().__init__("embedder", niceness=NICENESS)
        self._suggester = suggester
        self._evidence = evidence
        self._prepare_thread = prepare_thread
        self._num_judged = 0
        self._knowledge = knowledge
        self._slot = slot
        self._done: dict[str, Solution] = {}
        self._version = 0

    def run(self) -> None:
        """Looks for work twice a second."""
        self._prepare_thread()
        while not self.stopping.wait(LOOK_S):
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
            if self.stopping.wait(pause_s) or self._slot.version != version:
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
        with self._slot.lease() as model:
            if model is None or model.version != self._knowledge.vectors_version:
                return None
            return model.predict([text])[0].embedding

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
        vectors = self._vectors(texts)
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
