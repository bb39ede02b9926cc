"""Feedback as the trainer hears it: one voice each, weighed by its record, capped, in order.

A record is judged when it is taken, not when it is read, so that the state and the offsets in a
checkpoint always speak of the same records, and no text has to stand in one. From the same records
in the same order come the same pairs. It reads no Kafka and trains nothing.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fixstream.schemas.errors import ArtifactRejected
from fixstream.schemas.records import FixFeedback, OffsetRange
from fixstream.trainer.ledger import Partition
from fixstream.trainer.manifest import PartitionOffset
from fixstream.trainer.pairs import TrainingPair

FORMAT = 1
_MAX_VOICES = 20_000
_MAX_SUBMITTERS = 5_000
_MAX_FIXES = 2_000
_MAX_VOICES_OF_FIX = 50
_MAX_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class FeedbackConfig:
    """How much feedback may teach."""

    window_s: float = 3600.0
    """Length of the windows that are capped, by the time of submission."""
    max_of_window: int = 200
    """Pairs of one window, from everybody."""
    max_of_submitter: int = 10
    """Pairs of one window from one submitter."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    feedback: FixFeedback
    partition: Partition
    offset: int


class FeedbackBook:
    """What was said about fixes so far, and what is left to learn from it."""

    def __init__(
        self,
        offsets: Iterable[PartitionOffset] = (),
        blocked: Iterable[OffsetRange] = (),
        config: FeedbackConfig | None = None,
    ) -> None:
        self._config = config or FeedbackConfig()
        self._blocked = tuple(blocked)
        self._next = {(one.topic, one.partition): one.next_offset for one in offsets}
        self._waiting: deque[_Waiting] = deque()
        self._voices: dict[str, None] = {}
        self._records: dict[str, list[int]] = {}
        self._fixes: dict[str, dict[str, int]] = {}
        self._versions: dict[int, dict[str, list[int]]] = {}
        self._window = -1
        self._in_window: Counter[str] = Counter()

    @property
    def num_waiting(self) -> int:
        """Records that were read but not judged."""
        return len(self._waiting)

    @property
    def votes(self) -> dict[int, dict[str, tuple[int, int]]]:
        """Model version -> submitter -> how often a fix worked, and how often not."""
        return {
            version: {who: (said[0], said[1]) for who, said in voices.items()}
            for version, voices in self._versions.items()
        }

    def accept(self, feedback: FixFeedback, partition: Partition, offset: int) -> None:
        """Takes in a record; blocked ones are passed over."""
        if any(_holds(one, partition, offset) for one in self._blocked):
            self.pass_over(partition, offset)
            return
        self._waiting.append(_Waiting(feedback, partition, offset))

    def pass_over(self, partition: Partition, offset: int) -> None:
        """Notes that a message needs no more reading, if none of its partition waits."""
        if all(one.partition != partition for one in self._waiting):
            self._next[partition] = offset + 1

    def take(self, max_records: int) -> list[TrainingPair]:
        """Judges the next records, at most so many; what they teach, in their order."""
        pairs = []
        for _ in range(min(max_records, len(self._waiting))):
            waiting = self._waiting.popleft()
            self._next[waiting.partition] = waiting.offset + 1
            pair = self._judge(waiting.feedback)
            if pair is not None:
                pairs.append(pair)
        return pairs

    def offsets(self) -> tuple[PartitionOffset, ...]:
        """Where to go on reading if everything that was taken is settled."""
        return tuple(
            PartitionOffset(topic, number, offset)
            for (topic, number), offset in sorted(self._next.items())
        )

    def trust(self, submitter: str) -> float:
        """How far a voice counts, from 0 to 1: how often others agreed with it, smoothed."""
        agreed, disagreed = self._records.get(submitter, (0, 0))
        return (agreed + 1) / (agreed + disagreed + 2)

    def to_json(self) -> str:
        """The state, for a checkpoint; hashes of people and ids, no text."""
        return json.dumps(
            {
                "format": FORMAT,
                "voices": list(self._voices),
                "records": self._records,
                "fixes": self._fixes,
                "versions": {str(version): said for version, said in self._versions.items()},
                "window": self._window,
                "in_window": self._in_window,
            }
        )

    def load_json(self, data: str | bytes) -> None:
        """The reverse of `to_json`; raises ArtifactRejected where it does not fit."""
        try:
            state: dict[str, Any] = json.loads(data)
            if state["format"] != FORMAT:
                raise ArtifactRejected("feedback.json is of an unknown format")
            self._voices = dict.fromkeys(state["voices"])
            self._records = dict(state["records"])
            self._fixes = dict(state["fixes"])
            self._versions = {int(version): said for version, said in state["versions"].items()}
            self._window = int(state["window"])
            self._in_window = Counter(state["in_window"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactRejected(f"feedback.json cannot be read: {error}") from error

    def _judge(self, feedback: FixFeedback) -> TrainingPair | None:
        who, has_worked = feedback.submitter, feedback.solution_worked
        voice = json.dumps([who, feedback.error_id, feedback.solution_id])
        if voice in self._voices:
            return None
        self._voices[voice] = None
        _trim(self._voices, _MAX_VOICES)
        if feedback.model_version is not None:
            said = self._versions.setdefault(feedback.model_version, {})
            said.setdefault(who, [0, 0])[0 if has_worked else 1] += 1
            while len(self._versions) > _MAX_VERSIONS:
                del self._versions[min(self._versions)]
        weight = self.trust(who)
        self._compare(feedback)
        if not (feedback.error_text and feedback.fix_text):
            return None
        if not self._has_room(who, feedback.submitted_at):
            return None
        return TrainingPair(feedback.error_text, feedback.fix_text, weight, has_worked)

    def _compare(self, feedback: FixFeedback) -> None:
        """Adds to the track records: who says what others say of a fix has earned trust."""
        if feedback.fingerprint is None or feedback.solution_id is None:
            return
        fix = json.dumps([feedback.fingerprint, feedback.solution_id])
        voices = self._fixes.setdefault(fix, {})
        _trim(self._fixes, _MAX_FIXES)
        if feedback.submitter in voices or len(voices) >= _MAX_VOICES_OF_FIX:
            return  # Who says it often is not right more often.
        others = sum(voices.values())
        if others:
            record = self._records.setdefault(feedback.submitter, [0, 0])
            record[0 if feedback.solution_worked == (others > 0) else 1] += 1
            _trim(self._records, _MAX_SUBMITTERS)
        voices[feedback.submitter] = 1 if feedback.solution_worked else -1

    def _has_room(self, who: str, submitted_at: datetime) -> bool:
        window = int(submitted_at.timestamp() // self._config.window_s)
        if window > self._window:
            self._window = window
            self._in_window.clear()
        is_full = (
            self._in_window.total() >= self._config.max_of_window
            or self._in_window[who] >= self._config.max_of_submitter
        )
        if not is_full:
            self._in_window[who] += 1
        return not is_full


def _trim(table: dict[str, Any], size: int) -> None:
    """Forgets what came first."""
    while len(table) > size:
        del table[next(iter(table))]


def _holds(one: OffsetRange, partition: Partition, offset: int) -> bool:
    is_there = (one.topic, one.partition) == partition
    return is_there and one.first_offset <= offset < one.next_offset
