"""`fixstream demo`: starts everything, lets the shop fail, shows the loop, proves the ending."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from fixstream.cli.console import err, out, tell
from fixstream.schemas.errors import Misconfigured

DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>s|m|h)?")
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def demo(
    duration: Annotated[
        str, typer.Option("--for", help="How long, such as 60s or 3m; 0 is until Ctrl-C.")
    ] = "0",
    rate: Annotated[float, typer.Option(help="Requests a second to the sample shop.")] = 20.0,
    port: Annotated[int, typer.Option(help="Port of REST and the web page.")] = 8080,
    data_dir: Annotated[
        Path, typer.Option("--data", help="Folder for this demo; emptied at its start.")
    ] = Path(".fixstream/demo"),
) -> None:
    """Run the whole loop on this machine with a sample shop that fails for real."""
    from fixstream.cli.demo.session import DemoConfig, DemoSession
    from fixstream.cli.demo.summary import draw_summary

    config = DemoConfig(
        duration_s=parse_duration(duration),
        requests_per_s=rate,
        rest_port=port,
        data_dir=data_dir.absolute(),
    )
    summary = DemoSession(config, tell).run()
    out.print(draw_summary(summary))
    for fault in summary.faults:
        err.print(f"fault: {fault}", markup=False)
    if summary.faults:
        raise typer.Exit(code=1)


def parse_duration(text: str) -> float:
    """Seconds in texts such as `90`, `90s`, `1.5m` or `1h`.

    Raises:
        Misconfigured: the text is no duration.
    """
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise Misconfigured(f"--for takes a duration such as 60s or 3m, not {text!r}")
    return float(match["number"]) * SECONDS[match["unit"] or "s"]
