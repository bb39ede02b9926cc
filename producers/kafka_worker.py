"""The thread behind the Kafka sink: takes from the queue, ships, serves delivery reports.

It survives whatever a single event does to it; what it cannot send it counts. It never touches the
host's threads, and belongs to one process only: after a fork the child makes a new one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fixstream.producers import host_log
from fixstream.producers.drops import DropCounts, DropReason
from fixstream.producers.event_queue import EventQueue
from fixstream.producers.loss_report import loss_report
from fixstream.producers.metrics import DELIVERED
from fixstream.producers.shipper import (
    UNDELIVERED,
    Packing,
    Parcel,
    ProducerClient,
    hand_over,
    pack,
)
from fixstream.producers.spill import Spill, SpillConfig
from fixstream.producers.spill_pump import SpillPump
from fixstream.schemas.records import ErrorEvent

_BUSY_POLL_S = 0.02
"""How long one wait for delivery reports lasts; a new event waits at most this long behind it."""
_IDLE_WAIT_S = 1.0
_RECONNECT_PAUSE_S = 5.0
_FLUSH_SHARE = 0.75
"""Of the time to stop: the rest is for giving up in good order."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker needs to know; see `KafkaSinkConfig` for the meaning of the numbers."""

    packing: Packing
    connect: Callable[[], ProducerClient]
    max_events: int
    max_bytes: int
    report_interval_s: float
    spill: SpillConfig | None = None


