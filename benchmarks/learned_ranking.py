"""What do confirmed fixes teach the ranking? Later questions of a history, with and without it.

Each report that repeats an earlier one is a question, and the report that it repeats is its right
fix; all other reports are fixes too. The earlier questions are answered, and then confirmed as
feedback by somebody each: a tally for the fix, an outcome for the way of ordering, and a pair that
the network's embedding learns from, as the trainer does. The later questions are then asked with
nothing of that, with a part of it, and with all. What the embedding has earned is judged as in
production; beside it stands what it would do if it counted as much as words.

    python benchmarks/learned_ranking.py [--history FILE] [--passes N] [--confirmed SHARE]
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from reporting import keep

from fixstream.cli.learning_config import SystemConfig
from fixstream.cli.learning_system import ContinuousLearningSystem
from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.arithmetic import Arithmetic
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.loading import TorchModel
from fixstream.inference.ranking import RankingWeights
from fixstream.inference.settings import InferenceSettings
from fixstream.inference.suggest import (
    Advice,
    AdviceKey,
    Inquiry,
    Suggester,
    SuggesterConfig,
    inquiry_from_triage,
)
from fixstream.producers.history import HistoryRecord, read_history
from fixstream.runtime.clock import SystemClock
from fixstream.schemas.ids import new_event_id
from fixstream.schemas.records import ErrorEvent, FixFeedback, Provenance, Solution
from fixstream.streams.settings import StreamsSettings
from fixstream.trainer.pairs import TrainingPair
from fixstream.trainer.settings import LearningSettings, TrainerSettings
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triager

HISTORY = Path(__file__).resolve().parent.parent.parent / "shared/data/history_dev.jsonl.gz"
SIZES = {"embedding_dim": 128, "hidden_dim": 256, "num_layers": 2, "num_heads": 4}
"""Small, so that it ends on a laptop; the words' side does not depend on it."""
VERSION = 1
NUM_FOUND = 10
PAIRS_A_STEP = 16
EQUAL = RankingWeights(learned=20.0)


@dataclass(frozen=True)
class Asked:
    """A question with its right fix."""

    event: ErrorEvent
    right: str


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, default=HISTORY)
    parser.add_argument("--name", default="history_dev")
    parser.add_argument("--passes", type=int, default=4, help="over the confirmed pairs")
    parser.add_argument("--confirmed", type=float, default=0.6, help="share of the questions")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    lines = read_history(wanted.history, undated_as=datetime.now(UTC))
    records = [one for one in lines if isinstance(one, HistoryRecord)]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        system = stack.enter_context(ContinuousLearningSystem(_config(Path(folder))))
        figures = _measured(stack, system, records, wanted.passes, wanted.confirmed)
    keep(f"learned_ranking-{wanted.name}", figures)
    return 0


def _measured(
    stack: ExitStack,
    system: ContinuousLearningSystem,
    records: Sequence[HistoryRecord],
    passes: int,
    share: float,
) -> dict[str, Any]:
    asked = list(_questions(records))
    split = int(share * len(asked))
    earlier, later = asked[:split], asked[split:]
    begins = later[0].event.occurred_at
    repeats = {one.event.event_id for one in asked}
    fixes = [one for one in records if one.event.event_id not in repeats]
    for record in records:  # The stream before the later questions, as any service learns it.
        if record.event.occurred_at < begins:
            system.buffer(record.event)
            system.learn()
    system.flush()
    system.learn()

    knowledge = stack.enter_context(closing(KnowledgeBase(Scrubber())))
    evidence = Evidence()
    plain = stack.enter_context(closing(_suggester(knowledge, Evidence(), 0.0)))
    learnt = stack.enter_context(closing(_suggester(knowledge, evidence, 0.05)))
    told = stack.enter_context(closing(_suggester(knowledge, evidence, 0.0)))
    forced = stack.enter_context(closing(_suggester(knowledge, Evidence(), 0.0, EQUAL)))

    waiting = iter(fixes)
    upcoming = _Fixes(waiting, knowledge)
    pairs = []
    for one in earlier:
        upcoming.put_until(one.event.occurred_at)
        pairs += _confirmed(learnt, evidence, knowledge, one)
    losses = _taught(system, pairs, passes)

    model = TorchModel(system.learner.model, VERSION, Arithmetic.FLOAT32)
    knowledge.learned.begin(VERSION, model.embedding_dim)
    knowledge.learned.use(VERSION, knowledge.__contains__)
    upcoming.embed_with(model)
    weight = learnt.judge_learned_part(lambda text: model.predict([text])[0].embedding)

    ways: dict[str, list[int | None]] = {}
    for one in later:
        upcoming.put_until(one.event.occurred_at)
        inquiry = _inquiry(one.event)
        prediction = model.predict([inquiry.text])[0]
        answers = {
            "words": plain.advise(_key(), inquiry, None),
            "and feedback on fixes": told.advise(_key(), inquiry, None),
            "and ways of ordering, and the embedding as earned": learnt.advise(
                _key(), inquiry, prediction
            ),
            "words, and the embedding as if it had earned as much": forced.advise(
                _key(), inquiry, prediction
            ),
        }
        for way, advice in answers.items():
            ways.setdefault(way, []).append(_place(advice, one.right))
    return {
        "fixes": len(knowledge),
        "confirmed": len(pairs),
        "later_questions": len(later),
        "same_fix_confirmed_before": sum(
            one.right in {before.right for before in earlier} for one in later
        ),
        "model": {**SIZES, "passes_over_pairs": passes, "pair_loss_first_last": losses},
        "earned_weight": weight,
        "ordering": learnt.bandit.statistics(),
        "ways": {way: _figures(places, ways["words"]) for way, places in ways.items()},
    }


