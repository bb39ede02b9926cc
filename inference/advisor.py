"""Answers one error of a REST caller: cache, triage, prediction, fixes.

The cache stands before triage, so that the same error again costs a hash and a look-up. Triage of
a long text runs in a small pool, never on the event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from fixstream.inference.error_ids import prediction_id
from fixstream.inference.generation import FixGenerator
from fixstream.inference.predictor import Predictor
from fixstream.inference.slot import ModelSlot
from fixstream.inference.suggest import (
    Advice,
    AdviceKey,
    Inquiry,
    Suggester,
    error_key,
    inquiry_from_triage,
    visibility_key,
)
from fixstream.runtime.clock import Clock
from fixstream.runtime.tracing import span
from fixstream.schemas.enums import EventSource
from fixstream.schemas.ids import new_event_id
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.triage import Triager

SHORT_CHARS = 2_000
"""Up to this length triage takes well under a millisecond and stays on the loop."""
UNKNOWN_SERVICE = "unknown"


@dataclass(frozen=True, slots=True)
class AskedError:
    """One error as a caller described it: not scrubbed yet."""

    message: str
    error_type: str | None = None
    stack_trace: str | None = None
    domain: str | None = None

    @property
    def num_chars(self) -> int:
        """Its length, all texts together."""
        return len(self.message) + len(self.stack_trace or "")


@dataclass(frozen=True, slots=True)
class Advised:
    """The answer, with an id that feedback can name."""

    error_id: str
    advice: Advice
    is_cached: bool
    digest: str
    """Of what was asked: `Advisor.recall` takes it."""


class Inquirer:
    """Makes inquiries of what callers describe."""

    def __init__(self, triager: Triager, clock: Clock, pool: ThreadPoolExecutor) -> None:
        """Stores its collaborators."""
        self._triager = triager
        self._clock = clock
        self._pool = pool

    async def inquire(self, asked: AskedError) -> Inquiry:
        """What was asked, scrubbed and triaged."""
        if asked.num_chars <= SHORT_CHARS:
            return self._triaged(asked)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._triaged, asked)

    def _triaged(self, asked: AskedError) -> Inquiry:
        event = ErrorEvent(
            event_id=new_event_id(),
            occurred_at=self._clock.now(),
            service=UNKNOWN_SERVICE,
            environment=UNKNOWN_SERVICE,
            source=EventSource.REST,
            error_type=asked.error_type or None,
            message=asked.message,
            stack_trace=asked.stack_trace or None,
            domain_hint=asked.domain,
        )
        return inquiry_from_triage(self._triager.triage(event), None)


class Advisor:
    """The asynchronous front of the suggester."""

    def __init__(
        self,
        inquirer: Inquirer,
        suggester: Suggester,
        predictor: Predictor,
        slot: ModelSlot,
        pool: ThreadPoolExecutor,
        generator: FixGenerator | None = None,
    ) -> None:
        """Stores its collaborators; without a generator fixes stand as they were retrieved."""
        self._inquirer = inquirer
        self._suggester = suggester
        self._predictor = predictor
        self._slot = slot
        self._pool = pool
        self._generator = generator

    @property
    def num_waiting(self) -> int:
        """Predictions that wait."""
        return self._predictor.num_waiting

    async def advise_group(self, inquiry: Inquiry) -> Advice:
        """Labels and public fixes for a group, in the names of this error. Raises Overloaded."""
        key: AdviceKey = (
            self._slot.version,
            visibility_key(None),
            f"group:{inquiry.fingerprint}",
        )
        advice = self._suggester.recall(key)
        if advice is None:
            advice = await self._answer(key, inquiry)
        return await self._adapted(advice, inquiry)

    async def advise(self, asked: AskedError) -> Advised:
        """Labels and fixes for an error. Raises Overloaded."""
        key = self._key(_digest(asked))
        advice = self._suggester.recall(key)
        is_cached = advice is not None
        inquiry: Inquiry | None = None
        if advice is None:
            inquiry = await self._inquirer.inquire(asked)
            with span("predict", model_version=key[0], fingerprint=inquiry.fingerprint):
                advice = await self._answer(key, inquiry)
        if self._generator is not None:
            # A kept answer is for all errors that are normalised alike: their names differ.
            advice = await self._adapted(advice, inquiry or await self._inquirer.inquire(asked))
        return _advised(advice, key, is_cached=is_cached)

    def recall(self, digest: str) -> Advised | None:
        """The answer to what was asked a short while ago, if it still stands."""
        key = self._key(digest)
        advice = self._suggester.recall(key)
        return None if advice is None else _advised(advice, key, is_cached=True)

    def is_of_model_in_use(self, advice: Advice) -> bool:
        """Whether the model that gave it serves now."""
        return advice.model_version == self._slot.version

    def _key(self, digest: str) -> AdviceKey:
        return self._slot.version, visibility_key(None), digest

    async def _adapted(self, advice: Advice, inquiry: Inquiry) -> Advice:
        if self._generator is None or not advice.fixes:
            return advice
        return await self._generator.adapted_soon(advice, inquiry.text)

    async def _answer(self, key: AdviceKey, inquiry: Inquiry) -> Advice:
        reading = self._suggester.read(inquiry.text)
        prediction = await self._predictor.predict(inquiry.text)
        read = replace(inquiry, sentence=await asyncio.wrap_future(reading))
        advise = partial(self._suggester.advise, key, read, prediction)
        if not self._suggester.is_remote:
            return advise()
        return await asyncio.get_running_loop().run_in_executor(self._pool, advise)


def _advised(advice: Advice, key: AdviceKey, *, is_cached: bool) -> Advised:
    error_id = prediction_id(advice.fingerprint, uuid.uuid4().hex)
    return Advised(error_id, advice, is_cached, key[2])


def _digest(asked: AskedError) -> str:
    # A hash, because what was asked is not scrubbed and must not stay in memory as it is.
    parts = error_key(asked.error_type, asked.message, asked.domain)
    digest = hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(b"\x1f" + (asked.stack_trace or "").encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
