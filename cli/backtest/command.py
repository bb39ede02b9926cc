"""`fixstream backtest`: arguments, progress, and the report's file; the work is `replaying`'s."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fixstream.cli.console import err, out, tell
from fixstream.schemas.errors import Misconfigured

if TYPE_CHECKING:
    from fixstream.cli.backtest.replaying import OnProgress
    from fixstream.cli.learning_config import SystemConfig
    from fixstream.producers.json_lines import BadLine

_TELL_EVERY_S = 10.0
_MAX_BAD_LINES_TOLD = 10


def backtest(
    file: Annotated[Path, typer.Argument(help="History file: JSON lines, oldest first; .gz too.")],
    report: Annotated[
        Path | None, typer.Option(help="Where to write the report as JSON; else to stdout.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many lines, for a quick look.")
    ] = None,
    sentence_encoder: Annotated[
        Path | None,
        typer.Option(help="Folder of a sentence-transformers model, as one path and a baseline."),
    ] = None,
) -> None:
    """Replay a history of errors: predict each one before its labels are shown, then learn it.

    Runs the same code as the services, with their settings, and reports how good the labels and
    the search for duplicates were, beside baselines that learnt in the same pass.
    """
    _check_writable(report)
    with tempfile.TemporaryDirectory(prefix="fixstream-backtest-") as folder:
        result = _run(file, limit, _config(Path(folder), sentence_encoder))
    if not result["records"]:
        raise Misconfigured(f"{file} holds no record that can be used")
    _write(result, report)


def _run(file: Path, limit: int | None, config: SystemConfig) -> dict[str, Any]:
    from fixstream.cli.backtest.baselines import LinearBaselines
    from fixstream.cli.backtest.duplicates import EarlierErrors
    from fixstream.cli.backtest.replaying import Backtest
    from fixstream.cli.backtest.searches import SearchBaselines
    from fixstream.cli.learning_system import ContinuousLearningSystem
    from fixstream.producers.history import read_history
    from fixstream.runtime.clock import SystemClock

    linear = LinearBaselines(config.learner.sentences)
    records = read_history(file, undated_as=SystemClock().now())
    first = next(records, None)  # So that a missing file is told before a model is made.
    if first is None:
        raise Misconfigured(f"{file} holds no line")
    with ExitStack() as stack:
        system = stack.enter_context(ContinuousLearningSystem(config))
        earlier = EarlierErrors(system.learner, config.learner.sentences)
        stack.callback(earlier.close)
        plain = SearchBaselines(config.learner.sentences)
        stack.callback(plain.close)
        on_progress = stack.enter_context(_progress(file.name))
        lines = islice(chain((first,), records), limit)
        return Backtest(system, earlier, linear, plain).run(lines, on_progress, _BadLines())


def _config(folder: Path, sentence_encoder: Path | None = None) -> SystemConfig:
    """As the services are set, but with nothing kept beyond the run."""
    import torch

    from fixstream.cli.learning_config import SystemConfig
    from fixstream.inference.settings import InferenceSettings
    from fixstream.runtime.settings import load_settings
    from fixstream.streams.settings import StreamsSettings
    from fixstream.trainer.settings import LearningSettings, TrainerSettings

    trainer = load_settings(TrainerSettings)
    if sentence_encoder is not None:
        trainer = trainer.model_copy(update={"sentence_encoder": sentence_encoder})
    if trainer.num_threads:
        torch.set_num_threads(trainer.num_threads)
    config = SystemConfig.from_settings(
        trainer,
        load_settings(LearningSettings),
        load_settings(StreamsSettings),
        load_settings(InferenceSettings),
    )
    return replace(
        config,
        checkpoint_dir=folder,
        signing_key=folder / "keys" / "signing.pem",
        loop=replace(
            config.loop, checkpoint_every_steps=sys.maxsize, checkpoint_interval_s=math.inf
        ),
    )


def _check_writable(report: Path | None) -> None:
    """Before the work, not after it. Raises Misconfigured."""
    if report is None:
        return
    folder = report.parent
    if report.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Misconfigured(f"--report: {report} cannot be written")


def _write(result: dict[str, Any], report: Path | None) -> None:
    from fixstream.cli.backtest.report import lines

    text = json.dumps(result, indent=2) + "\n"
    if report is None:
        sys.stdout.write(text)
        return
    try:
        report.write_text(text, encoding="utf-8")
    except OSError as error:
        sys.stdout.write(text)  # It may have taken hours to come by.
        raise Misconfigured(f"--report: {report}: {error.strerror}") from error
    for line in lines(result):
        out.print(line, markup=False)
    out.print(f"report written to {report}", markup=False)


class _BadLines:
    """Tells the first few bad lines; all of them are counted in the report."""

    def __init__(self) -> None:
        self._num_told = 0

    def __call__(self, line: BadLine) -> None:
        self._num_told += 1
        if self._num_told <= _MAX_BAD_LINES_TOLD:
            err.print(f"passed over: {line}", markup=False)
        elif self._num_told == _MAX_BAD_LINES_TOLD + 1:
            err.print("more bad lines are counted, but not told", markup=False)


@contextmanager
def _progress(name: str) -> Iterator[OnProgress]:
    """A live line on a terminal, else a line every few seconds."""
    if not err.is_terminal:
        yield _TellNowAndThen(name)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(f"{name}: starting")
        yield lambda num_records, seconds: bar.update(
            task, description=_pace(name, num_records, seconds)
        )


class _TellNowAndThen:
    def __init__(self, name: str) -> None:
        self._name = name
        self._told_at_s = 0.0

    def __call__(self, num_records: int, seconds: float) -> None:
        if seconds - self._told_at_s >= _TELL_EVERY_S:
            self._told_at_s = seconds
            tell(_pace(self._name, num_records, seconds))


def _pace(name: str, num_records: int, seconds: float) -> str:
    rate = num_records / seconds * 60 if seconds else 0.0
    return f"{name}: {num_records} records, {rate:.0f} a minute"
