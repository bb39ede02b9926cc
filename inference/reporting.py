"""Makes events of the errors that callers report: bounded, scrubbed, with an id each.

Scrubbed before Kafka gets them: what a caller should not have sent is written nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fixstream.inference.advisor import SHORT_CHARS, UNKNOWN_SERVICE
from fixstream.inference.rest_models import ErrorReport
from fixstream.runtime.clock import Clock
from fixstream.schemas.enums import EventSource
from fixstream.schemas.ids import new_event_id
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.scrub import Scrubber

SDK = "fixstream-rest/1"


class ReportScrubber:
    """Turns reports into events."""

    def __init__(self, scrubber: Scrubber, clock: Clock, pool: ThreadPoolExecutor) -> None:
        """Stores its collaborators."""
        self._scrubber = scrubber
        self._clock = clock
        self._pool = pool

    async def events(self, reports: Sequence[ErrorReport], correlation_id: str) -> list[ErrorEvent]:
        """One scrubbed event a report, in order."""
        num_chars = sum(len(one.message) + len(one.stack_trace or "") for one in reports)
        if num_chars <= SHORT_CHARS:
            return self._events(reports, correlation_id)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._events, reports, correlation_id)

    def scrubbed(self, text: str) -> str:
        """One scrubbed text."""
        return self._scrubber.scrub(text)

    def _events(self, reports: Sequence[ErrorReport], correlation_id: str) -> list[ErrorEvent]:
        now = self._clock.now()
        return [
            self._scrubber.scrub_event(
                ErrorEvent(
                    event_id=one.event_id or new_event_id(),
                    occurred_at=now,
                    service=one.service or UNKNOWN_SERVICE,
                    environment=one.attributes.get("environment", UNKNOWN_SERVICE)[:200],
                    source=EventSource.REST,
                    error_type=one.error_type or None,
                    message=one.message,
                    stack_trace=one.stack_trace or None,
                    severity_hint=one.severity,
                    domain_hint=one.domain,
                    correlation_id=correlation_id,
                    attributes=dict(one.attributes),
                    sdk=SDK,
                )
            )
            for one in reports
        ]
