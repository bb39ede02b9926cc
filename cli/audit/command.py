"""`fixstream audit`: reads the topics and says whether every error event is accounted for."""

from __future__ import annotations

import typer

from fixstream.cli.console import out
from fixstream.cli.kafka_access import reachable_kafka


def audit() -> None:
    """Account for every event: in a batch, collapsed, or dead-lettered; exit 1 if one is not."""
    from fixstream.cli.audit.reading import audit_topics

    report = audit_topics(reachable_kafka())
    out.print(
        f"raw {report.num_raw}  triaged {report.num_triaged}  dead-lettered"
        f" {report.num_dead_lettered}  examples {report.num_batched}  collapsed"
        f" {report.num_collapsed}  batches {report.num_batches}  suggested"
        f" {report.num_suggested}  repeated {report.num_repeated}"
    )
    if report.num_unreadable:
        out.print(f"passed over {report.num_unreadable} messages that are none of ours")
    for fault in report.unaccounted:
        out.print(f"unaccounted: {fault}", markup=False)
    if not report.is_clean:
        raise typer.Exit(code=1)
    out.print("every event is accounted for")