class _Fixes:
    """Fixes in the order of time; each is put, and embedded, when its time has come."""

    def __init__(self, records: Iterator[HistoryRecord], knowledge: KnowledgeBase) -> None:
        self._records = records
        self._knowledge = knowledge
        self._next = next(records, None)
        self._model: TorchModel | None = None

    def put_until(self, moment: datetime) -> None:
        put = []
        while self._next is not None and self._next.event.occurred_at < moment:
            put.append(_solution(self._next.event))
            self._knowledge.put(put[-1])
            self._next = next(self._records, None)
        self._knowledge.commit()
        self._embed(put)

    def embed_with(self, model: TorchModel) -> None:
        self._model = model
        self._embed(self._knowledge.solutions())

    def _embed(self, put: Sequence[Solution]) -> None:
        for start in range(0, len(put) if self._model else 0, PAIRS_A_STEP):
            some = put[start : start + PAIRS_A_STEP]
            assert self._model is not None
            vectors = self._model.embed_solutions([_text(one) for one in some])
            self._knowledge.learned.add(VERSION, {one.solution_id: "" for one in some}, vectors)


def _questions(records: Iterable[HistoryRecord]) -> Iterator[Asked]:
    """Each report that repeats one, with the first of its chain; that one is no repeat itself."""
    first: dict[str, str] = {}
    for record in records:
        of = record.duplicate_of
        if of is not None and record.event.event_id != of:
            first[record.event.event_id] = first.get(of, of)
            yield Asked(record.event, first[record.event.event_id])


def _confirmed(
    suggester: Suggester, evidence: Evidence, knowledge: KnowledgeBase, one: Asked
) -> list[TrainingPair]:
    """Somebody reads the answer: the first fix worked or did not, and the right one did."""
    inquiry = _inquiry(one.event)
    advice = suggester.advise(_key(), inquiry, None)
    who, fingerprint = f"somebody-{one.event.event_id}", inquiry.fingerprint
    first = advice.fixes[0].solution_id if advice.fixes else one.right
    if advice.draw is not None:
        suggester.bandit.learn(advice.draw, first == one.right, who, one.event.event_id)
    for solution_id in dict.fromkeys((first, one.right)):
        word = FixFeedback(
            feedback_id=new_event_id(),
            error_id=one.event.event_id,
            solution_id=solution_id,
            solution_worked=solution_id == one.right,
            submitted_at=one.event.occurred_at,
            submitter=who,
        )
        evidence.add(word, fingerprint)
    right = knowledge.get(one.right)
    return [TrainingPair(inquiry.text.message, _text(right))] if right else []


def _taught(
    system: ContinuousLearningSystem, pairs: Sequence[TrainingPair], passes: int
) -> list[float]:
    losses = []
    for _ in range(passes):
        for start in range(0, len(pairs), PAIRS_A_STEP):
            some = pairs[start : start + PAIRS_A_STEP]
            result = system.learner.learn([], num_replayed=PAIRS_A_STEP, pairs=some).result
            assert result is not None
            losses.append(result.losses["pairs"])
    return [round(losses[0], 4), round(losses[-1], 4)] if losses else []


def _suggester(
    knowledge: KnowledgeBase,
    evidence: Evidence,
    exploration: float,
    weights: RankingWeights | None = None,
) -> Suggester:
    cache: AnswerCache[AdviceKey, Advice] = AnswerCache(SystemClock(), max_size=1)
    config = SuggesterConfig(0.0, weights or RankingWeights(), exploration)
    return Suggester(knowledge, evidence, cache, config)


def _inquiry(event: ErrorEvent) -> Inquiry:
    return inquiry_from_triage(_TRIAGER.triage(event), None)


_TRIAGER = Triager()


def _key() -> AdviceKey:
    return VERSION, "public", new_event_id()


def _solution(event: ErrorEvent) -> Solution:
    title, _, text = event.message.strip().partition("\n")
    return Solution(
        solution_id=event.event_id,
        title=title or "?",
        text=text or title or "?",
        provenance=Provenance(url=f"urn:history:{event.event_id}"),
        created_at=event.occurred_at,
    )


def _text(solution: Solution) -> str:
    return f"{solution.title}\n{solution.text}"[:2_000]


def _place(advice: Advice, right: str) -> int | None:
    ids = [fix.solution_id for fix in advice.fixes]
    return ids.index(right) if right in ids else None


def _figures(places: Sequence[int | None], words: Sequence[int | None]) -> dict[str, float]:
    ranks = [_reciprocal(place) for place in places]
    gains = [one - _reciprocal(other) for one, other in zip(ranks, words, strict=True)]
    mean = sum(gains) / len(gains)
    spread = math.sqrt(sum((gain - mean) ** 2 for gain in gains)) / len(gains)
    found = sum(place is not None and place < NUM_FOUND for place in places)
    return {
        "recall_at_10": round(found / len(places), 4),
        "mrr": round(sum(ranks) / len(ranks), 4),
        "mrr_gain": round(mean, 4),
        "standard_error": round(spread, 4),
    }


def _reciprocal(place: int | None) -> float:
    return 0.0 if place is None else 1.0 / (1 + place)


def _config(folder: Path) -> SystemConfig:
    return SystemConfig.from_settings(
        TrainerSettings(signing_key=folder / "signing.pem"),
        LearningSettings(checkpoint_dir=str(folder)).model_copy(update=SIZES),
        StreamsSettings(),
        InferenceSettings(),
    )


if __name__ == "__main__":
    sys.exit(main())
