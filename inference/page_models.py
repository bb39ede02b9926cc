"""What the page shows of models: every update with its verdict and reason, and metrics as lines.

It changes nothing: going back to a model is a statement signed with the trainer's key, which this
service does not have and must not get.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fixstream.inference.page_charts import Line, Measured, line
from fixstream.inference.page_text import age, number, one_line
from fixstream.inference.reload import Refusal
from fixstream.inference.statistics import Sources
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.records import ModelUpdate, OffsetRange

MAX_UPDATES = 100
MAX_RANGES = 20
MAX_REASON_CHARS = 400
_HEADS = ("severity", "domain", "category")
_SCORES = (
    ("progressive.{}.macro_f1", "{}: macro F1, before learning", True),
    ("validation.{}.accuracy", "{}: accuracy, held out", True),
    ("progressive.{}.log_loss", "{}: log loss, nats", False),
)
_WORDS = {
    UpdateKind.PROMOTED: "promoted",
    UpdateKind.REJECTED: "rejected",
    UpdateKind.ROLLED_BACK: "rolled back",
    UpdateKind.BLOCKED: "blocked",
}


@dataclass(frozen=True, slots=True)
class UpdateShown:
    """One update."""

    update: ModelUpdate
    kind: str
    is_serving: bool
    age: str
    reason: str
    scores: tuple[tuple[str, str], ...]
    blocked: tuple[str, ...]
    num_further_blocked: int


@dataclass(frozen=True, slots=True)
class ModelsView:
    """The history of the model."""

    updates: tuple[UpdateShown, ...]
    """Newest first."""
    num_updates: int
    lines: tuple[Line, ...]
    serving: ModelUpdate | None
    precision: str
    state: str
    refusals: tuple[Refusal, ...]
    back_to: int | None
    """The version that a rollback would go to first."""


def models_view(sources: Sources, now: datetime) -> ModelsView:
    """The history as it stands."""
    follower = sources.follower
    history, serving = follower.history, follower.serving
    newest = history[-MAX_UPDATES:]
    return ModelsView(
        tuple(_update(one, serving, now) for one in reversed(newest)),
        len(history),
        tuple(
            made
            for pattern, name, is_share in _SCORES
            for head in _HEADS
            if (made := _line(newest, pattern.format(head), name.format(head), is_share))
        ),
        serving,
        sources.slot.precision or "none",
        follower.state.value.replace("_", " "),
        tuple(reversed(follower.refusals)),
        _before(history, serving),
    )


def _update(update: ModelUpdate, serving: ModelUpdate | None, now: datetime) -> UpdateShown:
    names = ((f"{head} F1", f"progressive.{head}.macro_f1") for head in _HEADS)
    return UpdateShown(
        update,
        _WORDS[update.kind],
        serving is not None and serving.version == update.version,
        age(update.created_at, now),
        one_line(update.reason or "", MAX_REASON_CHARS),
        tuple((name, number(update.metrics[key])) for name, key in names if key in update.metrics),
        tuple(_range(one) for one in update.blocked[:MAX_RANGES]),
        max(0, len(update.blocked) - MAX_RANGES),
    )


def _range(blocked: OffsetRange) -> str:
    last = blocked.next_offset - 1
    return f"{blocked.topic}, partition {blocked.partition}: {blocked.first_offset:,} to {last:,}"


def _line(updates: list[ModelUpdate], key: str, name: str, is_share: bool) -> Line | None:
    measured = [
        Measured(one.version, one.metrics[key], _WORDS[one.kind], one.kind.is_servable)
        for one in updates
        if key in one.metrics
    ]
    return line(name[:1].upper() + name[1:], measured, is_share)


def _before(history: list[ModelUpdate], serving: ModelUpdate | None) -> int | None:
    """The newest promoted version before the one that serves."""
    if serving is None:
        return None
    # A rollback serves an older checkpoint again: what came after that is abandoned.
    older = [
        one.version
        for one in history
        if one.kind is UpdateKind.PROMOTED
        and one.version < serving.version
        and one.examples_seen < serving.examples_seen
    ]
    return max(older, default=None)
