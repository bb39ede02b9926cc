"""Records for tests: a full example of each, and hypothesis strategies for any valid one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from fixstream.schemas.enums import (
    Category,
    CauseBasis,
    ClosedBy,
    Domain,
    EventSource,
    FixOrigin,
    LabelSource,
    Severity,
    UpdateKind,
)
from fixstream.schemas.records import (
    CauseEdge,
    ErrorEvent,
    Fix,
    FixFeedback,
    GroupLabels,
    Label,
    Labels,
    ModelUpdate,
    Occurrence,
    Occurrences,
    OffsetRange,
    Origin,
    Provenance,
    Record,
    RootCause,
    Solution,
    SuggestedFix,
    TrainingBatch,
    TrainingExample,
    TriagedError,
)

WHEN = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)

PROVENANCE = Provenance("https://fixes.test/7", "A. Writer", "CC-BY-4.0", WHEN)
DOMAIN = Label("network", LabelSource.RULE, 0.75)
SEVERITY = Label("high", LabelSource.REPORTER, 1.0)
CATEGORY = Label("connection", LabelSource.MODEL, 0.5)

EVENT = ErrorEvent(
    event_id="e1",
    occurred_at=WHEN,
    service="shop",
    environment="production",
    release="1.4.2",
    source=EventSource.MIDDLEWARE,
    error_type="ConnectionRefusedError",
    message="connect to <host> refused: naïve café ☕",
    stack_trace="Traceback (most recent call last):\n  ...",
    language="python",
    severity_hint="high",
    domain_hint="network",
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="b7ad6b7169203331",
    correlation_id="order-17",
    attributes={"http.route": "/orders/{id}", "retries": "3"},
    provenance=PROVENANCE,
    scrubber="1",
    sdk="fixstream-python/0.1.0",
)
TRIAGED = TriagedError(
    event=EVENT,
    fingerprint="f" * 16,
    title="ConnectionRefusedError: connect to <host> refused",
    domain=DOMAIN,
    severity=SEVERITY,
    category=CATEGORY,
    is_new_group=True,
    occurrences=3,
    origin=Origin("fixstream.errors.raw.v1", 2, 41),
    triaged_at=WHEN,
    triage_version="1",
    root_cause=RootCause(
        fingerprint="c" * 16,
        event_id="e0",
        service="payments",
        basis=CauseBasis.TRACE,
        seconds_before=0.25,
        confidence=0.875,
    ),
    own_fingerprint="a" * 16,
)
BATCH = TrainingBatch(
    batch_id="b1",
    origin=OffsetRange("fixstream.errors.raw.v1", 2, 40, 45),
    closed_by=ClosedBy.AGE,
    created_at=WHEN,
    examples=(
        TrainingExample(
            event_id="e1",
            fingerprint="f" * 16,
            error_type="ConnectionRefusedError",
            message="connect to <host> refused",
            stack_trace="Traceback",
            language="python",
            labels=Labels(DOMAIN, SEVERITY, CATEGORY),
            weight=1.5,
            occurrences=3,
            solution_id="s1",
            origin_offset=40,
            service="shop",
            source="stackoverflow",
            train_after=WHEN,
        ),
        TrainingExample(
            event_id="e2", fingerprint="0", message="", labels=Labels(DOMAIN, SEVERITY, CATEGORY)
        ),
    ),
    num_collapsed=2,
    num_dead_lettered=1,
)
UPDATE = ModelUpdate(
    model="error-learning",
    version=7,
    parent=6,
    kind=UpdateKind.REJECTED,
    artifact_uri="file:///models/7",
    manifest_sha256="ab" * 32,
    size_bytes=123_456_789,
    metrics={"severity.macro_f1": 0.33, "loss": 1.25},
    lineage=(OffsetRange("fixstream.errors.raw.v1", 2, 40, 45),),
    examples_seen=3_200,
    created_at=WHEN,
    key_id="k1",
    signature=bytes(range(64)),
    reason="macro F1 below the one in use",
    blocked=(OffsetRange("fixstream.errors.raw.v1", 1, 7, 9),),
)
SUGGESTION = SuggestedFix(
    suggestion_id="g1",
    event_id="e1",
    fingerprint="f" * 16,
    service="shop",
    environment="production",
    trace_id="0af7651916cd43dd8448eb211c80319c",
    model_version=7,
    created_at=WHEN,
    domain=DOMAIN,
    severity=SEVERITY,
    category=CATEGORY,
    fixes=(
        Fix(
            solution_id="s1",
            title="Start the database first",
            text="Wait for the port.",
            score=12.5,
            origin=FixOrigin.KNOWLEDGE,
            provenance=PROVENANCE,
            matched_on=("type", "message"),
            warnings=("deletes files: rm -rf",),
        ),
    ),
    arm="words",
    propensity=0.75,
)
FEEDBACK = FixFeedback(
    feedback_id="k1",
    error_id="e1",
    solution_id="s1",
    solution_worked=True,
    comment="that was it",
    submitted_at=WHEN,
    submitter="9f" * 16,
    fingerprint="f" * 16,
    error_text="ConnectionRefusedError: cannot reach the database",
    fix_text="Start the database first. Wait for the port.",
    model_version=7,
)
SOLUTION = Solution(
    solution_id="s1",
    title="Start the database first",
    text="Wait for the port.",
    error_type="ConnectionRefusedError",
    domain="network",
    category="connection",
    fingerprint="f" * 16,
    provenance=PROVENANCE,
    votes=-2,
    is_accepted=True,
    visibility="shop",
    created_at=WHEN,
    usable_after=WHEN,
)
GROUP_LABELS = GroupLabels(
    fingerprint="f" * 16,
    domain=Label("security", LabelSource.OPERATOR, 1.0),
    severity=Label("low", LabelSource.FEEDBACK, 0.5),
    category=Label("tls", LabelSource.OPERATOR, 1.0),
    submitter="9f" * 16,
    set_at=WHEN,
)
CAUSE_EDGE = CauseEdge(
    cause="c" * 16,
    effect="f" * 16,
    cause_service="payments",
    effect_service="shop",
    count=12,
    last_seen_at=WHEN,
    num_nearby=15,
    last_offset=41,
)
OCCURRENCES = Occurrences(
    worker="w1",
    occurrences=(
        Occurrence(
            event_id="e1",
            fingerprint="f" * 16,
            service="shop",
            occurred_at=WHEN,
            trace_id="0af7651916cd43dd8448eb211c80319c",
            is_onset=True,
        ),
        Occurrence(event_id="e2", fingerprint="0", service="shop", occurred_at=WHEN),
    ),
)
SAMPLES: tuple[Record, ...] = (
    EVENT,
    TRIAGED,
    BATCH,
    UPDATE,
    SUGGESTION,
    FEEDBACK,
    SOLUTION,
    GROUP_LABELS,
    CAUSE_EDGE,
    OCCURRENCES,
)
"""One of each record, with every field set."""


def name_of(value: Any) -> str:
    """A record's class name, for test ids."""
    return value.__name__ if isinstance(value, type) else type(value).__name__


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
longs = st.integers(0, 2**63 - 1)
times = st.builds(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros),
    st.integers(-(10**15), 4 * 10**15),
)
finite = st.floats(allow_nan=False, allow_infinity=False)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The strategy's values, or None."""
    return st.none() | strategy


