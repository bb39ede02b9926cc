"""Sends what the spill holds, in order, and waits where Kafka does not take it.

One message is tried at a time while Kafka is away, many once it answers. A message leaves the disk
with its acknowledgement, or when Kafka refuses this one message for good.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from fixstream.producers import host_log
from fixstream.producers.drops import DropReason
from fixstream.producers.metrics import DELIVERED
from fixstream.producers.shipper import UNDELIVERED, ProducerClient, hand_over
from fixstream.producers.spill import Spill, Spilled
from fixstream.runtime.clock import Clock

_WINDOW: Final = 500
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 15.0
_REFUSED: Final = frozenset({"MSG_SIZE_TOO_LARGE", "_MSG_SIZE_TOO_LARGE", "INVALID_MSG"})
"""Errors, by librdkafka's names, that no other attempt mends."""

OnSettled = Callable[[DropReason | None], None]
"""Told once of each message of this process: None when it was delivered, else why it was not."""


class SpillPump:
    """Between the spill and librdkafka; on the worker's thread only."""

    def __init__(self, spill: Spill, topic: str, clock: Clock, on_settled: OnSettled) -> None:
        self.spill = spill
        self._topic = topic
        self._clock = clock
        self._on_settled = on_settled
        self._num_in_flight = 0
        self._window = _WINDOW
        self._has_failed = False
        self._pause_s = _FIRST_PAUSE_S
        self._blocked_until = 0.0

    @property
    def num_in_flight(self) -> int:
        """Messages that librdkafka holds."""
        return self._num_in_flight

    @property
    def is_blocked(self) -> bool:
        """Whether Kafka did not take what it was given last."""
        return self._window < _WINDOW

    def run(self, producer: ProducerClient) -> None:
        """Hand over what may go now."""
        now_s = self._clock.monotonic()
        self.spill.tidy(now_s)
        for _ in range(self.spill.take_lost()):
            self._on_settled(DropReason.SPILL_FAILED)
        if self._has_failed:
            self._recover(now_s)
        if self._has_failed or now_s < self._blocked_until:
            return
        while self._num_in_flight < self._window and not self._has_failed:
            spilled = self.spill.next()
            if spilled is None:
                return
            self._send(producer, spilled)

    def _send(self, producer: ProducerClient, spilled: Spilled) -> None:
        report = partial(self._on_delivery, spilled)
        self._num_in_flight += 1
        reason = hand_over(producer, self._topic, spilled.parcel, report)
        if reason is not None:
            self._num_in_flight -= 1
            self._fail()

    def _on_delivery(self, spilled: Spilled, error: Any, _message: Any) -> None:
        self._num_in_flight -= 1
        if error is None:
            host_log.take_back(UNDELIVERED, "kafka takes error events again")
            DELIVERED.inc()
            self._window, self._pause_s = _WINDOW, _FIRST_PAUSE_S
            self._settle(spilled, None)
        elif error.name() in _REFUSED:
            self._settle(spilled, DropReason.TOO_LARGE)
        else:
            host_log.warn_once(UNDELIVERED, error=error.name())
            self._fail()

    def _settle(self, spilled: Spilled, outcome: DropReason | None) -> None:
        self.spill.settle(spilled)
        if spilled.is_own:
            self._on_settled(outcome)

    def _fail(self) -> None:
        self._has_failed = True
        self._window = 1

    def _recover(self, now_s: float) -> None:
        # Not before everything has come back: what is under way may still be delivered.
        if self._num_in_flight:
            return
        self.spill.rewind()
        self._has_failed = False
        self._blocked_until = now_s + self._pause_s
        self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s)
