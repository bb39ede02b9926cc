"""What is known of an error before anybody has judged it: what the rules claim, whose error it is.

A claim is a class and the rules' own confidence in it, as one small number, so that it can be
counted how often just this claim was right. Claims are made without hints, for a hint may be the
very label that has to be predicted. The module counts nothing and trusts nothing.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

from fixstream.schemas.enums import Category, Domain, EventSource, Severity
from fixstream.schemas.records import ErrorEvent, Label
from fixstream.triage.classify import classify
from fixstream.triage.trace import parse_trace

NO_SIGN = 0
NUM_SIGNS = 4096
"""Services are told apart by so many hashes."""
CONFIDENCE_STEPS = 20
"""A claim's confidence is rounded to a twentieth."""

Claims = tuple[int, int, int]
"""Category, domain, severity; each 0 (none), or 1 + class * 21 + confidence in twentieths."""

NO_CLAIMS: Claims = (NO_SIGN, NO_SIGN, NO_SIGN)

_CLASSES = (tuple(Category), tuple(Domain), tuple(Severity))
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def service_sign(service: str | None) -> int:
    """The hash of a service's name, `NO_SIGN` where it is not known."""
    return 1 + zlib.crc32(service.encode("utf-8", "replace")) % (NUM_SIGNS - 1) if service else 0


def claims_of(message: str, error_type: str | None, stack_trace: str | None) -> Claims:
    """What the shipped rules say of a text."""
    event = ErrorEvent(
        event_id="",
        occurred_at=_NO_TIME,
        service="",
        environment="",
        source=EventSource.REST,
        error_type=error_type,
        message=message,
        scrubber="",
        sdk="",
    )
    # As triage does: a message may hold the trace that was not given apart.
    labels = classify(event, parse_trace(stack_trace or message))
    said = (labels.category, labels.domain, labels.severity)
    category, domain, severity = (
        _claim(label, classes) for label, classes in zip(said, _CLASSES, strict=True)
    )
    return category, domain, severity


def claimed(claim: int) -> tuple[int, float]:
    """Class and confidence of a claim that is not `NO_SIGN`."""
    index, twentieths = divmod(claim - 1, CONFIDENCE_STEPS + 1)
    return index, twentieths / CONFIDENCE_STEPS


def num_claims(num_classes: int) -> int:
    """Claims of a head are below this number."""
    return 1 + num_classes * (CONFIDENCE_STEPS + 1)


def _claim(label: Label, classes: tuple[str, ...]) -> int:
    confidence = min(max(label.confidence, 0.0), 1.0)
    index = classes.index(label.value)
    return 1 + index * (CONFIDENCE_STEPS + 1) + round(confidence * CONFIDENCE_STEPS)
