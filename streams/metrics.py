"""The processor's metrics, and the health that follows from them. Counts only; never payloads."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from fixstream.runtime.clock import Clock
from fixstream.runtime.metrics import Health


class StreamsMetrics:
    """All metrics of one processor process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Registers them."""
        self.events = Counter(
            "fixstream_streams_events_total", "Raw messages that were processed.", registry=registry
        )
        self.groups = Gauge(
            "fixstream_streams_groups", "Error groups that are remembered.", registry=registry
        )
        self.batches = Counter(
            "fixstream_streams_batches_total",
            "Training batches published.",
            ["closed_by"],
            registry=registry,
        )
        self.collapsed = Counter(
            "fixstream_streams_collapsed_total",
            "Events that an example of their batch stands for.",
            registry=registry,
        )
        self.dead_letters = Counter(
            "fixstream_streams_dead_letters_total",
            "Messages set aside.",
            ["error_class"],
            registry=registry,
        )
        self.lag_events = Gauge(
            "fixstream_streams_lag_events",
            "Events behind the end of the partition.",
            ["partition"],
            registry=registry,
        )
        self.lag_seconds = Gauge(
            "fixstream_streams_lag_seconds",
            "Age of the message that was processed last; 0 when there is no lag.",
            ["partition"],
            registry=registry,
        )
        self.processing_seconds = Histogram(
            "fixstream_streams_processing_seconds",
            "Time to process one event, in the mean of its bundle.",
            buckets=(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.5),
            registry=registry,
        )
        self.in_flight = Gauge(
            "fixstream_streams_in_flight",
            "Messages published but not delivered yet.",
            registry=registry,
        )
        self.missing = Counter(
            "fixstream_streams_missing_offsets_total",
            "Offsets that were gone before they could be read: lost to the topic's retention.",
            registry=registry,
        )
        self.committed = Gauge(
            "fixstream_streams_committed_offset",
            "Next offset that is settled and safe to commit.",
            ["partition"],
            registry=registry,
        )

    def forget(self, partition: int) -> None:
        """Drops what was told of a partition that is somebody else's now."""
        for gauge in (self.lag_events, self.lag_seconds, self.committed):
            with suppress(KeyError):
                gauge.remove(str(partition))


class Progress:
    """Whether commits keep up with processing; the health check's memory.

    Events that were processed and stay uncommitted, with no commit moving for longer than the stall
    timeout, are failing: work goes in and nothing gets safe. Idle is healthy.
    """

    def __init__(self, clock: Clock, stall_timeout_s: float) -> None:
        """Nothing processed yet."""
        self._clock = clock
        self._stall_timeout_s = stall_timeout_s
        self._processed: Mapping[int, int] = {}
        self._committed: Mapping[int, int] = {}
        self._moved_at_s = clock.monotonic()

    def observe(self, processed: Mapping[int, int], committed: Mapping[int, int]) -> None:
        """Notes where each partition stands: next offset to process, next offset committed."""
        is_behind = any(
            committed.get(partition, -1) < offset for partition, offset in processed.items()
        )
        if not is_behind or dict(committed) != self._committed:
            self._moved_at_s = self._clock.monotonic()
        self._processed, self._committed = dict(processed), dict(committed)

    def health(self) -> Health:
        """What `/healthz` should say."""
        stalled_s = self._clock.monotonic() - self._moved_at_s
        return Health(
            is_healthy=stalled_s <= self._stall_timeout_s,
            details={
                "processed": self._processed,
                "committed": self._committed,
                "stalled_s": round(stalled_s, 1),
            },
        )
