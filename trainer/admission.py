"""What becomes of an example that was handed out: it trains, is held out, waits, or is dropped.

A text in quarantine waits until the stream's clock has passed its end. A text of weight 0 whose
quarantine has no end is never learnt from. The module trains nothing and reads no Kafka.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fixstream.schemas.records import OffsetRange, TrainingExample
from fixstream.trainer.examples import LearningExample, learning_example
from fixstream.trainer.learner import Learner
from fixstream.trainer.ledger import WaitingExample
from fixstream.trainer.metrics import EXAMPLES, QUARANTINED
from fixstream.trainer.quarantine import Coordinate

_WEIGHT_AFTER_QUARANTINE = 1.0
"""What a crawled text weighs that is alone in its batch; the labels' trust comes on top."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is to train, and what became of the rest."""

    fresh: Sequence[tuple[WaitingExample, LearningExample]]
    released: Sequence[LearningExample]
    """Out of quarantine; their texts are gone."""
    num_held_out: int = 0
    num_held: int = 0
    num_dropped: int = 0
    num_blocked: int = 0

    @property
    def examples(self) -> list[LearningExample]:
        """All that is to train, the released ones last."""
        return [*(example for _, example in self.fresh), *self.released]


class Admission:
    """Sorts what the ledger hands out."""

    def __init__(self, learner: Learner, blocked: Sequence[OffsetRange]) -> None:
        self._learner = learner
        self._blocked = blocked

    def admit(self, taken: Sequence[WaitingExample], max_released: int) -> Admitted:
        """Sorts examples, and releases what has waited long enough.

        Args:
            taken: as they were handed out, in order.
            max_released: how many may come out of quarantine with them.
        """
        quarantine = self._learner.quarantine
        fresh: list[tuple[WaitingExample, LearningExample]] = []
        num_held_out = num_held = num_dropped = 0
        for waiting in taken:
            quarantine.advance(waiting.batch_created_at)
            if is_endless(waiting.example):
                num_dropped += 1
            elif self._is_quarantined(waiting.example):
                lost = self._hold(waiting)
                num_dropped += lost
                num_held += 1 - lost
            elif self._is_held_out(waiting, example := self._encoded(waiting)):
                num_held_out += 1
            else:
                fresh.append((waiting, example))
        released, num_blocked = quarantine.release(max_released, self._blocked)
        self._count(num_held_out, num_held, num_dropped, len(released))
        return Admitted(fresh, released, num_held_out, num_held, num_dropped, num_blocked)

    def _is_quarantined(self, example: TrainingExample) -> bool:
        until = example.train_after
        return until is not None and not self._learner.quarantine.is_over(until)

    def _hold(self, waiting: WaitingExample) -> int:
        assert waiting.example.train_after is not None, "only a known end is waited for"
        coordinates = (
            Coordinate.of(waiting.origin, waiting.origin_offset),
            Coordinate.of(waiting.source, waiting.source_offset),
        )
        return self._learner.quarantine.hold(
            self._encoded(waiting), coordinates, waiting.example.train_after
        )

    def _encoded(self, waiting: WaitingExample) -> LearningExample:
        example = waiting.example
        if example.train_after is not None:
            example = replace(example, weight=_WEIGHT_AFTER_QUARANTINE)
        return learning_example(example, self._learner.model)

    def _is_held_out(self, waiting: WaitingExample, example: LearningExample) -> bool:
        validation = self._learner.validation
        source = waiting.example.source or ""
        if not validation.wants(example, waiting.example.event_id, source):
            return False
        validation.add(example, source)
        return True

    def _count(self, num_held_out: int, num_held: int, num_dropped: int, num_released: int) -> None:
        EXAMPLES.labels("held_out").inc(num_held_out)
        EXAMPLES.labels("quarantined").inc(num_held)
        EXAMPLES.labels("dropped").inc(num_dropped)
        EXAMPLES.labels("released").inc(num_released)
        QUARANTINED.set(len(self._learner.quarantine))


def is_endless(example: TrainingExample) -> bool:
    """Whether it is in a quarantine whose end could not be read."""
    return example.train_after is None and not example.weight > 0.0