def labels(values: type[Domain | Severity | Category]) -> st.SearchStrategy[Label]:
    """A label with one of these values."""
    return st.builds(
        Label,
        st.sampled_from(list(values)).map(str),
        st.sampled_from(LabelSource),
        # Avro's float has 32 bits: only such numbers come back as they went.
        st.floats(0, 1, width=32),
    )


LABELS = {"domain": labels(Domain), "severity": labels(Severity), "category": labels(Category)}
provenances = st.builds(Provenance, texts, optional(texts), optional(texts), optional(times))
origins = st.builds(Origin, ids, st.integers(0, 2**31 - 1), longs)
events = st.builds(
    ErrorEvent,
    event_id=ids,
    occurred_at=times,
    service=ids,
    environment=ids,
    release=optional(ids),
    source=st.sampled_from(EventSource),
    error_type=optional(ids),
    message=texts,
    stack_trace=optional(texts),
    language=optional(ids),
    severity_hint=optional(ids),
    domain_hint=optional(ids),
    trace_id=optional(ids),
    span_id=optional(ids),
    correlation_id=optional(ids),
    attributes=st.dictionaries(ids, texts, max_size=4),
    provenance=optional(provenances),
    scrubber=texts,
    sdk=texts,
)
triaged_errors = st.builds(
    TriagedError,
    event=events,
    fingerprint=ids,
    title=ids,
    **LABELS,
    is_new_group=st.booleans(),
    occurrences=st.integers(1, 2**40),
    origin=origins,
    triaged_at=times,
    triage_version=ids,
    root_cause=optional(
        st.builds(
            RootCause,
            fingerprint=ids,
            event_id=ids,
            service=ids,
            basis=st.sampled_from(CauseBasis),
            seconds_before=finite,
            confidence=st.floats(0, 1, width=32),
        )
    ),
    own_fingerprint=optional(ids),
)


@st.composite
def ranges(draw: st.DrawFn) -> OffsetRange:
    """A range with something in it."""
    first = draw(st.integers(0, 2**62))
    return OffsetRange(draw(ids), draw(st.integers(0, 99)), first, first + draw(st.integers(1, 99)))


