"""Weighs the learned similarity by confirmed fixes, once its vectors are in use.

It decides when; what has been earned is `earning`'s business.
"""

from __future__ import annotations

from fixstream.inference.earning import MIN_TRIALS
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.served import ErrorText, Vectors
from fixstream.inference.slot import ModelSlot
from fixstream.inference.suggest import Suggester

MIN_GROWTH = 1.2


class LearnedPartJudge:
    """Judges anew for a new model, and when a fifth more is confirmed."""

    def __init__(
        self, knowledge: KnowledgeBase, slot: ModelSlot, suggester: Suggester, evidence: Evidence
    ) -> None:
        """Stores its collaborators."""
        self._knowledge = knowledge
        self._slot = slot
        self._suggester = suggester
        self._evidence = evidence
        self._version = 0
        self._num_judged = 0

    def look(self) -> None:
        """Judges, if there is reason to. Called from one thread, when all vectors are there."""
        version = self._knowledge.learned.version
        if version != self._version:
            self._version, self._num_judged = version, 0
        num_confirmed = len(self._evidence.confirmed())
        if num_confirmed >= MIN_TRIALS and num_confirmed > MIN_GROWTH * self._num_judged:
            self._suggester.judge_learned_part(self._error_vector)
            self._num_judged = num_confirmed

    def _error_vector(self, text: ErrorText) -> Vectors | None:
        with self._slot.lease() as model:
            if model is None or model.version != self._knowledge.learned.version:
                return None
            return model.predict([text])[0].embedding
