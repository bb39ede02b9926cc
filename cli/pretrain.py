"""`fixstream pretrain`: arguments, progress and what is written; the work is the trainer's."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fixstream.cli.console import err, out, tell
from fixstream.schemas.errors import Misconfigured

if TYPE_CHECKING:
    from fixstream.producers.json_lines import BadLine
    from fixstream.runtime.clock import Clock
    from fixstream.trainer.learner import Learner
    from fixstream.trainer.passages import Corpus
    from fixstream.trainer.pretraining import PretrainingConfig, Progress
    from fixstream.trainer.processes import Processes
    from fixstream.trainer.wide import Floats

_TELL_EVERY_S = 10.0
_MAX_BAD_LINES_TOLD = 10


def pretrain(
    files: Annotated[
        list[Path], typer.Argument(help="History files: JSON lines; .gz too. Labels are ignored.")
    ],
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for the warm start.")],
    epochs: Annotated[int, typer.Option(min=1, help="Times that each error is seen.")] = 10,
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Stop after so long, with what is learnt by then.")
    ] = None,
    sentence_encoder: Annotated[
        Path | None,
        typer.Option(help="Folder of a sentence-transformers model to learn likeness from."),
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Begin with the newest warm start of the folder.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of what is hidden and paired.")] = 0,
) -> None:
    """Train the network on past errors without labels, and write a warm start for trainers.

    Ctrl-C ends it early and writes what is learnt by then. Under torchrun, all processes share each
    step. A trainer takes the warm start when FIXSTREAM_TRAINER_WARM_START names the folder.
    """
    from fixstream.runtime.clock import SystemClock
    from fixstream.runtime.settings import load_settings
    from fixstream.trainer.placement import place
    from fixstream.trainer.pretraining import PretrainingConfig
    from fixstream.trainer.processes import meeting
    from fixstream.trainer.settings import TrainerSettings

    _check_writable(out_folder)
    asked = _Asked(
        files,
        out_folder,
        PretrainingConfig(epochs=epochs, seed=seed),
        math.inf if minutes is None else minutes * 60.0,
        sentence_encoder,
        go_on,
    )
    with ExitStack() as stack:
        processes = stack.enter_context(meeting(place(load_settings(TrainerSettings).device)))
        _run(asked, processes, SystemClock())


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for on the command line."""

    files: list[Path]
    out: Path
    config: PretrainingConfig
    max_seconds: float
    sentence_encoder: Path | None
    goes_on: bool


def _run(asked: _Asked, processes: Processes, clock: Clock) -> None:
    from fixstream.cli.new_learner import learner_from_settings
    from fixstream.runtime.stopping import StopSignal
    from fixstream.trainer.pretraining import Pretraining
    from fixstream.trainer.signing import TrustedKeys
    from fixstream.trainer.warm_start import KEYS, take_warm_start, write_warm_start

    show = _Show(clock, is_quiet=not processes.is_first)
    learner = learner_from_settings()
    config = learner.config
    show.tell(f"training on {config.device} in {config.precision.value}")
    if asked.goes_on:
        take_warm_start(learner, asked.out, TrustedKeys.load(asked.out / KEYS))
    corpus = _corpus(asked.files, learner, clock, show)
    teacher = _teacher(asked.sentence_encoder, corpus, show)
    training = Pretraining(learner, corpus, asked.config, teacher=teacher, processes=processes)
    deadline_s = clock.monotonic() + asked.max_seconds
    with StopSignal() as stop:
        num_steps = training.run(
            lambda: stop.is_set() or clock.monotonic() >= deadline_s, show.progress
        )
    if not processes.is_first:
        return
    if not num_steps:
        raise Misconfigured("it was stopped before the first step; nothing is written")
    reason = f"pre-training, {num_steps} steps on {len(corpus.passages)} errors"
    stored = write_warm_start(asked.out, learner, reason, clock)
    if num_steps < training.num_steps:
        out.print(f"stopped early, after {num_steps} of {training.num_steps} steps", markup=False)
    out.print(f"warm start {stored.manifest.version} written to {asked.out}", markup=False)


def _corpus(files: list[Path], learner: Learner, clock: Clock, show: _Show) -> Corpus:
    from fixstream.cli.past_errors import past_errors
    from fixstream.trainer.passages import corpus_of

    limit = learner.config.max_training_tokens
    corpus = corpus_of(past_errors(files, clock, show.bad_line), learner.tokenizer, limit)
    if len(corpus.passages) < 2:
        names = ", ".join(str(file) for file in files)
        raise Misconfigured(
            f"{names}: {len(corpus.passages)} errors that can be used, "
            f"{show.num_bad_lines} bad lines; pre-training needs at least two different errors"
        )
    show.tell(
        f"{len(corpus.passages)} errors, {corpus.num_repeats} repeats left out, "
        f"{show.num_bad_lines} bad lines passed over"
    )
    return corpus


def _teacher(path: Path | None, corpus: Corpus, show: _Show) -> Floats | None:
    if path is None:
        return None
    from fixstream.trainer.sentence_encoder import SentenceEncoder

    num_all = len(corpus.passages)
    return SentenceEncoder(path).embed(
        [one.words for one in corpus.passages],
        lambda done: show.now_and_then(f"sentence encoder: {done}/{num_all} texts"),
    )


def _check_writable(folder: Path) -> None:
    """Before the work, not after it. Raises Misconfigured."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Misconfigured(f"--out: {folder}: {error.strerror}") from None


@dataclass(slots=True)
class _Show:
    """Lines of progress on stderr, not more than one in ten seconds."""

    clock: Clock
    is_quiet: bool
    num_bad_lines: int = 0
    _told_at_s: float = field(default=-math.inf)

    def tell(self, line: str) -> None:
        if not self.is_quiet:
            tell(line)

    def bad_line(self, line: BadLine) -> None:
        self.num_bad_lines += 1
        if self.is_quiet or self.num_bad_lines > _MAX_BAD_LINES_TOLD + 1:
            return
        if self.num_bad_lines <= _MAX_BAD_LINES_TOLD:
            err.print(f"passed over: {line}", markup=False)
        else:
            err.print("more bad lines are counted, but not told", markup=False)

    def progress(self, progress: Progress) -> None:
        told = ", ".join(f"{name} {loss:.3f}" for name, loss in sorted(progress.losses.items()))
        self.now_and_then(
            f"step {progress.step}/{progress.num_steps}: {told}",
            is_last=progress.step == progress.num_steps,
        )

    def now_and_then(self, line: str, *, is_last: bool = False) -> None:
        now_s = self.clock.monotonic()
        if is_last or now_s - self._told_at_s >= _TELL_EVERY_S:
            self._told_at_s = now_s
            self.tell(line)
