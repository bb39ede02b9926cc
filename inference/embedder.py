"""Keeps the vectors of the fixes up to what encodes them, in the background.

The vectors of a new version are filled beside those in use, a few fixes at a time, in a thread of
low priority; then they are taken into use in one step. The first ones are in use from the start: a
fix without a vector counts as the others do on average. No prediction ever waits behind a fix.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np
import structlog

from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.served import Vectors
from fixstream.inference.slot import ModelSlot
from fixstream.inference.vector_space import VectorSpace
from fixstream.inference.vectors import VectorStoreUnavailable
from fixstream.runtime.background import BackgroundThread
from fixstream.schemas.records import Solution

log = structlog.get_logger(__name__)

CHUNK = 2
"""Fixes embedded between two looks at what has changed meanwhile."""
MAX_SHARE = 0.3
"""Of one core that embedding may take: vectors can wait, callers cannot."""
NICENESS = 15
LOOK_S = 0.5
RETRY_S = 5.0
MAX_CHARS = 2_000
MAX_ASKED = 256
"""Fixes that a store is asked about at once."""
_PROBE = "an error"
"""Embedded first, to see how long vectors are."""


class FixEncoder(Protocol):
    """What turns fixes into vectors."""

    @property
    def version(self) -> int:
        """Moves when it encodes otherwise than before; 0: it cannot encode now."""

    def encode(self, version: int, texts: Sequence[str]) -> Vectors | None:
        """The unit vectors `(N, D)` of N texts; None: it is not of that version any more."""


class ModelEncoder:
    """Encodes with the model in use, leased for a few fixes at a time."""

    def __init__(self, slot: ModelSlot) -> None:
        """Stores where the model is."""
        self._slot = slot

    @property
    def version(self) -> int:
        """The model's."""
        return self._slot.version

    def encode(self, version: int, texts: Sequence[str]) -> Vectors | None:
        """The vectors of the texts; None: another model is in use."""
        with self._slot.lease() as model:
            if model is None or model.version != version:
                return None
            return model.embed_solutions(texts)


class Embedder(BackgroundThread):
    """A thread that embeds fixes. A context manager."""

    def __init__(
        self,
        knowledge: KnowledgeBase,
        space: VectorSpace,
        encoder: FixEncoder,
        *,
        may_begin: Callable[[], bool] = lambda: True,
        caught_up: Callable[[], None] = lambda: None,
        prepare_thread: Callable[[], None] = lambda: None,
    ) -> None:
        """Stores its collaborators.

        Args:
            knowledge: Whose fixes get vectors.
            space: Where the vectors go.
            encoder: Makes them.
            may_begin: Whether all fixes of the past are known; before, the thread only waits.
            caught_up: Called whenever all fixes have one.
            prepare_thread: Called first in the thread, to set its number of torch threads.
        """
        super().__init__("embedder", niceness=NICENESS)
        self._knowledge = knowledge
        self._space = space
        self._encoder = encoder
        self._may_begin = may_begin
        self._caught_up = caught_up
        self._prepare_thread = prepare_thread
        self._done: dict[str, Solution] = {}
        self._version = 0

    def run(self) -> None:
        """Looks for work twice a second."""
        self._prepare_thread()
        while not self.stopping.wait(LOOK_S):
            try:
                if self._may_begin():
                    self.catch_up()
            except VectorStoreUnavailable as error:
                log.warning("vectors wait for their store", error=str(error))
                self.stopping.wait(RETRY_S)
            except Exception:  # The loop edge: retrieval by words goes on without vectors.
                log.exception("embedding failed")

    def catch_up(self) -> None:
        """Embeds what is new or changed; starts over for a new version.

        Raises:
            VectorStoreUnavailable: What is missing is looked for again the next time.
        """
        version = self._encoder.version
        if version == 0 or (version != self._version and not self._begin(version)):
            return
        self._space.settle()
        held = {one.solution_id: one for one in self._knowledge.solutions()}
        self._done = {key: one for key, one in self._done.items() if key in held}
        missing = self._unread([one for key, one in held.items() if self._done.get(key) is not one])
        for start in range(0, len(missing), CHUNK):
            started_at = time.monotonic()
            if not self._embed(missing[start : start + CHUNK]):
                return
            pause_s = (time.monotonic() - started_at) * (1 / MAX_SHARE - 1)
            if self.stopping.wait(pause_s) or self._encoder.version != version:
                return
        if self._space.version != version:
            self._use(version)
        self._caught_up()

    def _use(self, version: int) -> None:
        if self._space.use(version, self._knowledge.__contains__):
            log.info("vectors in use", version=version, num_done=len(self._done))

    def _begin(self, version: int) -> bool:
        probe = self._encoder.encode(version, [_PROBE])
        if probe is None:
            return False  # Swapped meanwhile: the next look sees the newer one.
        # By what it makes of a text: a version is only counted up, and may come twice.
        rounded = np.round(probe, 2) + 0.0  # Without the sign of a zero.
        reading = blake2b(rounded.tobytes(), digest_size=8).hexdigest()
        self._space.begin(version, probe.shape[1], reading)
        self._version = version
        self._done = {}
        if self._space.version == 0:
            self._use(version)  # Some vectors are better than none.
        return True

    def _unread(self, solutions: Sequence[Solution]) -> list[Solution]:
        """Those whose vectors the store does not hold already, from an earlier run say."""
        left: list[Solution] = []
        for start in range(0, len(solutions), MAX_ASKED):
            some = {one.solution_id: one for one in solutions[start : start + MAX_ASKED]}
            digests = {key: _digest(_text(one)) for key, one in some.items()}
            held = self._space.held(self._version, digests)
            self._done.update((key, some[key]) for key in held)
            left += [one for key, one in some.items() if key not in held]
        return left

    def _embed(self, solutions: Sequence[Solution]) -> bool:
        texts = [_text(one) for one in solutions]
        vectors = self._encoder.encode(self._version, texts)
        if vectors is None:
            return False
        keys = [one.solution_id for one in solutions]
        digests = dict(zip(keys, map(_digest, texts), strict=True))
        if not self._space.add(self._version, digests, vectors):
            return False
        for key in keys:
            if key not in self._knowledge:  # Removed while it was embedded.
                self._space.remove(key)
        self._done.update(zip(keys, solutions, strict=True))
        return True


def _text(solution: Solution) -> str:
    return f"{solution.title}\n{solution.text}"[:MAX_CHARS]


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
