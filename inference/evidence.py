"""What feedback has shown about fixes: which worked, for which group, how often.

A submitter has one voice on one fix of one group: a later word replaces the earlier one, so a
flood from one place moves nothing. Holds counts and pairs; ranking decides what they mean.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from fixstream.schemas.records import FixFeedback

MAX_VOICES = 200_000


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a fix worked, and how often it did not."""

    num_worked: int = 0
    num_failed: int = 0

    @property
    def success_rate(self) -> float:
        """The share that worked, drawn towards one half while there is little evidence."""
        return (self.num_worked + 1) / (self.num_worked + self.num_failed + 2)


_NOTHING = Tally()


class Evidence:
    """The tallies so far. Safe to use from several threads."""

    def __init__(self) -> None:
        """Starts with none."""
        self._lock = threading.Lock()
        self._voices: OrderedDict[tuple[str, str, str], bool] = OrderedDict()
        self._overall = _NOTHING
        self._by_fix: dict[str, Tally] = {}
        self._by_group: dict[str, dict[str, Tally]] = {}

    def add(self, feedback: FixFeedback, fingerprint: str | None) -> None:
        """Counts one word of feedback; without a known group it stands for its error alone."""
        if feedback.solution_id is None:
            return
        place = fingerprint or feedback.error_id
        voice = (feedback.submitter, place, feedback.solution_id)
        with self._lock:
            earlier = self._voices.pop(voice, None)
            if earlier is not None:
                self._count(place, feedback.solution_id, earlier, -1)
            self._voices[voice] = feedback.solution_worked
            self._count(place, feedback.solution_id, feedback.solution_worked, 1)
            if len(self._voices) > MAX_VOICES:
                (_, old_place, old_fix), worked = self._voices.popitem(last=False)
                self._count(old_place, old_fix, worked, -1)

    def of_fix(self, solution_id: str) -> Tally:
        """The tally of a fix over all groups."""
        return self._by_fix.get(solution_id, _NOTHING)

    def of_group(self, fingerprint: str) -> dict[str, Tally]:
        """The tally of each fix that was judged for this group."""
        with self._lock:
            return dict(self._by_group.get(fingerprint, {}))

    def confirmed(self) -> dict[str, str]:
        """By group, the one fix that worked more often there than it failed."""
        with self._lock:
            found = {
                place: [name for name, tally in tallies.items() if tally.success_rate > 0.5]
                for place, tallies in self._by_group.items()
            }
        return {place: names[0] for place, names in found.items() if len(names) == 1}

    @property
    def overall(self) -> Tally:
        """All that was said about any fix, one voice a submitter, group and fix."""
        return self._overall

    def _count(self, place: str, solution_id: str, worked: bool, by: int) -> None:
        self._overall = _moved(self._overall, worked, by)
        self._by_fix[solution_id] = _moved(self._by_fix.get(solution_id, _NOTHING), worked, by)
        group = self._by_group.setdefault(place, {})
        group[solution_id] = _moved(group.get(solution_id, _NOTHING), worked, by)
        if group[solution_id] == _NOTHING:
            del group[solution_id]
        if not group:
            del self._by_group[place]


def _moved(tally: Tally, worked: bool, by: int) -> Tally:
    if worked:
        return Tally(tally.num_worked + by, tally.num_failed)
    return Tally(tally.num_worked, tally.num_failed + by)
