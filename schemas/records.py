"""The records that pass between the parts, as frozen dataclasses.

Fields stand in the order of the Avro schemas in `avro/`. Times are UTC-aware datetimes with
microseconds; offsets, counts and versions are 64-bit integers. Records hold data only: making ids,
reading clocks and checking invariants belong to the callers and to `validation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fixstream.schemas.enums import (
    CauseBasis,
    ClosedBy,
    EventSource,
    FixOrigin,
    LabelSource,
    UpdateKind,
)

PUBLIC = "public"
"""The `Solution.visibility` for everyone; any other value names the one service that may see it."""


@dataclass(frozen=True, slots=True)
class Label:
    """One judgement: its value, who made it, and how sure they are (0 to 1)."""

    value: str
    source: LabelSource
    confidence: float


@dataclass(frozen=True, slots=True)
class Labels:
    """The three judgements that every error carries."""

    domain: Label
    severity: Label
    category: Label


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a text came from, and under which licence it may be shown."""

    url: str
    author: str | None = None
    license: str | None = None
    retrieved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """One error as a service emitted it. Names map one to one to OpenTelemetry's `exception.*`."""

    event_id: str
    occurred_at: datetime
    service: str
    environment: str
    release: str | None = None
    source: EventSource
    error_type: str | None = None
    message: str
    stack_trace: str | None = None
    language: str | None = None
    severity_hint: str | None = None
    domain_hint: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    correlation_id: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    provenance: Provenance | None = None
    scrubber: str = ""
    sdk: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The coordinates of one Kafka record."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """A half-open range of one partition: `first_offset` is in it, `next_offset` is not."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCause:
    """The earlier error that probably brought another one about."""

    fingerprint: str
    event_id: str
    service: str
    basis: CauseBasis
    seconds_before: float
    """How long before the other error it was raised; below 0 where clocks disagree."""
    confidence: float
    """From 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriagedError:
    """An error event that was scrubbed again, grouped and labelled."""

    event: ErrorEvent
    fingerprint: str
    title: str
    domain: Label
    severity: Label
    category: Label
    is_new_group: bool
    occurrences: int
    origin: Origin
    triaged_at: datetime
    triage_version: str
    root_cause: RootCause | None = None
    own_fingerprint: str | None = None
    """Fingerprint of its very wording, where the group holds other wordings as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingExample:
    """One example of a batch; `occurrences` counts the events of its group that it stands for."""

    event_id: str
    fingerprint: str
    error_type: str | None = None
    message: str
    stack_trace: str | None = None
    language: str | None = None
    labels: Labels
    weight: float = 1.0
    occurrences: int = 1
    solution_id: str | None = None
    origin_offset: int = -1
    """Offset of the first event that it stands for, so that an overlap can be skipped."""
    service: str | None = None
    """Service of the first event; None in batches of the first version."""
    source: str | None = None
    """Door of the first event, an `EventSource`; None in batches of the first version."""
    train_after: datetime | None = None
    """End of the quarantine of a crawled text. Its weight is 0: who learns later sets another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBatch:
    """A closed window over one range of one partition.

    Every event of the range is an example, or counted in `num_collapsed`, or in the dead letters.
    """

    batch_id: str
    origin: OffsetRange
    closed_by: ClosedBy
    created_at: datetime
    examples: tuple[TrainingExample, ...]
    num_collapsed: int = 0
    num_dead_lettered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUpdate:
    """A signed statement about one checkpoint. `version` grows by one with each update."""

    model: str
    version: int
    parent: int | None
    kind: UpdateKind
    artifact_uri: str
    manifest_sha256: str
    size_bytes: int
    metrics: Mapping[str, float]
    lineage: tuple[OffsetRange, ...]
    examples_seen: int
    created_at: datetime
    key_id: str
    signature: bytes
    reason: str | None = None
    """Why it was rejected, rolled back or blocked; None for a promotion."""
    blocked: tuple[OffsetRange, ...] = ()
    """Of a rollback or a block: all ranges that may not be learnt from, from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One ranked answer, with its source."""

    solution_id: str
    title: str
    text: str
    score: float
    origin: FixOrigin
    provenance: Provenance
    matched_on: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What its commands may destroy or switch off, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedFix:
    """The answer to one error; `suggestion_id` is a function of event and model version."""

    suggestion_id: str
    event_id: str
    fingerprint: str
    service: str
    environment: str
    trace_id: str | None = None
    model_version: int
    created_at: datetime
    domain: Label
    severity: Label
    category: Label
    fixes: tuple[Fix, ...]
    arm: str | None = None
    """Way of ordering that was drawn for this answer, so that its success can be weighed."""
    propensity: float | None = None
    """How likely that way was to be drawn, above 0 and at most 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixFeedback:
    """Whether a suggested fix worked. `submitter` is a keyed hash, never a name or an address."""

    feedback_id: str
    error_id: str
    solution_id: str | None = None
    solution_worked: bool
    comment: str | None = None
    submitted_at: datetime
    submitter: str
    fingerprint: str | None = None
    """Group of the error; this and the texts make the record enough to learn from by itself."""
    error_text: str | None = None
    fix_text: str | None = None
    model_version: int | None = None
    """Version of the model that the suggestion was made with, so that a bad one is found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """One fix of the knowledge base."""

    solution_id: str
    title: str
    text: str
    error_type: str | None = None
    domain: str | None = None
    category: str | None = None
    fingerprint: str | None = None
    provenance: Provenance
    votes: int | None = None
    is_accepted: bool = False
    visibility: str = PUBLIC
    created_at: datetime
    usable_after: datetime | None = None
    """End of the quarantine of a crawled text; it is not suggested before."""

    def is_usable(self, now: datetime) -> bool:
        """Whether it may be suggested at this time."""
        return self.usable_after is None or self.usable_after <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLabels:
    """What people or feedback say about a group. None says nothing about that label.

    `submitter` is a keyed hash of a person, or the name of the part that spoke for many.
    """

    fingerprint: str
    domain: Label | None = None
    severity: Label | None = None
    category: Label | None = None
    submitter: str
    set_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseEdge:
    """How often one group's errors brought another's about, as one partition counts.

    Each partition of the raw topic counts the effects that it holds, so readers add up.
    """

    cause: str
    effect: str
    cause_service: str
    effect_service: str
    count: int
    last_seen_at: datetime
    num_nearby: int = 0
    """Outbreaks of the effect that began soon after one of the cause: evidence, no claim yet."""
    last_offset: int = -1
    """Offset of the newest raw event that was counted, so that a repeat is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One error, as far as chains of causes look at it."""

    event_id: str
    fingerprint: str
    service: str
    occurred_at: datetime
    trace_id: str | None = None
    is_onset: bool = False
    """Whether its group had been quiet in this service, so that an outbreak begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrences:
    """What one processor saw that could be cause or effect of what another one sees."""

    worker: str
    occurrences: tuple[Occurrence, ...]


Record = (
    ErrorEvent
    | TriagedError
    | TrainingBatch
    | ModelUpdate
    | SuggestedFix
    | FixFeedback
    | Solution
    | GroupLabels
    | CauseEdge
    | Occurrences
)
"""Every record that travels on a topic of its own."""
