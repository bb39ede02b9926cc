"""`fixstream scrub`, `tail` and `schemas check`: commands on texts and contracts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from fixstream.cli.console import err, out
from fixstream.schemas.errors import FixstreamError

schemas = typer.Typer(help="The Avro schemas.", no_args_is_help=True)


def scrub(
    keep_private_ips: Annotated[
        bool, typer.Option("--keep-private-ips", help="Leave addresses of private networks.")
    ] = False,
) -> None:
    """Scrub JSON lines {"id","text"} from stdin to stdout, one by one as they come."""
    from fixstream.triage.scrub import Scrubber, ScrubberConfig

    scrubber = Scrubber(ScrubberConfig(keep_private_ips=keep_private_ips))
    for line in scrubbed_lines(sys.stdin.buffer, scrubber.scrub):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def scrubbed_lines(lines: Iterable[bytes], scrub_text: Callable[[str], str]) -> Iterator[str]:
    """The lines with their texts scrubbed; of other fields only `id` is kept, as it is.

    Args:
        lines: JSON objects with the field `text`; empty lines are passed over.
        scrub_text: str to str.

    Raises:
        FixstreamError: A line is no such object; the message names it. Nothing of it is written.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            text = record["text"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise FixstreamError(f'line {number} is no JSON object with "text"') from None
        if not isinstance(text, str):
            raise FixstreamError(f'line {number}: "text" is no string')
        # Plain ASCII keeps lone surrogates writable.
        yield json.dumps({"id": record.get("id"), "text": scrub_text(text)}, ensure_ascii=True)


def tail(
    paths: Annotated[list[Path], typer.Argument(help="Log files to follow.")],
    service: Annotated[
        str | None, typer.Option(help="Service of the events; left out: the file's name.")
    ] = None,
    environment: Annotated[str, typer.Option(help="Environment of the events.")] = "production",
    once: Annotated[bool, typer.Option("--once", help="Read what is there and end.")] = False,
    from_end: Annotated[
        bool, typer.Option("--from-end", help="Begin files that are new to us at their end.")
    ] = False,
    positions: Annotated[
        Path | None, typer.Option(help="File that keeps how far each log was read.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            help="Zone of times that name none, as Europe/Berlin; left out: this machine's."
        ),
    ] = None,
) -> None:
    """Follow log files and publish the errors in them, a trace over many lines as one event."""
    from fixstream.producers.tail.service import DEFAULT_POSITIONS, TailConfig, run
    from fixstream.runtime.logs import configure_logging
    from fixstream.runtime.settings import KafkaSettings, load_settings
    from fixstream.runtime.stopping import StopSignal

    configure_logging("tail")
    config = TailConfig(
        paths=tuple(paths),
        service=service,
        environment=environment,
        zone=_zone(timezone),
        positions=positions or DEFAULT_POSITIONS,
        from_end=from_end,
        once=once,
    )
    with StopSignal() as stop:
        sent = run(config, load_settings(KafkaSettings), stop)
    err.print(f"{sent.num_sent} errors published, {sent.num_skipped} skipped")


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, KeyError):
        raise typer.BadParameter(f"{name} is no time zone", param_hint="--timezone") from None


@schemas.command("check")
def check() -> None:
    """Check that every schema version ever shipped can read every other; exit 1 if not."""
    from fixstream.schemas.compatibility import incompatibilities

    found = incompatibilities()
    for incompatibility in found:
        out.print(f"{incompatibility}", markup=False)
    if found:
        raise typer.Exit(code=1)
    out.print("all versions of all schemas read each other")


@schemas.command("asyncapi")
def asyncapi() -> None:
    """Print the AsyncAPI 3 document of all topics, as JSON."""
    from fixstream.runtime.settings import KafkaSettings, load_settings
    from fixstream.schemas.asyncapi import asyncapi_document

    prefix = load_settings(KafkaSettings).topic_prefix
    sys.stdout.write(json.dumps(asyncapi_document(prefix), indent=1) + "\n")
