"""A checkpoint on its way: judged and made ready beside the steps that go on.

It reads the snapshot that it was given and the moment that it was taken at, and touches neither the
learner nor the loop.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version

import torch

from fixstream.schemas.enums import UpdateKind
from fixstream.trainer.checkpoint import FEEDBACK, Content, Counts, Manifest
from fixstream.trainer.gate import Answers, Cost, CostLimits, within
from fixstream.trainer.ledger import Position
from fixstream.trainer.recorder import Draft
from fixstream.trainer.snapshot import Snapshot

WARM_START = "warm_start"
"""Under this name the `versions` of a manifest tell which warm start its lineage began with."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where the lineage of models stands when the loop begins."""

    next_version: int = 1
    parent: int | None = None
    champion: int | None = None
    counts: Counts = field(default_factory=Counts)
    in_force: frozenset[int] = frozenset()
    """Versions that this one descends from."""
    promotions: tuple[int, ...] = ()
    """Those of them that were promoted, oldest first."""
    champion_cost: Cost | None = None
    """What the promoted model costs that is in use; None if nobody knows."""
    warm_start: str | None = None
    """What the lineage began with, where that was no fresh model; every manifest names it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the loop stood when the snapshot was taken."""

    manifest: Manifest
    """Without what only the verdict can tell."""
    start: Start
    feedback_json: str
    cost_limits: CostLimits


@dataclass(slots=True)
class Candidate:
    """A snapshot that is to become a checkpoint, and what becomes true once it is one."""

    snapshot: Snapshot
    moment: Moment
    position: Position
    answers: Answers | None = None
    """To the held-out examples; None until it was examined."""

    def draft(self) -> Draft:
        """Judges the snapshot, and makes its checkpoint ready to be written."""
        moment, start = self.moment, self.moment.start
        answers, cost, verdict = self.snapshot.examined()
        self.answers = answers
        verdict = within(moment.cost_limits, verdict, cost, start.champion_cost)
        is_promoted = verdict.kind is UpdateKind.PROMOTED
        champion_cost = cost if is_promoted else start.champion_cost
        costs = champion_cost.metrics("champion_cost") if champion_cost else {}
        manifest = replace(
            moment.manifest,
            kind=verdict.kind,
            reason=verdict.reason,
            champion=moment.manifest.version if is_promoted else start.champion,
            metrics={**verdict.metrics, **cost.metrics("cost"), **costs, **moment.manifest.metrics},
        )
        content = self.snapshot.content(
            answers if is_promoted else self.snapshot.validation.champion
        )
        texts = {**content.texts, FEEDBACK: moment.feedback_json}
        in_use = frozenset(v for v in (start.champion, manifest.champion) if v is not None)
        return Draft(manifest, Content(content.tensors, texts), in_use)


def versions_of(start: Start) -> Mapping[str, str]:
    """What a manifest says it was made with."""
    try:
        ours = version("fixstream")
    except PackageNotFoundError:  # Run from a source tree that is not installed.
        ours = "unknown"
    return {
        "fixstream": ours,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        **({WARM_START: start.warm_start} if start.warm_start else {}),
    }
