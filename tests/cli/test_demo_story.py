"""What the demo shows and sums up, fed with records and no broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fixstream.cli.audit.ledger import AuditReport
from fixstream.cli.demo.story import MAX_PENDING, Story
from fixstream.cli.demo.summary import ShopFigures, Summary
from fixstream.cli.demo.view import status_line
from fixstream.schemas.enums import EventSource, FixOrigin, LabelSource, UpdateKind
from fixstream.schemas.records import (
    ErrorEvent,
    Fix,
    Label,
    ModelUpdate,
    Origin,
    Provenance,
    SuggestedFix,
    TriagedError,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LABEL = Label("network", LabelSource.RULE, 0.9)


def triaged(event_id: str, fingerprint: str = "v1-a") -> TriagedError:
    event = ErrorEvent(
        event_id=event_id,
        occurred_at=NOW,
        service="shop",
        environment="demo",
        source=EventSource.MIDDLEWARE,
        message="refused",
    )
    return TriagedError(
        event=event,
        fingerprint=fingerprint,
        title=f"ConnectionError {event_id}",
        domain=LABEL,
        severity=LABEL,
        category=LABEL,
        is_new_group=True,
        occurrences=1,
        origin=Origin("fixstream.errors.raw.v1", 0, 0),
        triaged_at=NOW,
        triage_version="1",
    )


def suggestion(event_id: str, *, num_fixes: int = 1) -> SuggestedFix:
    fix = Fix(
        solution_id="s",
        title="start the server",
        text="…",
        score=1.0,
        origin=FixOrigin.KNOWLEDGE,
        provenance=Provenance("urn:x"),
    )
    return SuggestedFix(
        suggestion_id=f"sug-{event_id}",
        event_id=event_id,
        fingerprint="v1-a",
        service="shop",
        environment="demo",
        model_version=1,
        created_at=NOW,
        domain=LABEL,
        severity=LABEL,
        category=LABEL,
        fixes=(fix,) * num_fixes,
    )


def update(kind: UpdateKind, version: int) -> ModelUpdate:
    return ModelUpdate(
        model="m",
        version=version,
        parent=None,
        kind=kind,
        artifact_uri="file:x",
        manifest_sha256="0",
        size_bytes=1,
        metrics={},
        lineage=(),
        examples_seen=1,
        created_at=NOW,
        key_id="k",
        signature=b"",
    )


@pytest.mark.parametrize("is_early", [False, True])
def test_latency_is_taken_whichever_topic_is_read_first(is_early: bool) -> None:
    story = Story()
    received = NOW + timedelta(milliseconds=120)
    if is_early:
        story.on_suggestion(suggestion("e1"), received)
        story.on_triaged(triaged("e1"))
    else:
        story.on_triaged(triaged("e1"))
        story.on_suggestion(suggestion("e1"), received)
    snapshot = story.snapshot()
    assert snapshot.p50_ms == pytest.approx(120)
    assert [latest.title for latest in snapshot.latest] == ["ConnectionError e1"]
    assert snapshot.latest[0].fix == "start the server"


def test_repeated_suggestion_counts_once() -> None:
    story = Story()
    story.on_triaged(triaged("e1"))
    for _ in range(2):
        story.on_suggestion(suggestion("e1", num_fixes=0), NOW)
    snapshot = story.snapshot()
    assert (snapshot.num_suggestions, snapshot.num_answered) == (1, 0)
    assert snapshot.latest[0].fix is None


def test_rejected_update_leaves_the_model_version() -> None:
    story = Story()
    story.on_update(update(UpdateKind.PROMOTED, 1))
    story.on_update(update(UpdateKind.REJECTED, 2))
    snapshot = story.snapshot()
    assert (snapshot.model_version, snapshot.num_promoted, snapshot.num_rejected) == (1, 1, 1)


def test_going_back_and_blocking_are_no_promotions() -> None:
    story = Story()
    for version, kind in enumerate(
        (UpdateKind.PROMOTED, UpdateKind.PROMOTED, UpdateKind.ROLLED_BACK, UpdateKind.BLOCKED), 1
    ):
        story.on_update(update(kind, version))
    snapshot = story.snapshot()
    assert (snapshot.num_promoted, snapshot.num_rolled_back, snapshot.num_rejected) == (2, 1, 0)
    assert snapshot.model_version == 3


def test_unanswered_errors_do_not_fill_the_memory() -> None:
    story = Story()
    for number in range(MAX_PENDING + 5):
        story.on_triaged(triaged(str(number)))
    story.on_suggestion(suggestion("0"), NOW)
    assert story.snapshot().p50_ms is None
    story.on_suggestion(suggestion(str(MAX_PENDING)), NOW)
    assert story.snapshot().p50_ms == 0


def test_line_without_a_terminal_tells_the_failed_requests() -> None:
    story = Story()
    story.on_response(3)
    story.on_response(None)
    line = status_line(story.snapshot(), num_raw=7, elapsed_s=2.0)
    assert "requests 2 failed 1" in line
    assert "lag 7" in line


EMPTY = AuditReport(
    num_raw=0,
    num_triaged=0,
    num_dead_lettered=0,
    num_batched=0,
    num_collapsed=0,
    num_batches=0,
    num_suggested=0,
    num_repeated=0,
)


SHOP = ShopFigures(requests=1, faults=1, accepted=0, delivered=0, dropped=0)


def summary(story: Story, audit: AuditReport = EMPTY, shop: ShopFigures = SHOP) -> Summary:
    return Summary(
        audit=audit,
        story=story.snapshot(),
        shop=shop,
        elapsed_s=1.0,
    )


def test_good_run_has_no_faults() -> None:
    assert summary(Story(), replace(EMPTY, num_raw=2, num_triaged=2, num_suggested=2)).faults == ()


def test_each_shortfall_is_named() -> None:
    story = Story()
    story.on_response(None)
    assert summary(story).faults == ("no error event arrived", "1 REST requests failed")
    unanswered = summary(Story(), replace(EMPTY, num_raw=2, num_triaged=2, num_suggested=1)).faults
    assert unanswered == ("1 triaged errors have no suggestion",)


def test_events_between_shop_and_topic_are_accounted_for() -> None:
    arrived = replace(EMPTY, num_raw=2, num_triaged=2, num_suggested=2)
    gone = replace(SHOP, accepted=4, delivered=3)
    assert summary(Story(), arrived, gone).faults == (
        "1 delivered events are gone",
        "1 events did not leave the shop",
    )
