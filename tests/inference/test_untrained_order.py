"""Without a trained model the whole pipeline finds fixes as well as BM25 with fields."""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import mean

from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.served import Prediction
from fixstream.inference.suggest import (
    Advice,
    AdviceKey,
    Suggester,
    SuggesterConfig,
    inquiry_from_triage,
)
from fixstream.runtime.clock import SystemClock
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triager
from support.corpus import Corpus, FieldedBm25, reciprocal_rank
from support.inference import prediction, solution

NUM_SHOWN = 10


def answers(corpus: Corpus, guess: Prediction | None) -> list[list[str]]:
    """The ids that the suggester gives for each error, best first; nothing is withheld."""
    knowledge = KnowledgeBase(Scrubber())
    cache: AnswerCache[AdviceKey, Advice] = AnswerCache(SystemClock())
    suggester = Suggester(knowledge, Evidence(), cache, SuggesterConfig(min_confidence=0.0))
    triager = Triager()
    try:
        for fix in corpus.fixes:
            knowledge.put(solution(fix.solution_id, fix.title, fix.text))
        knowledge.commit()
        found = []
        for number, error in enumerate(corpus.errors):
            event = ErrorEvent(
                event_id=str(number),
                occurred_at=datetime.now(UTC),
                service="shop",
                environment="test",
                source=EventSource.REST,
                message=error.message,
            )
            inquiry = inquiry_from_triage(triager.triage(event), None)
            advice = suggester.advise((0, "public", str(number)), inquiry, guess)
            found.append([fix.solution_id for fix in advice.fixes[:NUM_SHOWN]])
        return found
    finally:
        suggester.close()
        knowledge.close()


def test_the_pipeline_is_not_below_fielded_bm25() -> None:
    """Over several corpora, error by error: within a point, which is two standard errors here."""
    found_gains, rank_gains, theirs_found = [], [], []
    for seed in range(3):
        corpus = Corpus(seed, num_fixes=300, num_errors=80)
        guess = prediction(1) if seed % 2 else None  # An untrained model, and none.
        plain = FieldedBm25(corpus.fixes)
        for error, ours in zip(corpus.errors, answers(corpus, guess), strict=True):
            theirs = plain.search(error.message, NUM_SHOWN)
            rank_gains.append(
                reciprocal_rank(ours, error.right) - reciprocal_rank(theirs, error.right)
            )
            found_gains.append((error.right in ours) - (error.right in theirs))
            theirs_found.append(error.right in theirs)
    assert 0.5 < mean(theirs_found) < 0.95, "the task is neither hopeless nor trivial"
    assert mean(found_gains) >= -0.01
    assert mean(rank_gains) >= -0.01
