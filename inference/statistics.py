"""The answer of `GET /stats`, put together from what was followed. No number here is made up.

What is not known (no model yet, Kafka not asked yet) is null, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.lag import Reading, TopicEnds
from fixstream.inference.observations import Observations
from fixstream.inference.reload import ModelFollower
from fixstream.inference.slot import ModelSlot
from fixstream.inference.suggest import Advice, AdviceKey
from fixstream.schemas.records import ModelUpdate

MAX_HISTORY = 50
STEPS_METRIC = "steps"
WATCHED = ("processor", "suggestions")
"""Whose lag the probe looks at; null before its first look."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """The topics that statistics speak of."""

    raw: str
    triaged: str
    dlq: str
    batches: str
    suggested: str
    feedback: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers come from."""

    slot: ModelSlot
    follower: ModelFollower
    knowledge: KnowledgeBase
    evidence: Evidence
    observations: Observations
    cache: AnswerCache[AdviceKey, Advice]
    topics: TopicNames


def statistics(sources: Sources, reading: Reading) -> dict[str, object]:
    """The statistics as JSON values."""
    history = sources.follower.history
    newest = history[-1] if history else None
    topics = sources.topics

    def count(topic: str) -> int | None:
        ends = reading.topics.get(topic)
        return ends.num_records if ends is not None else None

    return {
        "events": count(topics.raw),
        "triaged": count(topics.triaged),
        "dead_lettered": count(topics.dlq),
        "groups": sources.observations.num_groups,
        "batches": count(topics.batches),
        "steps": _steps(newest),
        "loss": _loss(newest),
        "examples": newest.examples_seen if newest else None,
        "suggestions": count(topics.suggested),
        "solutions": len(sources.knowledge),
        "model": model_statistics(sources),
        "promotion_history": [update_json(one) for one in reversed(history[-MAX_HISTORY:])],
        "refused_updates": [
            {
                "version": one.version,
                "reason": one.reason.value,
                "detail": one.detail,
                "at": one.at.isoformat(),
            }
            for one in reversed(sources.follower.refusals)
        ],
        "lag": {
            **dict.fromkeys(WATCHED),
            **reading.lags,
            "training": _not_learnt(reading.topics.get(topics.raw), history),
        },
        "cache": {
            "hit_rate": _rounded(sources.cache.hit_rate),
            "hits": sources.cache.num_hits,
            "misses": sources.cache.num_misses,
            "entries": len(sources.cache),
        },
        "feedback": _feedback(sources.evidence, count(topics.feedback)),
    }


def model_statistics(sources: Sources) -> dict[str, object]:
    """The model in use: version, metrics, reloads."""
    serving = sources.follower.serving
    return {
        "version": sources.slot.version,
        "state": sources.follower.state.value,
        "precision": sources.slot.precision,
        "name": serving.model if serving else None,
        "metrics": _metrics(serving.metrics) if serving else None,
        "reloads": sources.slot.num_reloads,
        "refused": sources.follower.num_refused,
        "held": sources.slot.num_held,
    }


def update_json(update: ModelUpdate) -> dict[str, object]:
    """One model update for people."""
    return {
        "version": update.version,
        "kind": update.kind.value,
        "parent": update.parent,
        "reason": update.reason,
        "created_at": update.created_at.isoformat(),
        "examples_seen": update.examples_seen,
        "metrics": _metrics(update.metrics),
    }


def _steps(newest: ModelUpdate | None) -> int | None:
    steps = newest.metrics.get(STEPS_METRIC) if newest else None
    return int(steps) if steps is not None else None


def _loss(newest: ModelUpdate | None) -> float | None:
    """Mean log loss over the heads, each event scored before it was learnt; in nats."""
    metrics = newest.metrics if newest else {}
    losses = [
        value
        for name, value in metrics.items()
        if name.startswith("progressive.") and name.endswith(".log_loss") and math.isfinite(value)
    ]
    return _rounded(sum(losses) / len(losses)) if losses else None


def _metrics(metrics: Mapping[str, float]) -> dict[str, float | None]:
    # JSON knows no NaN; a metric that is none is not known.
    return {name: _rounded(value) for name, value in metrics.items()}


def _not_learnt(ends: TopicEnds | None, history: list[ModelUpdate]) -> int | None:
    """Events that no checkpoint has learnt from yet, by the offsets that updates carry."""
    if ends is None or not history:
        return None
    learnt: dict[int, int] = {}
    for update in history:
        for one in update.lineage:
            learnt[one.partition] = max(learnt.get(one.partition, 0), one.next_offset)
    return sum(max(0, end - learnt.get(number, 0)) for number, end in ends.by_partition.items())


def _feedback(evidence: Evidence, num_records: int | None) -> dict[str, object]:
    tally = evidence.overall
    num_voices = tally.num_worked + tally.num_failed
    return {
        "records": num_records,
        "voices": num_voices,
        "success_rate": _rounded(tally.num_worked / num_voices) if num_voices else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)
