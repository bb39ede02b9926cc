"""Adapts the fixes of an answer to the error that was asked about, where the model has a decoder.

What is generated stands in the place of the fix that it was made from, under that fix's id, source
and licence, so that feedback, tombstones and visibility hold for it as they do for the fix. The fix
as it was retrieved stands wherever anything speaks against: no decoder, too little certainty, a
word without support, a command that may destroy, something to scrub, a failure, or a late answer.

Answers are kept by group, and groups leave names out: whoever adapts a kept answer has to do it for
each error anew, or one service would read the names of another. This is done here, and what is
kept here is kept by the whole text of the error.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import structlog

from fixstream.inference import hazards, metrics
from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.grounding import unsupported
from fixstream.inference.served import ErrorText, Rewriting, ServedModel
from fixstream.inference.slot import ModelSlot
from fixstream.inference.suggest import NUM_TOGETHER, Advice
from fixstream.runtime.clock import Clock
from fixstream.schemas.enums import FixOrigin
from fixstream.schemas.records import Fix
from fixstream.triage.scrub import Scrubber

log = structlog.get_logger(__name__)

MAX_ERROR_CHARS = 2_000
MAX_KEPT = 2_000
Rewrite = Callable[[str, str], Rewriting | None]
"""Message of an error, and title, newline and text of a fix: the fix for this error."""
_Key = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How long an answer may wait for generated text."""

    deadline_s: float = 0.25
    """After so long the fixes stand as they were retrieved."""
    max_waiting: int = 16
    """Answers that may wait; further ones go out as they were retrieved."""


class FixGenerator:
    """One thread that adapts answers. A context manager: the thread ends with the block."""

    def __init__(
        self,
        slot: ModelSlot,
        scrubber: Scrubber,
        clock: Clock,
        config: GenerationConfig | None = None,
        *,
        prepare_thread: Callable[[], None] = lambda: None,
    ) -> None:
        """Stores its collaborators; `prepare_thread` sets the thread's number of torch threads."""
        self._slot = slot
        self._scrubber = scrubber
        self._config = config or GenerationConfig()
        self._pool = ThreadPoolExecutor(1, "generator", initializer=prepare_thread)
        self._room = threading.BoundedSemaphore(self._config.max_waiting)
        self._kept: AnswerCache[_Key, tuple[Fix, ...]] = AnswerCache(clock, max_size=MAX_KEPT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def adapted(self, advice: Advice, error: ErrorText) -> Advice:
        """The answer with its fixes in the names of this error, in time or not at all."""
        work = self._begun(advice, error)
        if isinstance(work, Advice):
            return work
        try:
            return work.result(self._config.deadline_s)
        except (TimeoutError, CancelledError):
            return self._too_late(advice, work)

    async def adapted_soon(self, advice: Advice, error: ErrorText) -> Advice:
        """As `adapted`, for the event loop."""
        work = self._begun(advice, error)
        if isinstance(work, Advice):
            return work
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), self._config.deadline_s)
        except TimeoutError:
            return self._too_late(advice, work)

    def _begun(self, advice: Advice, error: ErrorText) -> Advice | Future[Advice]:
        """The answer where it is known at once, else the work that will end in it."""
        if not advice.fixes or advice.model_version == 0:
            return advice
        key = _key(advice, error)
        kept = self._kept.get(key)
        if kept is not None:
            return advice if kept == advice.fixes else replace(advice, fixes=kept)
        if not self._room.acquire(blocking=False):
            metrics.GENERATED.labels("late").inc()
            return advice
        try:
            work = self._pool.submit(self._work, advice, error, key, time.monotonic())
        except RuntimeError:  # It is closing.
            self._room.release()
            return advice
        work.add_done_callback(lambda _: self._room.release())
        return work

    def _too_late(self, advice: Advice, work: Future[Advice]) -> Advice:
        work.cancel()
        metrics.GENERATED.labels("late").inc()
        return advice

    def _work(self, advice: Advice, error: ErrorText, key: _Key, begun_s: float) -> Advice:
        if time.monotonic() - begun_s > self._config.deadline_s:
            return advice  # Nobody waits for it any more.
        with self._slot.lease() as model:
            # Labels of one model and text of another would be no answer of either.
            if model is None or model.version != advice.model_version:
                return advice
            try:
                fixes = self._fixes(advice, error, model)
            except Exception:  # The loop edge: a fix as it was retrieved is a good answer.
                log.exception("generation failed", model_version=model.version)
                metrics.GENERATED.labels("failed").inc()
                return advice
        self._kept.put(key, fixes)
        # The same object where nothing changed: so the answer itself is known again.
        return advice if fixes == advice.fixes else replace(advice, fixes=fixes)

    def _fixes(self, advice: Advice, error: ErrorText, model: ServedModel) -> tuple[Fix, ...]:
        named = f"{error.error_type}: " if error.error_type else ""
        said = f"{named}{error.message}"[:MAX_ERROR_CHARS]
        first, rest = advice.fixes[:NUM_TOGETHER], advice.fixes[NUM_TOGETHER:]
        return (*(adapted_fix(one, said, model.rewrite, self._scrubber) for one in first), *rest)


def adapted_fix(fix: Fix, error: str, rewrite: Rewrite, scrubber: Scrubber) -> Fix:
    """The fix in the names of this error, or as it is.

    Args:
        fix: as it was retrieved, for whoever may see it.
        error: what the error says, scrubbed.
        rewrite: the model's decoder.
        scrubber: what every text goes through before it leaves.
    """
    before = f"{fix.title}\n{fix.text}"
    if fix.warnings or "\n" in fix.title or len(before) > hazards.MAX_CHARS:
        # Whoever writes an error must not choose what a command destroys.
        metrics.GENERATED.labels("kept").inc()
        return fix
    found = rewrite(error, before)
    if found is None:
        metrics.GENERATED.labels("kept").inc()
        return fix
    title, _, text = found.text.partition("\n")
    if title != fix.title or not _may_leave(found.text, (error, before), scrubber):
        metrics.GENERATED.labels("refused").inc()
        return fix
    metrics.GENERATED.labels("generated").inc()
    return replace(
        fix,
        text=text,
        origin=FixOrigin.GENERATED,
        matched_on=(
            *fix.matched_on,
            f"generated from: {fix.solution_id} and this error, {found.certainty:.0%} sure",
            f"names of this error: {', '.join(found.names)}",
        ),
    )


def _may_leave(text: str, sources: tuple[str, str], scrubber: Scrubber) -> bool:
    error, before = sources
    return (
        not unsupported(text, (error, before))
        and not hazards.warnings(text)
        # Nor may the error choose what is installed, or which address is called.
        and hazards.fetching_lines(text) == hazards.fetching_lines(before)
        and scrubber.scrub(text) == text
    )


def _key(advice: Advice, error: ErrorText) -> _Key:
    """All that an answer is made of; a hash, for what was asked need not stay in memory."""
    digest = hashlib.blake2b(digest_size=16)
    parts = [error.error_type or "", error.message[:MAX_ERROR_CHARS]]
    for fix in advice.fixes:
        parts += (fix.solution_id, repr(fix))
    digest.update("\x1f".join(parts).encode("utf-8", "surrogatepass"))
    return advice.model_version, digest.digest()
