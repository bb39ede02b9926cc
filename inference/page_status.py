"""What the page shows of health: each part, how far behind, how long the queue, how good the fixes.

Every value is one that `/stats` or `/readyz` tells as well; here it stands in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fixstream.inference.page_text import UNKNOWN, number, percent
from fixstream.inference.readiness import Readiness


@dataclass(frozen=True, slots=True)
class Fact:
    """One value with its name; `is_bad` asks for attention."""

    name: str
    value: str
    note: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of ordering near-equal fixes, as the bandit sees it."""

    name: str
    propensity: str
    outcomes: str
    success: str
    interval: str


@dataclass(frozen=True, slots=True)
class StatusView:
    """Everything that tells how the service is."""

    is_ready: bool
    parts: tuple[Fact, ...]
    flow: tuple[Fact, ...]
    serving: tuple[Fact, ...]
    outcomes: tuple[Fact, ...]
    arms: tuple[Arm, ...]
    exploration: str


def status_view(
    readiness: Readiness,
    stats: Mapping[str, Any],
    ordering: Mapping[str, Any],
    num_waiting: int,
) -> StatusView:
    """The status from what `/readyz` and `/stats` say.

    Args:
        readiness: As `/readyz` has it.
        stats: As `statistics` has it.
        ordering: As the bandit's `statistics` has it.
        num_waiting: Predictions that wait.
    """
    return StatusView(
        readiness.is_ready,
        _parts(readiness),
        _flow(stats),
        _serving(stats, num_waiting),
        _outcomes(stats["feedback"]),
        tuple(_arm(name, one) for name, one in ordering["arms"].items()),
        percent(ordering["exploration_floor"]),
    )


def _parts(readiness: Readiness) -> tuple[Fact, ...]:
    told = readiness.details
    state = str(told.get("model", "unknown"))
    store = str(told.get("model_store", UNKNOWN))
    facts = [
        Fact(
            "Service",
            "ready" if readiness.is_ready else "starting",
            is_bad=not readiness.is_ready,
        ),
        Fact(
            "Model",
            state.replace("_", " "),
            "rules and words answer" if state == "no_model" else "",
            state == "behind",
        ),
        Fact("Model store", store, is_bad=store != "available"),
    ]
    for name, key, good, note in (
        ("Knowledge base", "knowledge", "ready", _progress(told)),
        ("Suggestions to Kafka", "responder", "running", ""),
    ):
        if key in told:
            facts.append(Fact(name, str(told[key]), note, told[key] != good))
    return tuple(facts)


def _progress(told: Mapping[str, Any]) -> str:
    """How far the fixes are: read at first, then embedded for each model."""
    if told.get("knowledge_left"):
        return f"{told['knowledge_left']:,} records to read"
    if told.get("vectors_made") is not None:
        return f"{told['vectors_made']:,} of {told['solutions']:,} embedded anew"
    return ""


def _flow(stats: Mapping[str, Any]) -> tuple[Fact, ...]:
    lag = stats["lag"]
    return (
        Fact("Events", number(stats["events"]), "ever reported"),
        Fact("Triaged", number(stats["triaged"])),
        Fact("Suggestions", number(stats["suggestions"])),
        Fact(
            "Dead letters",
            number(stats["dead_lettered"]),
            "fixstream dlq list shows them" if stats["dead_lettered"] else "",
            bool(stats["dead_lettered"]),
        ),
        Fact("Processor is behind by", number(lag["processor"]), "events"),
        Fact("Suggestions are behind by", number(lag["suggestions"]), "events"),
        Fact("Not learnt from yet", number(lag["training"]), "events"),
    )


def _serving(stats: Mapping[str, Any], num_waiting: int) -> tuple[Fact, ...]:
    model, cache = stats["model"], stats["cache"]
    return (
        Fact("Predictions waiting", number(num_waiting)),
        Fact("Answers from the cache", percent(cache["hit_rate"]), f"{cache['entries']:,} kept"),
        Fact("Arithmetic", str(model["precision"] or UNKNOWN)),
        Fact("Models loaded", number(model["reloads"]), "since the start"),
        Fact("Updates refused", number(model["refused"]), is_bad=bool(model["refused"])),
        Fact("Fixes known", number(stats["solutions"])),
    )


def _outcomes(feedback: Mapping[str, Any]) -> tuple[Fact, ...]:
    return (
        Fact("Fixes that worked", percent(feedback["success_rate"])),
        Fact("Voices", number(feedback["voices"]), "one for a submitter, a group and a fix"),
        Fact("Feedback records", number(feedback["records"])),
    )


def _arm(name: str, told: Mapping[str, Any]) -> Arm:
    low_high = told["interval"]
    return Arm(
        name.replace("_", " "),
        percent(told["propensity"]),
        number(told["outcomes"]),
        percent(told["success"]),
        f"{percent(low_high[0])} to {percent(low_high[1])}" if low_high else UNKNOWN,
    )
