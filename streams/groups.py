"""What is remembered of each group of errors: whether it is new, and how often it was seen.

Bounded by number (the least recently seen go first) and by time. A state knows which offsets it has
counted, so events that come again after a crash are neither counted twice nor new twice. Pure: the
states are kept through a compacted topic by `group_store`, never from here.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fixstream.schemas.errors import Undecodable
from fixstream.schemas.making import maker

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class GroupState:
    """One group of one partition. Offsets are those of the raw topic."""

    fingerprint: str
    occurrences: int
    first_offset: int
    last_offset: int
    last_seen: datetime

    def encode(self) -> bytes:
        """The state as a small JSON object, for the compacted topic."""
        # Numbers only, so that writing them out is JSON; `json.dumps` takes ten times as long.
        return (
            f'{{"format":{_FORMAT},"occurrences":{self.occurrences},'
            f'"first_offset":{self.first_offset},"last_offset":{self.last_offset},'
            f'"last_seen":{self.last_seen.timestamp()!r}}}'
        ).encode()


def decode_state(fingerprint: str, data: bytes) -> GroupState:
    """The state in these bytes.

    Raises:
        Undecodable: They are none of ours, or of a format that is newer than this code.
    """
    try:
        document = json.loads(data)
        if document["format"] != _FORMAT:
            raise Undecodable("group state of an unknown format")
        return GroupState(
            fingerprint=fingerprint,
            occurrences=int(document["occurrences"]),
            first_offset=int(document["first_offset"]),
            last_offset=int(document["last_offset"]),
            last_seen=datetime.fromtimestamp(float(document["last_seen"]), UTC),
        )
    except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
        raise Undecodable("group state does not decode") from error


@dataclass(frozen=True, slots=True)
class Sighting:
    """What an event means for its group."""

    is_new_group: bool
    occurrences: int


_state = maker(GroupState)
_sighting = maker(Sighting)


class Groups:
    """The groups of one partition."""

    def __init__(self, max_groups: int, ttl: timedelta) -> None:
        """No groups yet."""
        self._max_groups = max_groups
        self._ttl = ttl
        self._states: OrderedDict[str, GroupState] = OrderedDict()
        self._changed: set[str] = set()

    def __len__(self) -> int:
        """How many groups are remembered."""
        return len(self._states)

    def restore(self, states: Iterable[GroupState]) -> None:
        """Takes over states that were read back, oldest sighting first or in any order."""
        for state in sorted(states, key=lambda state: state.last_seen):
            self._states[state.fingerprint] = state
        self._evict()

    def see(self, fingerprint: str, offset: int, now: datetime) -> Sighting:
        """Counts the event at `offset`, unless it was counted before a crash."""
        state = self._states.get(fingerprint)
        if state is not None and offset <= state.last_offset:
            return Sighting(offset == state.first_offset, state.occurrences)
        if state is None or now - state.last_seen > self._ttl:
            state = _state(fingerprint, 1, offset, offset, now)
        else:
            # The wall clock may jump back; a group must not age because of that.
            seen = max(now, state.last_seen)
            state = _state(fingerprint, state.occurrences + 1, state.first_offset, offset, seen)
        self._states[fingerprint] = state
        self._states.move_to_end(fingerprint)
        self._changed.add(fingerprint)
        self._evict()
        return _sighting(state.first_offset == offset, state.occurrences)

    def look(self, fingerprint: str) -> Sighting:
        """What is known of a group, for an event that came twice and counts once."""
        state = self._states.get(fingerprint)
        return Sighting(is_new_group=False, occurrences=state.occurrences if state else 1)

    def changed(self) -> tuple[GroupState, ...]:
        """The states to be written before the next commit."""
        return tuple(self._states[name] for name in self._changed if name in self._states)

    def written(self) -> None:
        """Notes that what `changed` gave is on its way."""
        self._changed.clear()

    def _evict(self) -> None:
        while len(self._states) > self._max_groups:
            self._states.popitem(last=False)
