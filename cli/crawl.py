"""`fixstream crawl`: errors and their fixes from public places, once or hourly."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from fixstream.cli.console import out, tell

if TYPE_CHECKING:
    from fixstream.producers.crawl.crawler import CrawlReport


class Source(StrEnum):
    """What can be crawled."""

    STACKOVERFLOW = "stackoverflow"
    REDDIT = "reddit"
    GITHUB = "github"
    HACKERNEWS = "hackernews"


def crawl(
    sources: Annotated[list[Source], typer.Argument(help="One or more, in one process.")],
    once: Annotated[
        bool, typer.Option("--once", help="One run; exit 1 if a query could not be finished.")
    ] = False,
) -> None:
    """Publish errors and fixes from Stack Overflow, Reddit, GitHub or Hacker News."""
    from fixstream.producers.crawl import service
    from fixstream.producers.crawl.settings import CrawlSettings
    from fixstream.runtime.logs import configure_logging
    from fixstream.runtime.settings import KafkaSettings, load_settings
    from fixstream.runtime.stopping import StopSignal
    from fixstream.schemas.enums import EventSource

    configure_logging("crawl")
    names = [EventSource(source.value) for source in dict.fromkeys(sources)]
    settings, kafka = load_settings(CrawlSettings), load_settings(KafkaSettings)
    reports: list[CrawlReport] = []

    def on_report(report: CrawlReport) -> None:
        reports[:] = [report]
        for failure in report.failures:
            tell(escape(failure))
        out.print(_summary(report), markup=False)
        for source in report.counts:
            if reasons := report.left_out(source):
                told = ", ".join(f"{reason} {number}" for reason, number in reasons.items())
                out.print(f"  {source} left out: {told}", markup=False)

    with StopSignal() as stopping:
        service.run(names, settings, kafka, stopping, once=once, on_report=on_report)
    if once and (not reports or reports[0].failures):
        raise typer.Exit(code=1)


def _summary(report: CrawlReport) -> str:
    numbers = f"{report.num('event')} events, {report.num('solution')} fixes"
    taken_back = f"{report.num('tombstone')} taken back, {report.num_skipped} skipped"
    return f"{numbers} published, {taken_back}, {len(report.failures)} queries not finished"
