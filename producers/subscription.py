"""Receiving suggested fixes: filtered by message headers first, so most are never decoded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypedDict, Unpack

import structlog
from confluent_kafka import Consumer, Message

from fixstream.runtime.kafka import consume_batch, decode_message, headers_of, make_consumer
from fixstream.runtime.registry import make_codec
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import Domain, Severity
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.records import SuggestedFix
from fixstream.schemas.topics import FIXES_SUGGESTED

log = structlog.get_logger(__name__)

_POLL_S = 0.5


class Stopping(Protocol):
    """What tells the loop to end; `runtime.stopping.StopSignal` and `threading.Event` do."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FixFilter:
    """Which suggestions are wanted; None does not restrict."""

    service: str | None = None
    severity_at_least: Severity | None = None
    domain: Domain | None = None

    def accepts(self, headers: Mapping[str, bytes]) -> bool:
        """Whether a message with these headers is wanted; without headers it is, to be safe."""
        return (
            _equals(headers.get("service"), self.service)
            and _equals(headers.get("domain"), self.domain)
            and self._is_severe_enough(headers.get("severity"))
        )

    def _is_severe_enough(self, value: bytes | None) -> bool:
        if self.severity_at_least is None or value is None:
            return True
        try:
            return Severity(value.decode()).rank >= self.severity_at_least.rank
        except ValueError:
            return True  # A newer word than we know; the subscriber may know it.


class FilterKeywords(TypedDict, total=False):
    """The keywords of `subscribe`; `FixFilter` says what they mean."""

    service: str | None
    severity_at_least: Severity | None
    domain: Domain | None


def subscribe(
    settings: KafkaSettings,
    *,
    group_id: str = "subscriber",
    from_beginning: bool = False,
    stopping: Stopping | None = None,
    **wanted: Unpack[FilterKeywords],
) -> Generator[SuggestedFix]:
    """Suggested fixes as they come, for ever or until `stopping` is set.

    A fix counts as handled when the next one is asked for; its offset is committed within seconds
    of that, so after a crash the last few come again: `suggestion_id` tells repeats apart.

    Args:
        settings: How to reach Kafka.
        group_id: Subscribers of one group share the suggestions; its progress is remembered.
        from_beginning: Where a group without progress starts; by default with what comes next.
        stopping: Ends the iteration within half a second of being set.
        **wanted: As `FixFilter`: `service`, `severity_at_least`, `domain`.
    """
    fix_filter = FixFilter(**wanted)
    codec = make_codec(settings)
    consumer = make_consumer(
        settings,
        group_id,
        auto_offset_reset="earliest" if from_beginning else "latest",
        # What is stored below is committed in the background, and at the end.
        enable_auto_commit=True,
    )
    with closing(consumer):
        consumer.subscribe([settings.topic(FIXES_SUGGESTED)])
        yield from follow(consumer, codec, fix_filter, stopping)


def follow(
    consumer: Consumer, codec: Codec, fix_filter: FixFilter, stopping: Stopping | None
) -> Generator[SuggestedFix]:
    """The wanted fixes that a subscribed consumer receives; each is stored when the next is due."""
    while stopping is None or not stopping.is_set():
        for message in consume_batch(consumer, 1, _POLL_S):
            fix = _decoded(message, codec) if fix_filter.accepts(headers_of(message)) else None
            if fix is not None:
                yield fix
            consumer.store_offsets(message=message)


async def subscribe_async(
    settings: KafkaSettings,
    *,
    group_id: str = "subscriber",
    from_beginning: bool = False,
    **wanted: Unpack[FilterKeywords],
) -> AsyncGenerator[SuggestedFix]:
    """As `subscribe`, without holding up the event loop; ends when the iteration is closed."""
    stopping = threading.Event()
    fixes = subscribe(
        settings, group_id=group_id, from_beginning=from_beginning, stopping=stopping, **wanted
    )
    pending: asyncio.Future[SuggestedFix | None] | None = None
    try:
        while True:
            pending = asyncio.ensure_future(asyncio.to_thread(next, fixes, None))
            # Cancelling must not leave the generator to a thread that nobody waits for.
            fix = await asyncio.shield(pending)
            if fix is None:
                return
            yield fix
    finally:
        stopping.set()
        if pending is not None:
            await asyncio.wait([pending])
        fixes.close()


def _decoded(message: Message, codec: Codec) -> SuggestedFix | None:
    try:
        return decode_message(message, codec, SuggestedFix)
    except DeadLetter as error:
        log.warning("suggestion skipped", error_class=error.error_class, offset=message.offset())
        return None


def _equals(value: bytes | None, wanted: str | None) -> bool:
    return wanted is None or value is None or value.decode("utf-8", "replace") == wanted
