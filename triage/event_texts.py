"""Takes the texts out of an event and puts clean ones back. Ids, service and times are no texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixstream.schemas.making import maker
from fixstream.schemas.records import ErrorEvent, Provenance
from fixstream.triage.secrets import values
from fixstream.triage.secrets.keys import Trust, judge

NUM_MAIN = 5
"""The first texts are what an error is judged by; those behind them belong to the one event."""
_NUM_FIXED = 10
_event = maker(ErrorEvent)


def main_texts(event: ErrorEvent) -> list[str]:
    """Returns the texts that an error is judged by."""
    return [
        event.message,
        event.stack_trace or "",
        event.error_type or "",
        event.severity_hint or "",
        event.domain_hint or "",
    ]


def other_texts(event: ErrorEvent) -> list[str]:
    """Returns all other texts; names and values of attributes come last."""
    provenance = event.provenance
    return [
        event.release or "",
        event.environment,
        event.correlation_id or "",
        provenance.url if provenance else "",
        (provenance.author or "") if provenance else "",
        *event.attributes,
        *event.attributes.values(),
    ]


def may_be_secret(name: str) -> bool:
    """Tells whether an attribute's name says anything about a secret."""
    return judge(name[-120:]).trust is not Trust.NONE


def _attributes(names: Sequence[str], texts: Sequence[str]) -> Mapping[str, str]:
    clean: dict[str, str] = {}
    for name, text in zip(names, texts, strict=True):
        verdict = judge(name[-120:])
        secret = verdict.trust is Trust.STRONG and not values.is_stand_in(
            text.encode("utf-8", "surrogatepass")
        )
        clean[name] = f"[{verdict.kind}]" if secret else text
    return clean


def with_texts(
    event: ErrorEvent, texts: Sequence[str], *, language: str | None, scrubber: str
) -> ErrorEvent:
    """Returns the event with `texts`, in the order of `main_texts` and `other_texts`.

    The values of attributes whose names tell that they are secret go as a whole. Built by position,
    for `dataclasses.replace` takes ten times as long and every event passes here.
    """
    provenance = event.provenance
    if provenance is not None:
        provenance = Provenance(
            texts[8],
            texts[9] if provenance.author is not None else None,
            provenance.license,
            provenance.retrieved_at,
        )
    attributes = event.attributes
    if attributes:
        middle = _NUM_FIXED + len(attributes)
        attributes = _attributes(texts[_NUM_FIXED:middle], texts[middle:])
    return _event(
        event.event_id,
        event.occurred_at,
        event.service,
        texts[6],
        None if event.release is None else texts[5],
        event.source,
        None if event.error_type is None else texts[2],
        texts[0],
        None if event.stack_trace is None else texts[1],
        language,
        None if event.severity_hint is None else texts[3],
        None if event.domain_hint is None else texts[4],
        event.trace_id,
        event.span_id,
        None if event.correlation_id is None else texts[7],
        attributes,
        provenance,
        scrubber,
        event.sdk,
    )