@st.composite
def batches(draw: st.DrawFn) -> TrainingBatch:
    """A batch that accounts for its range."""
    first = draw(st.integers(0, 2**40))
    counts = draw(st.lists(st.integers(1, 5), max_size=4))
    num_dead = draw(st.integers(0 if counts else 1, 3))
    next_offset = first + sum(counts) + num_dead
    examples = tuple(
        draw(
            st.builds(
                TrainingExample,
                event_id=ids,
                fingerprint=ids,
                error_type=optional(ids),
                message=texts,
                stack_trace=optional(texts),
                language=optional(ids),
                labels=st.builds(Labels, **LABELS),
                weight=st.floats(0, 1e9),
                occurrences=st.just(count),
                solution_id=optional(ids),
                origin_offset=st.just(first + index) | st.just(-1),
                service=optional(ids),
                source=optional(ids),
                train_after=optional(times),
            )
        )
        for index, count in enumerate(counts)
    )
    return TrainingBatch(
        batch_id=draw(ids),
        origin=OffsetRange(draw(ids), draw(st.integers(0, 99)), first, next_offset),
        closed_by=draw(st.sampled_from(ClosedBy)),
        created_at=draw(times),
        examples=examples,
        num_collapsed=sum(counts) - len(counts),
        num_dead_lettered=num_dead,
    )


updates = st.builds(
    ModelUpdate,
    model=ids,
    version=st.integers(1, 2**40),
    parent=st.none() | st.just(0),
    kind=st.sampled_from(UpdateKind),
    artifact_uri=ids,
    manifest_sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    size_bytes=longs,
    metrics=st.dictionaries(ids, finite, max_size=4),
    lineage=st.lists(ranges(), max_size=3).map(tuple),
    examples_seen=longs,
    created_at=times,
    key_id=ids,
    signature=st.binary(min_size=64, max_size=64),
    reason=optional(texts),
    blocked=st.lists(ranges(), max_size=3).map(tuple),
)
fixes = st.builds(
    Fix,
    solution_id=ids,
    title=ids,
    text=texts,
    score=finite,
    origin=st.sampled_from(FixOrigin),
    provenance=provenances,
    matched_on=st.lists(texts, max_size=3).map(tuple),
    warnings=st.lists(texts, max_size=3).map(tuple),
)
suggestions = st.builds(
    SuggestedFix,
    suggestion_id=ids,
    event_id=ids,
    fingerprint=ids,
    service=ids,
    environment=ids,
    trace_id=optional(ids),
    model_version=longs,
    created_at=times,
    **LABELS,
    fixes=st.lists(fixes, max_size=3).map(tuple),
    arm=optional(ids),
    propensity=optional(st.floats(0, 1)),
)
feedbacks = st.builds(
    FixFeedback,
    feedback_id=ids,
    error_id=ids,
    solution_id=optional(ids),
    solution_worked=st.booleans(),
    comment=optional(texts),
    submitted_at=times,
    submitter=ids,
    fingerprint=optional(ids),
    error_text=optional(texts),
    fix_text=optional(texts),
    model_version=optional(longs),
)
solutions = st.builds(
    Solution,
    solution_id=ids,
    title=ids,
    text=texts,
    error_type=optional(ids),
    domain=optional(st.sampled_from(list(Domain)).map(str)),
    category=optional(st.sampled_from(list(Category)).map(str)),
    fingerprint=optional(ids),
    provenance=provenances,
    votes=optional(st.integers(-(2**40), 2**40)),
    is_accepted=st.booleans(),
    visibility=ids,
    created_at=times,
)

group_labels = st.builds(
    GroupLabels,
    fingerprint=ids,
    **{name: optional(strategy) for name, strategy in LABELS.items()},
    submitter=ids,
    set_at=times,
)
cause_edges = st.builds(
    CauseEdge,
    cause=ids,
    effect=ids,
    cause_service=ids,
    effect_service=ids,
    count=longs,
    last_seen_at=times,
    num_nearby=longs,
    last_offset=st.integers(-1, 2**63 - 1),
)
occurrences = st.builds(
    Occurrences,
    worker=ids,
    occurrences=st.lists(
        st.builds(
            Occurrence,
            event_id=ids,
            fingerprint=ids,
            service=ids,
            occurred_at=times,
            trace_id=optional(ids),
            is_onset=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
)

any_record: st.SearchStrategy[Record] = st.one_of(
    events,
    triaged_errors,
    batches(),
    updates,
    suggestions,
    feedbacks,
    solutions,
    group_labels,
    cause_edges,
    occurrences,
)
"""Any valid record."""
