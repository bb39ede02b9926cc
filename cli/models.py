"""`fixstream models list|show|verify|rollback|block-range`: which model is in use, and which not.

Looking needs the public keys only. Rolling back and blocking are signed with the trainer's key, so
they run where that key may be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fixstream.cli.console import out
from fixstream.cli.kafka_access import reachable_kafka
from fixstream.schemas.errors import ArtifactRejected, Misconfigured

if TYPE_CHECKING:
    from fixstream.schemas.records import ModelUpdate, OffsetRange
    from fixstream.trainer.checkpoint import CheckpointStore, SigningKey, TrustedKeys
    from fixstream.trainer.rollback import Desk
    from fixstream.trainer.updates import UpdateHistory

models = typer.Typer(help="Look at the models, go back to one.", no_args_is_help=True)

Version = Annotated[int, typer.Argument(min=1, help="Version, as `models list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the update for ever.")]


@models.command("list")
def list_() -> None:
    """List every update: version, what became of it, when, and why not."""
    desk = desk_of()
    history = desk.history()
    kept, in_force = set(desk.store.names()), history.in_force()
    out.print("version  kind         made                 examples  kept  remark", markup=False)
    for update in history.updates:
        remark = "in use" if _is_in_use(update, history) else update.reason or ""
        if update.version not in in_force:
            remark = f"abandoned {remark}".strip()
        is_kept = update.artifact_uri in kept
        out.print(f"{_line(update, is_kept=is_kept)}  {remark}", markup=False)


@models.command("show")
def show(version: Version) -> None:
    """Show one update: metrics, parent, and the ranges of events that it learnt from."""
    desk = desk_of()
    history = desk.history()
    update = history.of_version(version)
    if update is None:
        raise Misconfigured(f"there is no version {version} of {desk.model!r}")
    facts = {
        "model": update.model,
        "version": update.version,
        "parent": update.parent or "none",
        "kind": update.kind.value,
        "reason": update.reason or "none",
        "in use": "yes" if _is_in_use(update, history) else "no",
        "made": update.created_at.isoformat(timespec="seconds"),
        "checkpoint": update.artifact_uri,
        "size": f"{update.size_bytes} bytes",
        "examples seen": update.examples_seen,
        "signed by": update.key_id,
    }
    for name, value in facts.items():
        out.print(f"{name:14} {value}", markup=False)
    for each in update.lineage:
        out.print(f"learnt from    {_range(each)}", markup=False)
    for each in update.blocked:
        out.print(f"blocked        {_range(each)}", markup=False)
    for name, number in sorted(update.metrics.items()):
        out.print(f"{name:40} {number:.4f}", markup=False)


@models.command("verify")
def verify(
    what: Annotated[
        str | None,
        typer.Argument(help="Version, or the path or URL of a checkpoint; else the one in use."),
    ] = None,
) -> None:
    """Check a checkpoint: signature, hashes, shapes, and that it predicts."""
    from fixstream.trainer.checkpoint import checkpoint_name
    from fixstream.trainer.rollback import verify_checkpoint

    if what is not None and not what.isdigit():
        store, name = _store_of(what)
        trusted = _trusted()
    else:
        desk = desk_of()
        store, trusted = desk.store, desk.trusted
        name = checkpoint_name(int(what)) if what else _name_in_use(desk)
    manifest = verify_checkpoint(store, name, trusted)
    out.print(
        f"{name}: signature, {len(manifest.files)} files, shapes and a prediction are good "
        f"(version {manifest.version}, {manifest.kind.value})",
        markup=False,
    )


@models.command("rollback")
def rollback(
    version: Version,
    reason: Reason,
    relearn: Annotated[
        bool,
        typer.Option("--relearn", help="Learn again from the events since; else block them."),
    ] = False,
) -> None:
    """Put an older promoted version into use again; the trainer goes on from there."""
    from fixstream.trainer.rollback import roll_back

    update = roll_back(desk_of(), signing_key(), version, reason, relearn=relearn)
    out.print(f"version {update.version} is published: version {version} is back in use")
    for each in update.blocked:
        out.print(f"blocked  {_range(each)}", markup=False)


@models.command("block-range")
def block_range(
    topic: Annotated[str, typer.Argument(help="Full name, such as fixstream.errors.raw.v1.")],
    partition: Annotated[int, typer.Argument(min=0)],
    first: Annotated[int, typer.Argument(min=0, help="First offset of the range.")],
    next_: Annotated[int, typer.Argument(min=1, metavar="NEXT", help="First offset after it.")],
    reason: Reason,
) -> None:
    """Never learn from a range of offsets; of raw errors, of batches, or of feedback."""
    from fixstream.schemas.records import OffsetRange
    from fixstream.trainer.rollback import block_range as publish_block
    from fixstream.trainer.rollback import learnt_from, newest_before

    desk = desk_of()
    wanted = OffsetRange(topic, partition, first, next_)
    update = publish_block(desk, signing_key(), wanted, reason)
    out.print(f"version {update.version} is published: {_range(wanted)} is blocked", markup=False)
    history = desk.history()
    guilty = learnt_from(history, wanted)
    if guilty:
        before = newest_before(history, guilty[0].version)
        way = f"models rollback {before}` goes back to before it"
        advice = way if before else "retrain` builds the model anew without it"
        told = f"version {guilty[0].version} has learnt from it already; `fixstream {advice}"
        out.print(told, markup=False)


def _line(update: ModelUpdate, *, is_kept: bool) -> str:
    made = update.created_at.strftime("%Y-%m-%d %H:%M:%S")
    kept = "yes" if is_kept else "no"
    return f"{update.version:7}  {update.kind.value:11}  {made}  {update.examples_seen:8}  {kept:4}"


def _is_in_use(update: ModelUpdate, history: UpdateHistory) -> bool:
    return history.in_use is not None and history.in_use.version == update.version


def _range(one: OffsetRange) -> str:
    return f"{one.topic} [{one.partition}] {one.first_offset} to {one.next_offset - 1}"


def _name_in_use(desk: Desk) -> str:
    in_use = desk.history().in_use
    if in_use is None:
        raise Misconfigured("no model was promoted yet")
    return in_use.artifact_uri


def desk_of() -> Desk:
    """What the settings say about the model, its store and its topic; Kafka has answered."""
    from fixstream.runtime.clock import SystemClock
    from fixstream.runtime.registry import make_codec
    from fixstream.runtime.settings import load_settings
    from fixstream.trainer.rollback import Desk
    from fixstream.trainer.settings import TrainerSettings

    kafka = reachable_kafka()
    trainer = load_settings(TrainerSettings)
    return Desk(kafka, make_codec(kafka), trainer.model, _store(), _trusted(), SystemClock())


def _store() -> CheckpointStore:
    from fixstream.runtime.settings import load_settings
    from fixstream.trainer.checkpoint import open_store
    from fixstream.trainer.settings import LearningSettings

    return open_store(load_settings(LearningSettings).checkpoint_dir)


def _store_of(address: str) -> tuple[CheckpointStore, str]:
    from fixstream.trainer.checkpoint import is_remote, open_store

    if is_remote(address):
        root, _, name = address.rstrip("/").rpartition("/")
        return open_store(root), name
    path = Path(address.removeprefix("file://")).absolute()
    return open_store(path.parent), path.name


def _key_path() -> Path:
    from fixstream.runtime.settings import load_settings
    from fixstream.trainer.service import signing_key_path
    from fixstream.trainer.settings import LearningSettings, TrainerSettings

    return signing_key_path(load_settings(TrainerSettings), load_settings(LearningSettings))


def _trusted() -> TrustedKeys:
    from fixstream.trainer.checkpoint import TrustedKeys

    folder = _key_path().parent
    trusted = TrustedKeys.load(folder)
    if not trusted.keys:
        raise ArtifactRejected(
            f"no public key in {folder}: nothing can be verified. CHECKPOINT_DIR has to name the "
            "trainer's folder; that of `fixstream up` is .fixstream/models"
        )
    return trusted


def signing_key() -> SigningKey:
    """The trainer's key, which has to be there; raises Misconfigured."""
    from fixstream.trainer.checkpoint import SigningKey

    return SigningKey.load(_key_path())