class KafkaWorker:
    """One queue, one thread, one producer. `start` once, `offer` from anywhere, `stop` once."""

    def __init__(self, config: WorkerConfig, drops: DropCounts) -> None:
        self._config = config
        self._clock = config.packing.clock
        self._drops = drops
        self._queue = EventQueue(config.max_events, config.max_bytes)
        self._changed = threading.Condition(threading.Lock())
        self._num_accepted = 0
        self._num_settled = 0
        self._num_delivered = 0
        self._num_in_flight = 0
        self._stopping = threading.Event()
        self._stop_by = 0.0
        self._producer: ProducerClient | None = None
        self._retry_at = 0.0
        self._report_at = self._clock.monotonic() + config.report_interval_s
        self._sample: ErrorEvent | None = None
        self._pump: SpillPump | None = None
        if config.spill is not None:
            spill = Spill(config.spill, config.packing.topic)
            self._pump = SpillPump(spill, config.packing.topic, self._clock, self._settle_spilled)
        self._thread = threading.Thread(target=self._run, name="fixstream-sink", daemon=True)

    @property
    def num_accepted(self) -> int:
        """Events taken from the host so far."""
        return self._num_accepted

    @property
    def num_delivered(self) -> int:
        """Events that Kafka acknowledged, the host's only: loss reports are not counted."""
        return self._num_delivered

    @property
    def producer(self) -> ProducerClient | None:
        """The producer while there is one; a forked child has to keep it from being freed."""
        return self._producer

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(self, event: ErrorEvent) -> DropReason | None:
        """Queue the event, or say why not. Never blocks."""
        reason = self._queue.offer(event)
        if reason is None:
            with self._changed:
                self._num_accepted += 1
        return reason

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything accepted before the call is delivered or counted as dropped."""
        with self._changed:
            goal = self._num_accepted
            return self._changed.wait_for(lambda: self._num_settled >= goal, timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Flush, report losses and end the thread, all within `timeout_s`.

        What was not sent by then is counted as `closed` or `send_failed`.
        """
        deadline = time.monotonic() + timeout_s
        self._stop_by = deadline - timeout_s * (1 - _FLUSH_SHARE) / 2
        self.flush(timeout_s * _FLUSH_SHARE)
        self._stopping.set()
        self._queue.stop_waiting()
        self._thread.join(deadline - time.monotonic())

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        if self._pump is not None:
            self._pump.spill.abandon()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 -- loop edge: the worker survives anything
                host_log.swallowed("the kafka worker", error)
                self._stopping.wait(_BUSY_POLL_S)
        try:
            self._wind_up()
        except Exception as error:  # noqa: BLE001 -- the thread ends either way
            host_log.swallowed("the end of the kafka worker", error)

    def _turn(self) -> None:
        if self._has_room():
            event = self._queue.take(0.0 if self._is_sending() else _IDLE_WAIT_S)
            if event is not None:
                self._ship(event)
        self._report_losses_when_due()
        if self._pump is not None:
            producer = self._connected()
            if producer is not None:
                self._pump.run(producer)
        if self._producer is not None:
            # Wait for reports only when there is nothing else to do.
            self._producer.poll(0.0 if len(self._queue) and self._has_room() else _BUSY_POLL_S)

    def _has_room(self) -> bool:
        return self._num_in_flight < self._config.max_events

    def _is_sending(self) -> bool:
        return bool(self._num_under_way() or (self._pump is not None and self._pump.is_blocked))

    def _ship(self, event: ErrorEvent) -> None:
        self._sample = event
        reason = DropReason.FAILED
        try:
            reason_or_sent = self._stored(event) if self._pump else self._sent(event)
            if reason_or_sent is None:
                return
            reason = reason_or_sent
        except Exception as error:  # noqa: BLE001 -- the event is counted, whatever happened
            host_log.swallowed("shipping an event", error)
        self._drops.add(reason)
        self._mark_settled()

    def _sent(self, event: ErrorEvent) -> DropReason | None:
        return self._try_to_ship(event, self._settle)

    def _stored(self, event: ErrorEvent) -> DropReason | None:
        """Put the event on the disk, from where it is sent; without a disk, send it at once."""
        assert self._pump is not None
        parcel = pack(event, self._config.packing)
        if isinstance(parcel, DropReason):
            return parcel
        reason = self._pump.spill.append(parcel)
        if reason is None or self._pump.is_blocked:
            return reason
        return self._try_to_send(parcel, self._settle)

    def _try_to_ship(
        self, event: ErrorEvent, on_settled: Callable[[Any], None]
    ) -> DropReason | None:
        parcel = pack(event, self._config.packing) if self._connected() else DropReason.SEND_FAILED
        if isinstance(parcel, DropReason):
            return parcel
        return self._try_to_send(parcel, on_settled)

    def _try_to_send(self, parcel: Parcel, on_settled: Callable[[Any], None]) -> DropReason | None:
        producer = self._connected()
        if producer is None:
            return DropReason.SEND_FAILED
        self._num_in_flight += 1
        reason = hand_over(
            producer, self._config.packing.topic, parcel, partial(self._on_delivery, on_settled)
        )
        if reason is not None:
            self._num_in_flight -= 1
        return reason

    def _connected(self) -> ProducerClient | None:
        if self._producer is None and self._clock.monotonic() >= self._retry_at:
            try:
                self._producer = self._config.connect()
            except Exception as error:  # noqa: BLE001 -- bad settings must not stop the host
                host_log.warn_once(UNDELIVERED, error=type(error).__name__)
                self._retry_at = self._clock.monotonic() + _RECONNECT_PAUSE_S
        return self._producer

    def _on_delivery(self, on_settled: Callable[[Any], None], error: Any, _message: Any) -> None:
        self._num_in_flight -= 1
        if error is None:
            host_log.take_back(UNDELIVERED, "kafka takes error events again")
        else:
            host_log.warn_once(UNDELIVERED, error=error.name())
        on_settled(error)

    def _settle(self, error: Any) -> None:
        if error is None:
            DELIVERED.inc()
            self._num_delivered += 1
        else:
            self._drops.add(DropReason.SEND_FAILED)
        self._mark_settled()

    def _settle_spilled(self, outcome: DropReason | None) -> None:
        if outcome is None:
            self._num_delivered += 1
        else:
            self._drops.add(outcome)
        self._mark_settled()

    def _mark_settled(self) -> None:
        with self._changed:
            self._num_settled += 1
            self._changed.notify_all()

    def _report_losses_when_due(self) -> None:
        now = self._clock.monotonic()
        if now >= self._report_at:
            self._report_at = now + self._config.report_interval_s
            self._report_losses()

    def _report_losses(self) -> None:
        if self._sample is None:
            return
        losses = self._drops.take_unreported()
        if not losses:
            return
        report = loss_report(self._sample, losses, self._clock.now())

        def give_back_on_failure(error: Any) -> None:
            if error is not None:
                self._drops.give_back(losses)

        if self._try_to_ship(report, give_back_on_failure) is not None:
            self._drops.give_back(losses)

    def _wind_up(self) -> None:
        if self._pump is not None:
            self._store_what_waits()
        for _ in range(num_left := self._queue.clear()):
            self._mark_settled()
        self._drops.add(DropReason.CLOSED, num_left)
        producer = self._producer
        if producer is not None:
            if not self._is_sending():
                self._report_losses()
                self._wait_for_reports(producer, 1.0)
            producer.purge()
            self._wait_for_reports(producer, 1.0)
        if self._pump is not None:
            self._pump.spill.close()

    def _store_what_waits(self) -> None:
        """The disk takes what Kafka has not taken, as far as the time to stop allows."""
        while time.monotonic() < self._stop_by:
            event = self._queue.take(0.0)
            if event is None:
                return
            self._ship(event)

    def _wait_for_reports(self, producer: ProducerClient, timeout_s: float) -> None:
        # The real clock: librdkafka's threads know no other.
        deadline = time.monotonic() + timeout_s
        while self._num_under_way() and time.monotonic() < deadline:
            producer.poll(_BUSY_POLL_S)

    def _num_under_way(self) -> int:
        return self._num_in_flight + (self._pump.num_in_flight if self._pump is not None else 0)
