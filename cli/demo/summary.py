"""The demo's last word: what was counted, and whether it holds together."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from fixstream.cli.audit.ledger import AuditReport
from fixstream.cli.demo.story import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFigures:
    """What the shop says of itself after its last customer; counts."""

    requests: int
    faults: int
    """Requests that ended in an exception."""
    accepted: int
    """Events that its sink took."""
    delivered: int
    """Events that Kafka acknowledged."""
    dropped: int
    """Events that the sink gave up, counted by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All figures of a demo that has ended."""

    audit: AuditReport
    story: Snapshot
    shop: ShopFigures
    elapsed_s: float

    @property
    def faults(self) -> tuple[str, ...]:
        """What did not hold; empty after a good run."""
        faults = list(self.audit.unaccounted)
        if self.audit.num_raw == 0:
            faults.append("no error event arrived")
        if self.audit.num_raw < self.shop.delivered:
            faults.append(f"{self.shop.delivered - self.audit.num_raw} delivered events are gone")
        if self.shop.accepted != self.shop.delivered:
            faults.append(
                f"{self.shop.accepted - self.shop.delivered} events did not leave the shop"
            )
        if self.story.num_failed_requests:
            faults.append(f"{self.story.num_failed_requests} REST requests failed")
        unanswered = self.audit.num_triaged - self.audit.num_suggested
        if unanswered:
            faults.append(f"{unanswered} triaged errors have no suggestion")
        return tuple(faults)


def draw_summary(summary: Summary) -> Table:
    """The summary as a table."""
    audit, story, shop = summary.audit, summary.story, summary.shop
    table = Table(title=f"fixstream demo: {summary.elapsed_s:.0f} s of traffic", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    rows: list[tuple[str, str]] = [
        ("requests to the shop", f"{shop.requests}, {shop.faults} failed for real"),
        ("dropped by its sink", f"{shop.dropped}"),
        ("errors in", f"{audit.num_raw}"),
        ("triaged", f"{audit.num_triaged} in {story.num_groups} groups"),
        ("batched", f"{audit.num_batched} examples + {audit.num_collapsed} collapsed"),
        ("batches", f"{audit.num_batches}"),
        ("dead-lettered", f"{audit.num_dead_lettered}"),
        ("unaccounted for", f"{len(audit.unaccounted)}"),
        ("training steps", f"{story.num_steps}"),
        ("model updates", f"{story.num_promoted} promoted, {story.num_rejected} rejected"),
        ("rollbacks", f"{story.num_rolled_back}"),
        ("versions served", ", ".join(map(str, story.versions_served)) or "-"),
        ("REST requests", f"{story.num_requests} served, {story.num_failed_requests} failed"),
        ("suggestions received", f"{story.num_suggestions}, {story.num_answered} with a fix"),
        ("raise to suggestion", f"p50 {_ms(story.p50_ms)}, p99 {_ms(story.p99_ms)}"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    return table


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
