"""What a worker knows beyond the partition at hand: what was said of groups, and what causes what.

Shared by all lanes of a worker; they ask it about each event. An empty one changes nothing. Does
no I/O: `following` brings what stands in topics.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fixstream.schemas.records import CauseEdge, GroupLabels, Occurrence, RootCause
from fixstream.streams.cause_evidence import CauseEvidence, Place
from fixstream.streams.chains import ChainLimits, Chains
from fixstream.streams.group_labels import GroupLabelBook
from fixstream.triage.triage import Triage

MAX_LABELLED_GROUPS = 200_000
MAX_PAIRS = 50_000


class Knowledge:
    """One worker's; not thread-safe."""

    def __init__(self, chain_limits: ChainLimits | None = None) -> None:
        """Knows nothing yet."""
        self.labels = GroupLabelBook(MAX_LABELLED_GROUPS)
        self.evidence = CauseEvidence(MAX_PAIRS)
        self.chains = Chains(self.evidence, chain_limits)

    def labelled(self, triage: Triage) -> Triage:
        """The judgement, with the labels that people or feedback gave its group."""
        if not self.labels:
            return triage
        labels = self.labels.labels_of(triage.fingerprint, triage.labels)
        return triage if labels is triage.labels else replace(triage, labels=labels)

    def cause_of(self, triage: Triage, place: Place) -> RootCause | None:
        """The likely cause of this event of ours, which is remembered as a cause itself."""
        return self.chains.see(triage.event, triage.fingerprint, place)

    def hear_labels(self, fingerprint: str, said: GroupLabels | None) -> None:
        """Takes what was said of a group; None takes it back."""
        if said is None:
            self.labels.clear(fingerprint)
        else:
            self.labels.set(said)

    def hear_occurrences(self, occurrences: Iterable[Occurrence]) -> None:
        """Takes what another worker saw."""
        for occurrence in occurrences:
            self.chains.hear(occurrence)

    def hear_edge(self, partition: int, edge: CauseEdge) -> None:
        """Takes what another worker counted."""
        self.evidence.hear(partition, edge)
