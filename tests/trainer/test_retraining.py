"""A model built anew: what is left out stays out, what is gone is missed, one seed is one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from fixstream.cli.main import app
from fixstream.cli.retrain import parsed
from fixstream.schemas.enums import LabelSource, UpdateKind
from fixstream.schemas.errors import Misconfigured, OffsetGap
from fixstream.schemas.records import Labels, OffsetRange, TrainingBatch, TrainingExample
from fixstream.trainer.checkpoint import (
    WEIGHTS,
    FolderCheckpointStore,
    Manifest,
    SigningKey,
    TrustedKeys,
    read_artifact,
    read_tensors,
    stored_checkpoint,
)
from fixstream.trainer.exclusions import Exclusions
from fixstream.trainer.features import ErrorText
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.retraining import KeptBatch, KeptRange, Order, Rebuilt, rebuild
from fixstream.trainer.rollback import NotPossible, merged
from fixstream.trainer.training import LoopConfig
from support.deadlines import eventually
from support.kafka import Kafka
from support.trainer_service import desk, learning, newest_manifest, running_trainer, send
from support.training import (
    RAW_TOPIC,
    START,
    TINY_ENVIRONMENT,
    TINY_LEARNER,
    training_batch,
    training_example,
)

BATCHES = ("training.batches.v1", 0)


def batch(
    first: int, next_: int, change: Callable[[TrainingExample], TrainingExample]
) -> TrainingBatch:
    made = training_batch(first, next_)
    examples = tuple(change(one) for one in made.examples)
    return replace(made, examples=examples, created_at=START + timedelta(minutes=first))


def plain(example: TrainingExample) -> TrainingExample:
    return replace(example, source="middleware", service="shop")


def poisoned(example: TrainingExample) -> TrainingExample:
    """The label of another kind of error, under another id."""
    other = training_example(example.origin_offset + 1)
    return replace(example, labels=other.labels, source="reddit", service="crawler")


def reported(
    change: Callable[[TrainingExample], TrainingExample],
) -> Callable[[TrainingExample], TrainingExample]:
    """With labels that people gave, as they see them."""

    def by_people(example: TrainingExample) -> TrainingExample:
        made = change(example)
        said = {
            head: replace(getattr(made.labels, head), source=LabelSource.REPORTER, confidence=1.0)
            for head in ("domain", "severity", "category")
        }
        return replace(made, labels=Labels(**said))

    return by_people


def order(exclusions: Exclusions | None = None, **changes: object) -> Order:
    made = Order(
        TINY_LEARNER,
        LoopConfig(batch_size=TINY_LEARNER.batch_size),
        exclusions or Exclusions(),
        blocked=(),
        lineage=(),
        held_out=(),
        started_at=START,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def rebuilt(
    folder: Path, asked: Order, batches: Sequence[TrainingBatch], begin: int = 0
) -> Rebuilt:
    store = FolderCheckpointStore(folder / "out")
    key = SigningKey.load_or_create(folder / "keys" / "signing.pem")
    found = [KeptBatch(one, BATCHES, begin + place) for place, one in enumerate(batches)]
    kept = KeptRange({BATCHES: begin}, {BATCHES: begin + len(found)})
    return rebuild(asked, kept, found, (store, key))


MIXED = [batch(n, n + 8, poisoned if n % 16 else plain) for n in range(0, 64, 8)]


def test_what_is_excluded_is_neither_learnt_nor_in_the_lineage(tmp_path: Path) -> None:
    without = rebuilt(tmp_path, order(Exclusions(sources=frozenset({"reddit"}))), MIXED)
    manifest = without.stored.manifest
    assert (without.num_kept, without.num_left_out) == (32, 32)
    assert manifest.counts.seen == 32
    assert manifest.reason == "retrained without source=reddit"
    learnt = [(one.first_offset, one.next_offset) for one in manifest.lineage]
    assert learnt == [(0, 8), (16, 24), (32, 40), (48, 56)]
    # All of it is dealt with: the trainer goes on after it, and learns nothing of it again.
    assert [one.next_offset for one in manifest.batch_offsets] == [8]
    assert [one.next_offset for one in manifest.origin_offsets] == [64]
    assert manifest.feedback_offsets == ()


@pytest.mark.parametrize(
    ("exclusions", "num_kept"),
    [
        (Exclusions(), 64),
        (Exclusions(services=frozenset({"crawler"})), 32),
        (Exclusions(since=START + timedelta(minutes=16)), 48),
        (Exclusions(until=START + timedelta(minutes=16)), 16),
        (Exclusions(label_sources=frozenset({LabelSource.CRAWLER})), 64),
    ],
)
def test_each_way_to_exclude(tmp_path: Path, exclusions: Exclusions, num_kept: int) -> None:
    assert rebuilt(tmp_path, order(exclusions), MIXED).num_kept == num_kept


def test_nothing_left_is_told(tmp_path: Path) -> None:
    rules = Exclusions(label_sources=frozenset({LabelSource.RULE}))
    with pytest.raises(NotPossible, match="nothing is left"):
        rebuilt(tmp_path, order(rules), MIXED)
    assert FolderCheckpointStore(tmp_path / "out").names() == []


def test_one_seed_makes_one_model(tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        asked = order(learner=replace(TINY_LEARNER, seed=seed))
        stored = rebuilt(tmp_path / name, asked, MIXED).stored
        store = FolderCheckpointStore(tmp_path / name / "out")
        found.append(read_tensors(store, stored, WEIGHTS))
    first, again, other = found
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_examples_of_an_older_kind_are_kept_and_counted(tmp_path: Path) -> None:
    old = [training_batch(0, 8)]
    found = rebuilt(tmp_path, order(Exclusions(sources=frozenset({"reddit"}))), old)
    assert (found.num_kept, found.num_unknown) == (8, 8)


def test_blocked_ranges_are_honoured(tmp_path: Path) -> None:
    blocked = (OffsetRange(RAW_TOPIC, 0, 8, 24),)
    manifest = rebuilt(tmp_path, order(blocked=blocked), MIXED).stored.manifest
    assert (manifest.counts.seen, manifest.counts.blocked) == (48, 16)
    assert [(r.first_offset, r.next_offset) for r in manifest.lineage] == [(0, 8), (24, 64)]


def test_what_is_no_longer_kept_is_refused(tmp_path: Path) -> None:
    lineage = (OffsetRange(RAW_TOPIC, 0, 0, 64),)
    with pytest.raises(OffsetGap, match="offsets 0 to 15, which the model in use has learnt from"):
        rebuilt(tmp_path, order(lineage=lineage), MIXED[2:], begin=2)
    early = Exclusions(since=START)
    with pytest.raises(OffsetGap, match=r"batches before .* are no longer kept"):
        rebuilt(tmp_path, order(early, lineage=lineage), MIXED[2:], begin=2)
    with pytest.raises(OffsetGap, match="nothing of"):
        rebuilt(tmp_path, order(), [], begin=2)
    with pytest.raises(OffsetGap, match="8 events never came"):
        rebuilt(tmp_path, order(), [MIXED[0], *MIXED[2:]])
    late = Exclusions(since=START + timedelta(minutes=16))
    assert rebuilt(tmp_path / "a", order(late, lineage=lineage), MIXED[2:], begin=2).num_kept == 48
    asked = order(lineage=lineage, accept_gaps=True)
    assert rebuilt(tmp_path / "b", asked, MIXED[2:], begin=2).num_kept == 48


def test_the_options_say_what_is_wrong_with_them() -> None:
    found = parsed(["source=reddit", "service=a=b", "label-source=rule"], "2026-01-02", None)
    assert found.services == {"a=b"}
    assert found.since == datetime(2026, 1, 2, tzinfo=UTC)
    for words, times, reason in (
        (["reddit"], (None, None), "--exclude takes"),
        (["source=redit"], (None, None), "there is no source 'redit'; there are: github"),
        (["label-source=x"], (None, None), "no label-source"),
        ([], ("yesterday", None), "--since takes a time"),
        ([], ("2026-01-02", "2026-01-01"), "before --until"),
    ):
        with pytest.raises(Misconfigured, match=reason):
            parsed(words, *times)


WIDE = {"held_out_share": 0.3, "checkpoints_kept": 50}


def training(kafka: Kafka, folder: Path) -> AbstractContextManager[list[BaseException]]:
    return running_trainer(kafka, learning(folder), **WIDE)


def seen(folder: Path, count: int) -> Callable[[], Manifest | None]:
    def check() -> Manifest | None:
        manifest = newest_manifest(folder)
        return manifest if manifest and manifest.counts.seen >= count else None

    return check


def accuracy(folder: Path, name: str) -> float:
    """On errors that nobody has learnt from."""
    store = FolderCheckpointStore(folder)
    trusted = TrustedKeys.load(folder / "keys")
    model = TrainedModel.from_artifact(
        read_artifact(store, stored_checkpoint(store, name, trusted))
    )
    asked = [training_example(number) for number in range(10_000, 10_080)]
    found = model.predict([ErrorText.from_example(one) for one in asked])
    right = [
        said.category.value == one.labels.category.value
        for said, one in zip(found, asked, strict=True)
    ]
    return sum(right) / len(right)


@pytest.mark.kafka
def test_without_the_poison_it_is_right_again_and_the_trainer_goes_on(
    kafka_topics: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "models", tmp_path / "out"
    count = 640
    # From the first on, so that the gate knows nothing better: the model in use is poisoned.
    changes = [reported(plain if n % 64 == 48 else poisoned) for n in range(0, count, 16)]
    send(kafka_topics, *(batch(16 * n, 16 * n + 16, one) for n, one in enumerate(changes)))
    for name, value in {
        **kafka_topics.environment,
        **TINY_ENVIRONMENT,
        "CHECKPOINT_DIR": str(folder),
        "FIXSTREAM_TRAINER_WIDE_BUCKETS": "1024",
        "FIXSTREAM_TRAINER_NUM_THREADS": "1",
        "FIXSTREAM_TRAINER_HELD_OUT_SHARE": "0.3",
        "FIXSTREAM_TRAINER_LEASE_WAIT_S": "15",
    }.items():
        monkeypatch.setenv(name, value)

    def asked(*words: str) -> str:
        found = CliRunner().invoke(app, ["retrain", *words])
        if found.exception is not None:
            raise found.exception
        return found.output

    with training(kafka_topics, folder) as failures:
        eventually(lambda: seen(folder, count)() or failures, 120.0)
        assert not failures
        said = asked("--exclude", "source=reddit", "--out", str(out))  # Beside the trainer.
        assert "held-out examples in common" in said
        with pytest.raises(Misconfigured, match="another trainer"):
            asked("--publish", "--out", str(out))
    before = desk(kafka_topics, folder).history()
    assert before.in_use is not None
    champion = before.in_use.artifact_uri
    with pytest.raises(Misconfigured, match="holds a rebuilt model already"):
        asked("--exclude", "source=reddit", "--out", str(out))
    assert "is published" in asked("--publish", "--out", str(out))
    history = desk(kafka_topics, folder).history()
    update = history.in_use
    assert update is not None
    assert update.kind is UpdateKind.PROMOTED
    assert update.parent is None
    assert history.in_force() == {update.version}
    assert "without source=reddit" in (update.reason or "")
    poisoned_share, clean_share = accuracy(folder, champion), accuracy(folder, update.artifact_uri)
    assert poisoned_share < 0.5, (poisoned_share, clean_share)
    assert clean_share > 0.9, (poisoned_share, clean_share)
    send(kafka_topics, batch(count, count + 16, reported(plain)))
    with training(kafka_topics, folder) as failures:
        eventually(lambda: failures or seen(folder, int(update.examples_seen) + 16)(), 60.0)
    assert not failures
    later = desk(kafka_topics, folder).history()
    assert update.version in later.in_force()
    since = [r for one in later.updates if one.version > update.version for r in one.lineage]
    assert merged(since) == (OffsetRange(RAW_TOPIC, 0, count, count + 16),)


def test_an_interruption_leaves_nothing_that_counts(tmp_path: Path) -> None:
    store = FolderCheckpointStore(tmp_path / "out")
    key = SigningKey.load_or_create(tmp_path / "keys" / "signing.pem")
    found = [KeptBatch(one, BATCHES, place) for place, one in enumerate(MIXED)]

    def interrupted(done: int, of: int) -> None:
        assert of == len(MIXED)
        if done == 3:
            raise KeyboardInterrupt

    kept = KeptRange({BATCHES: 0}, {BATCHES: len(found)})
    with pytest.raises(KeyboardInterrupt):
        rebuild(order(), kept, found, (store, key), interrupted)
    assert store.names() == []
    assert rebuild(order(), kept, found, (store, key)).num_kept == 64
