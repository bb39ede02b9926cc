"""What people and feedback say about groups, as the lanes look it up.

Their labels win over those of rules, hints and models. A bounded book in memory, filled from a
compacted topic; who wins where both an operator and feedback spoke is decided by whoever writes
that topic (`schemas.group_labels`). Pure: it reads no topic itself.
"""

from __future__ import annotations

from collections import OrderedDict

from fixstream.schemas.group_labels import AUTHORITIES
from fixstream.schemas.records import GroupLabels, Label, Labels


class GroupLabelBook:
    """The labels of groups by fingerprint."""

    def __init__(self, max_groups: int) -> None:
        """Nothing said yet; of more than `max_groups` the ones that were said first go."""
        self._max_groups = max_groups
        self._said: OrderedDict[str, GroupLabels] = OrderedDict()

    def __len__(self) -> int:
        """Groups of which something is said."""
        return len(self._said)

    def set(self, said: GroupLabels) -> None:
        """Takes note; a later saying about the group takes the place of the earlier one."""
        self._said[said.fingerprint] = said
        self._said.move_to_end(said.fingerprint)
        while len(self._said) > self._max_groups:
            self._said.popitem(last=False)

    def clear(self, fingerprint: str) -> None:
        """Takes back what was said of this group, if anything was."""
        self._said.pop(fingerprint, None)

    def labels_of(self, fingerprint: str, judged: Labels) -> Labels:
        """The labels of an event of this group that triage has judged so."""
        said = self._said.get(fingerprint)
        if said is None:
            return judged
        return Labels(
            domain=_winner(said.domain, judged.domain),
            severity=_winner(said.severity, judged.severity),
            category=_winner(said.category, judged.category),
        )


def _winner(said: Label | None, judged: Label) -> Label:
    # A reporter's or a model's word in the topic is no better than the event's own.
    return said if said is not None and said.source in AUTHORITIES else judged
