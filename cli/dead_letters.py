"""`fixstream dlq list|show|replay`: what was set aside, why, and back into the stream."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from fixstream.cli.console import out, tell
from fixstream.cli.kafka_access import reachable_kafka
from fixstream.schemas.errors import FixstreamError, Misconfigured

if TYPE_CHECKING:
    from fixstream.streams.replay import DeadLetterFilter, StoredDeadLetter

dlq = typer.Typer(help="Look at dead letters and send them back.", no_args_is_help=True)

ErrorClass = Annotated[
    str | None,
    typer.Option("--class", help="undecodable, unknown_schema, invalid, too_large or failed."),
]
Partition = Annotated[int | None, typer.Option(min=0, help="Partition of errors.raw it came from.")]
Service = Annotated[str | None, typer.Option(help="Service that sent it: the message's key.")]
Since = Annotated[datetime | None, typer.Option(help="Set aside at or after this time, UTC.")]
Until = Annotated[datetime | None, typer.Option(help="Set aside before this time, UTC.")]
Reason = Annotated[str | None, typer.Option(help="Text that the reason contains.")]
Limit = Annotated[int | None, typer.Option(min=1, help="No more than so many.")]


@dlq.command("list")
def list_(
    error_class: ErrorClass = None,
    partition: Partition = None,
    service: Service = None,
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    limit: Limit = 100,
) -> None:
    """List dead letters: coordinates, class, attempts, origin and reason; never the content."""
    from fixstream.streams.replay import list_dead_letters

    wanted = _filter(error_class, partition, service, since, until, reason)
    # One more than is shown, to know whether there is one.
    letters = list_dead_letters(reachable_kafka(), wanted, limit and limit + 1)
    for letter in islice(letters, limit):
        out.print(_line(letter), markup=False)
    if next(letters, None) is not None:
        tell(f"there are more than {limit}: --limit shows them")


@dlq.command("show")
def show(
    partition: Annotated[int, typer.Argument(min=0, help="Partition of the dead-letter topic.")],
    offset: Annotated[int, typer.Argument(min=0, help="Offset in it.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the original bytes as they are, unscrubbed.")
    ] = False,
) -> None:
    """Show one dead letter; its content as scrubbed text unless --raw is given."""
    from fixstream.streams.replay import show_dead_letter
    from fixstream.triage.scrub import Scrubber

    letter = show_dead_letter(reachable_kafka(), partition, offset)
    if letter is None:
        raise FixstreamError(f"no dead letter at partition {partition}, offset {offset}")
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
        return
    out.print(_line(letter), markup=False)
    text = (letter.value or b"").decode("utf-8", "backslashreplace")
    out.print(Scrubber().scrub(text), markup=False)


@dlq.command("replay")
def replay(
    error_class: ErrorClass = None,
    partition: Partition = None,
    service: Service = None,
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    limit: Limit = None,
    is_dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be sent.")
    ] = False,
) -> None:
    """Send dead letters back to errors.raw; those with too many attempts stay."""
    from fixstream.streams.replay import replay_dead_letters

    report = replay_dead_letters(
        reachable_kafka(),
        _filter(error_class, partition, service, since, until, reason),
        limit=limit,
        is_dry_run=is_dry_run,
    )
    verb = "would be sent" if is_dry_run else "sent"
    out.print(
        f"{report.num_sent} {verb} back, {report.num_exhausted} had too many attempts,"
        f" {report.num_impossible} cannot be sent"
    )


def _filter(
    error_class: str | None,
    partition: int | None,
    service: str | None,
    since: datetime | None,
    until: datetime | None,
    reason: str | None,
) -> DeadLetterFilter:
    from fixstream.streams.dead_letters import ERROR_CLASSES
    from fixstream.streams.replay import DeadLetterFilter

    if error_class not in {None, *ERROR_CLASSES}:
        raise Misconfigured(f"--class takes one of {', '.join(ERROR_CLASSES)}")
    return DeadLetterFilter(
        error_class=error_class,
        origin_partition=partition,
        since=_utc(since),
        until=_utc(until),
        reason_contains=reason,
        key=None if service is None else service.encode("utf-8", "surrogateescape"),
    )


def _utc(when: datetime | None) -> datetime | None:
    return None if when is None else when.replace(tzinfo=when.tzinfo or UTC)


def _line(letter: StoredDeadLetter) -> str:
    stored_at = letter.stored_at.isoformat(timespec="seconds") if letter.stored_at else "-"
    origin = f"{letter.origin_topic}[{letter.origin_partition}]@{letter.origin_offset}"
    return (
        f"{letter.partition}:{letter.offset}  {stored_at}  {letter.error_class}"
        f"  attempts {letter.attempts}  from {origin}  {letter.reason}"
    )
