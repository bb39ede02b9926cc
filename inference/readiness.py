"""What `/readyz` says: whether requests may be sent here, and the state of each part.

It looks and decides nothing else. A model that is missing, refused or out of reach is told, and is
no reason to turn requests away: rules and words answer without one.
"""

from __future__ import annotations

from dataclasses import dataclass

from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.reload import ModelFollower
from fixstream.inference.responder import Responder
from fixstream.inference.slot import ModelSlot
from fixstream.inference.topic_reader import TopicReader


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests may be sent here, and the state of each part."""

    is_ready: bool
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class ReadinessParts:
    """What readiness depends on."""

    solutions: TopicReader
    updates: TopicReader
    responder: Responder
    follower: ModelFollower
    slot: ModelSlot
    knowledge: KnowledgeBase

    def look(self) -> Readiness:
        """Ready once the past of fixes and models is read; a missing model is no obstacle."""
        is_ready = (
            self.solutions.is_caught_up and self.updates.is_caught_up and self.responder.is_alive
        )
        return Readiness(
            is_ready,
            {
                **model_details(self.follower, self.slot),
                "knowledge": "ready" if self.solutions.is_caught_up else "reading",
                "knowledge_left": self.solutions.num_left,
                "solutions": len(self.knowledge),
                "vectors_version": self.knowledge.learned.version,
                "vectors_made": self.knowledge.learned.num_made,
                "responder": "running" if self.responder.is_alive else "stopped",
            },
        )


def model_details(follower: ModelFollower, slot: ModelSlot) -> dict[str, object]:
    """The state of the model side: what serves, what does not, and why."""
    refusals = follower.refusals
    last = refusals[-1] if refusals else None
    return {
        "model": follower.state.value,
        "model_version": slot.version,
        "model_wanted": follower.wanted_version,
        "model_store": follower.store_problem or "available",
        "last_refused_update": last
        and {"version": last.version, "reason": last.reason.value, "detail": last.detail},
    }
