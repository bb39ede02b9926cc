"""Dead letters: the original bytes, untouched, with the why and the where from in headers.

Makes and reads them; sending is the outbox's work, sending back is `replay`'s. The reason never
holds text of the event: it may be the very text that could not be scrubbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fixstream.schemas.errors import DeadLetter

Headers = Sequence[tuple[str, bytes]]

CLASS_HEADER = "fixstream-dlq-class"
REASON_HEADER = "fixstream-dlq-reason"
ATTEMPTS_HEADER = "fixstream-dlq-attempts"
TOPIC_HEADER = "fixstream-dlq-topic"
PARTITION_HEADER = "fixstream-dlq-partition"
OFFSET_HEADER = "fixstream-dlq-offset"
VERSION_HEADER = "fixstream-dlq-version"
OMITTED_HEADER = "fixstream-dlq-omitted-bytes"
"""On a letter whose original was too large even for this topic: how many bytes were left out."""

_OURS = frozenset(
    {
        CLASS_HEADER,
        REASON_HEADER,
        ATTEMPTS_HEADER,
        TOPIC_HEADER,
        PARTITION_HEADER,
        OFFSET_HEADER,
        VERSION_HEADER,
        OMITTED_HEADER,
    }
)

MAX_REASON_CHARS = 300
ERROR_CLASSES = ("undecodable", "unknown_schema", "invalid", "too_large", "failed")


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One record of the raw topic, as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int | None = None

    @property
    def num_bytes(self) -> int:
        """Size of the value."""
        return len(self.value) if self.value is not None else 0


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """One message that was set aside."""

    raw: RawMessage
    error_class: str
    reason: str
    attempts: int
    version: str
    num_omitted_bytes: int | None = None
    """Size of an original that was left out because it was too large; None where it is here."""

    def without_value(self) -> DeadLetterRecord:
        """The same letter with its headers alone."""
        raw = self.raw
        return replace(self, raw=replace(raw, value=None), num_omitted_bytes=raw.num_bytes)

    def headers(self) -> list[tuple[str, bytes]]:
        """The original's headers, then ours."""
        ours = [
            (CLASS_HEADER, self.error_class),
            (REASON_HEADER, self.reason),
            (ATTEMPTS_HEADER, str(self.attempts)),
            (TOPIC_HEADER, self.raw.topic),
            (PARTITION_HEADER, str(self.raw.partition)),
            (OFFSET_HEADER, str(self.raw.offset)),
            (VERSION_HEADER, self.version),
        ]
        if self.num_omitted_bytes is not None:
            ours.append((OMITTED_HEADER, str(self.num_omitted_bytes)))
        return [
            *original_headers(self.raw.headers),
            *((name, text.encode()) for name, text in ours),
        ]


def dead_letter(
    raw: RawMessage, error: DeadLetter, *, attempts: int, version: str
) -> DeadLetterRecord:
    """The dead letter for this message.

    Args:
        raw: The message.
        error: Why; its text must not quote the event.
        attempts: Tries in this process; those of earlier lives, in a header, are added.
        version: Of the triage that could not take it.
    """
    reason = " ".join(str(error).split())[:MAX_REASON_CHARS] or type(error).__name__
    return DeadLetterRecord(
        raw=raw,
        error_class=error.error_class,
        reason=reason,
        attempts=earlier_attempts(raw.headers) + attempts,
        version=version,
    )


def original_headers(headers: Headers) -> list[tuple[str, bytes]]:
    """The headers that are not ours."""
    return [(name, value) for name, value in headers if name not in _OURS]


def earlier_attempts(headers: Headers) -> int:
    """How often this message was tried before it was sent back from the dead letters."""
    for name, value in headers:
        if name == ATTEMPTS_HEADER:
            return int(value) if value.isdigit() and len(value) < 10 else 0
    return 0
