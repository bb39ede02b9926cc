"""`fixstream emit` and `fixstream solutions import`: what brings files onto the topics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress as ProgressBar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from fixstream.cli.console import err, out
from fixstream.cli.kafka_access import reachable_kafka
from fixstream.schemas.errors import Misconfigured

if TYPE_CHECKING:
    from fixstream.producers.publishing import OnProgress, Progress

solutions = typer.Typer(help="Manage the knowledge base.", no_args_is_help=True)


def emit(
    file: Annotated[Path, typer.Argument(help="History file: JSON lines, oldest first; .gz too.")],
    rate: Annotated[
        float | None, typer.Option(help="Events a second; as fast as it goes when left out.")
    ] = None,
) -> None:
    """Publish the errors of a history file as events; exit 1 if a line could not be used."""
    from fixstream.producers import publishing

    if rate is not None and rate <= 0:
        raise Misconfigured(f"--rate has to be above zero, not {rate}")
    _require_readable(file)
    kafka = reachable_kafka()
    with _progress_bar(file.name) as on_progress:
        sent = publishing.emit(file, rate, settings=kafka, on_progress=on_progress)
    _conclude("events", sent)


@solutions.command("import")
def import_(
    file: Annotated[
        Path | None, typer.Argument(help="JSON lines of solutions; left out: the starter set.")
    ] = None,
) -> None:
    """Publish the fixes of a file, or the starter set; exit 1 if a line could not be used."""
    from fixstream.producers import publishing

    if file is not None:
        _require_readable(file)
    kafka = reachable_kafka()
    with _solution_files(file) as files:
        for path in files:
            with _progress_bar(path.name) as on_progress:
                sent = publishing.import_solutions(path, settings=kafka, on_progress=on_progress)
            _conclude(f"solutions of {path.name}", sent)


@contextmanager
def _solution_files(file: Path | None) -> Iterator[list[Path]]:
    if file is not None:
        yield [file]
        return
    with resources.as_file(resources.files("fixstream.inference") / "starter") as folder:
        yield sorted(folder.glob("*.jsonl"))


def _require_readable(file: Path) -> None:
    """Tells of a mistyped file before anybody waits for Kafka."""
    try:
        file.open("rb").close()
    except OSError as error:
        raise Misconfigured(f"{file}: {error.strerror}") from None


@contextmanager
def _progress_bar(name: str) -> Iterator[OnProgress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with ProgressBar(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(f"{name}: starting")

        def on_progress(progress: Progress) -> None:
            told = f"{name}: {progress.num_sent} sent, {progress.num_skipped} skipped"
            bar.update(task, description=told)

        yield on_progress


def _conclude(what: str, sent: Progress) -> None:
    out.print(f"{sent.num_sent} {what} published, {sent.num_skipped} lines skipped", markup=False)
    if sent.num_skipped:
        raise typer.Exit(code=1)
