"""`fixstream retrain`: builds the model anew from what is still kept, without what was poisoned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fixstream.cli.console import err, out, tell
from fixstream.schemas.enums import EventSource, LabelSource
from fixstream.schemas.errors import Misconfigured

if TYPE_CHECKING:
    from fixstream.trainer.checkpoint import FolderCheckpointStore, SigningKey, StoredCheckpoint
    from fixstream.trainer.exclusions import Exclusions
    from fixstream.trainer.learner import Learner, LearnerConfig
    from fixstream.trainer.rollback import Desk
    from fixstream.trainer.succession import Comparison

DEFAULT_OUT = Path("models/retrained")
_TELL_EVERY_S = 5.0


def retrain(
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out: source=reddit, service=checkout or label-source=crawler; repeat it."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only batches closed at this time (ISO 8601, UTC) or later.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only batches closed before this time (ISO 8601, UTC).")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--out", help="Folder for the rebuilt model; not the trainer's.")
    ] = DEFAULT_OUT,
    publish: Annotated[
        bool,
        typer.Option(
            "--publish", help="Put it into use if the gate lets it; the trainer must be stopped."
        ),
    ] = False,
) -> None:
    """Build the model anew from the batches that are kept, with exclusions, beside the trainer."""
    from fixstream.cli.models import desk_of, signing_key
    from fixstream.trainer.checkpoint import FolderCheckpointStore
    from fixstream.trainer.succession import rebuilt_in

    exclusions = parsed(exclude or (), since, until)
    desk, key, config = desk_of(), signing_key(), _learner_config()
    store = FolderCheckpointStore(folder)
    with store.exclusively():
        store.clear_unfinished()
        found = rebuilt_in(store, desk)
        if found is None:
            found = _rebuilt(desk, key, config, exclusions, store)
        elif not publish or exclude or since or until:
            raise Misconfigured(
                f"{folder} holds a rebuilt model already: `fixstream retrain --publish --out "
                f"{folder}` puts it into use; or name another folder"
            )
        if publish:
            _publish(desk, key, config, store, found)
        else:
            _judge(desk, config, store, found)
            out.print(
                f"to put it into use, stop the trainer and run: fixstream retrain --publish "
                f"--out {folder}",
                markup=False,
            )


def parsed(
    exclude: list[str] | tuple[str, ...], since: str | None, until: str | None
) -> Exclusions:
    """What the options say; raises Misconfigured with what is wrong."""
    from fixstream.trainer.exclusions import Exclusions

    named: dict[str, set[str]] = {"source": set(), "service": set(), "label-source": set()}
    for one in exclude:
        kind, mark, value = one.partition("=")
        if not mark or kind not in named or not value:
            raise Misconfigured(
                f"--exclude takes source=, service= or label-source=, not {one[:80]!r}"
            )
        named[kind].add(value)
    _check_known("source", named["source"], {one.value for one in EventSource})
    _check_known("label-source", named["label-source"], {one.value for one in LabelSource})
    begin, end = _time("--since", since), _time("--until", until)
    if begin is not None and end is not None and begin >= end:
        raise Misconfigured("--since has to lie before --until")
    return Exclusions(
        frozenset(named["source"]),
        frozenset(named["service"]),
        frozenset(LabelSource(one) for one in named["label-source"]),
        begin,
        end,
    )


def _rebuilt(
    desk: Desk,
    key: SigningKey,
    config: LearnerConfig,
    exclusions: Exclusions,
    store: FolderCheckpointStore,
) -> StoredCheckpoint:
    from fixstream.runtime.settings import load_settings
    from fixstream.trainer.retraining import Order, kept_batches, kept_range, rebuild
    from fixstream.trainer.service import loop_config
    from fixstream.trainer.settings import LearningSettings, TrainerSettings
    from fixstream.trainer.succession import champion_of, validation_of

    trainer = load_settings(TrainerSettings)
    history = desk.history()
    champion = champion_of(desk, history)
    if champion.manifest.config != config.model:
        raise Misconfigured(
            "the settings' model is of another size than the one in use: use the trainer's settings"
        )
    in_force = history.in_force()
    order = Order(
        config,
        loop_config(trainer, load_settings(LearningSettings)),
        exclusions,
        history.blocked,
        tuple(r for one in history.updates if one.version in in_force for r in one.lineage),
        validation_of(desk.store, champion).members,
        desk.clock.now(),
        trainer.accept_gaps,
        _beginning(trainer.warm_start),
    )
    kept = kept_range(desk.kafka)
    tell(f"{kept.num_messages} batches are kept; {exclusions.described()}")
    with _progress() as on_progress:
        batches = kept_batches(desk.kafka, desk.codec, kept)
        rebuilt = rebuild(order, kept, batches, (store, key), on_progress)
    out.print(
        f"rebuilt from {rebuilt.num_kept} examples, without {rebuilt.num_left_out}; "
        f"it is in {store.root}",
        markup=False,
    )
    if rebuilt.num_unknown:
        out.print(f"{rebuilt.num_unknown} of unknown source or service were kept", markup=False)
    return rebuilt.stored


def _beginning(folder: Path | None) -> Callable[[Learner], object]:
    """What the trainer itself does with a fresh learner."""
    from fixstream.trainer.checkpoint import TrustedKeys
    from fixstream.trainer.warm_start import KEYS, take_warm_start

    if folder is None:
        return lambda learner: None
    return lambda learner: take_warm_start(learner, folder, TrustedKeys.load(folder / KEYS))


def _judge(
    desk: Desk, config: LearnerConfig, store: FolderCheckpointStore, stored: StoredCheckpoint
) -> None:
    from fixstream.trainer.succession import champion_of, compare, restored, validation_of

    champion = validation_of(desk.store, champion_of(desk, desk.history()))
    _tell_comparison(compare(restored(store, stored, config), champion))


def _publish(
    desk: Desk,
    key: SigningKey,
    config: LearnerConfig,
    store: FolderCheckpointStore,
    stored: StoredCheckpoint,
) -> None:
    from fixstream.runtime.settings import load_settings
    from fixstream.trainer.settings import TrainerSettings
    from fixstream.trainer.succession import succeed

    wait_s = load_settings(TrainerSettings).lease_wait_s
    update, comparison = succeed(desk, key, (store, stored), config, wait_s)
    _tell_comparison(comparison)
    out.print(
        f"version {update.version} is published: {update.reason}; start the trainer again",
        markup=False,
    )


def _tell_comparison(comparison: Comparison) -> None:
    ours, theirs = comparison.answers.metrics(), comparison.champion.metrics()
    out.print(f"{comparison.num_common} held-out examples in common with the model in use")
    for name in sorted(set(ours) & set(theirs)):
        out.print(f"{name:40} {theirs[name]:.4f} -> {ours[name]:.4f}", markup=False)
    verdict = comparison.verdict
    words = "the gate lets it pass" if verdict.reason is None else f"the gate: {verdict.reason}"
    out.print(words, markup=False)


def _learner_config() -> LearnerConfig:
    import torch

    from fixstream.runtime.settings import load_settings
    from fixstream.trainer.service import learner_config
    from fixstream.trainer.settings import LearningSettings, TrainerSettings

    trainer = load_settings(TrainerSettings)
    if trainer.num_threads:
        torch.set_num_threads(trainer.num_threads)
    return learner_config(trainer, load_settings(LearningSettings))


def _check_known(kind: str, named: set[str], known: set[str]) -> None:
    strange = sorted(named - known)
    if strange:
        raise Misconfigured(
            f"there is no {kind} {strange[0][:80]!r}; there are: {', '.join(sorted(known))}"
        )


def _time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"{option} takes a time such as 2026-11-03T14:00Z") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, else a line every few seconds; both with the time left."""
    if not err.is_terminal:
        yield _TellNowAndThen()
        return
    columns = (TextColumn("batches"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as bar:
        task = bar.add_task("batches")
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _TellNowAndThen:
    def __init__(self) -> None:
        self._started_s = self._told_s = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told_s < _TELL_EVERY_S:
            return
        self._told_s = now
        left_s = (now - self._started_s) / done * (total - done)
        tell(f"{done} of {total} batches, about {left_s:.0f} s left")
