"""Answers at once where the very same body was answered a short while ago.

Bytes are compared before anything is read from them, so nothing is validated, normalised or
rendered again. Whether an answer still stands the suggester alone decides; here are the way to it
and its bytes. A body is kept as a hash, because what was asked is not scrubbed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fixstream.inference.advisor import Advised, Advisor
from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.rest_models import PredictAnswer
from fixstream.inference.suggest import Advice
from fixstream.runtime.clock import Clock

MAX_BODIES = 2_000
MAX_ANSWER_BYTES = 16_384
"""Longer answers are rendered again each time: all that is kept stays under some 32 MiB."""
DIFFERS = {"error_id", "cached"}
"""What two answers to the same body do not share."""


@dataclass(frozen=True, slots=True)
class _Known:
    digest: str
    advice: Advice
    shared: bytes


class KnownBodies:
    """The bodies that were answered last, with their answers as JSON."""

    def __init__(self, advisor: Advisor, clock: Clock) -> None:
        """Starts with none.

        Args:
            advisor: Asked whether an answer still stands.
            clock: For the age of what is kept.
        """
        self._advisor = advisor
        self._known: AnswerCache[bytes, _Known] = AnswerCache(clock, max_size=MAX_BODIES)

    def answer(self, body: bytes) -> bytes | None:
        """The answer to a body that is known; None if it has to be read."""
        known = self._known.get(_hash(body))
        if known is None or not self._advisor.is_of_model_in_use(known.advice):
            return None
        advised = self._advisor.recall(known.digest)
        if advised is None or advised.advice is not known.advice:
            return None
        return _whole(advised, known.shared)

    def render(self, body: bytes, advised: Advised, answer: PredictAnswer) -> bytes:
        """The answer as JSON, kept for the same body."""
        shared = answer.model_dump_json(exclude=DIFFERS).encode()
        if len(shared) <= MAX_ANSWER_BYTES:
            self._known.put(_hash(body), _Known(advised.digest, advised.advice, shared))
        return _whole(advised, shared)


def _whole(advised: Advised, shared: bytes) -> bytes:
    # An id is of letters, digits and hyphens: it needs no escaping.
    cached = b"true" if advised.is_cached else b"false"
    return b'{"error_id":"%b","cached":%b,%b' % (advised.error_id.encode(), cached, shared[1:])


def _hash(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
