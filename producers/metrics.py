"""Prometheus metrics of capture, in the host's default registry. Labels are closed sets only."""

from __future__ import annotations

from prometheus_client import Counter

CAPTURED = Counter(
    "fixstream_producers_captured_total",
    "Error events accepted for sending, by source.",
    ["source"],
)
DELIVERED = Counter("fixstream_producers_delivered_total", "Error events that Kafka acknowledged.")
DROPPED = Counter(
    "fixstream_producers_dropped_total", "Error events that were given up, by reason.", ["reason"]
)
SPILL_ERRORS = Counter(
    "fixstream_producers_spill_errors_total",
    "Times that the disk failed the spill, or a spilled file was found damaged.",
)
