"""The event by which a service tells Kafka how many events it gave up.

It is an ordinary error event of type `fixstream.EventsDropped`, severity low, whose attributes
`dropped.<reason>` hold the numbers since the last report. So a subscriber needs nothing new to see
that its picture of a service has holes: the loss is a group of its own, with a fix of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from fixstream.producers.drops import DropReason
from fixstream.schemas.enums import EventSource, Severity
from fixstream.schemas.ids import new_event_id
from fixstream.schemas.records import ErrorEvent

ERROR_TYPE = "fixstream.EventsDropped"


def loss_report(
    sample: ErrorEvent, losses: Mapping[DropReason, int], occurred_at: datetime
) -> ErrorEvent:
    """The report of `losses` in the name of the service that `sample` came from."""
    reasons = ", ".join(f"{reason.value} {count}" for reason, count in sorted(losses.items()))
    return replace(
        sample,
        event_id=new_event_id(),
        occurred_at=occurred_at,
        source=EventSource.LOGGING,
        error_type=ERROR_TYPE,
        message=f"error events were dropped before they reached Kafka: {reasons}",
        stack_trace=None,
        severity_hint=Severity.LOW.value,
        domain_hint=None,
        trace_id=None,
        span_id=None,
        correlation_id=None,
        attributes={f"dropped.{reason.value}": str(count) for reason, count in losses.items()},
        provenance=None,
        scrubber="",
    )
