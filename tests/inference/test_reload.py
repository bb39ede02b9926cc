"""Model updates: only a genuine, newer and sound one is served; else the old one stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixstream.inference import metrics
from fixstream.inference.loading import CheckpointLoader
from fixstream.inference.reload import (
    ModelFollower,
    ModelState,
    Reason,
    StoreUnavailable,
    UpdateRefused,
)
from fixstream.inference.served import ErrorText, ServedModel
from fixstream.inference.slot import ModelSlot
from fixstream.runtime.clock import SettableClock
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.records import ModelUpdate
from fixstream.trainer.checkpoint import FolderCheckpointStore
from support.inference import FakeLoader, Publisher


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "trainer")


def follower_of(publisher: Publisher) -> ModelFollower:
    loader = CheckpointLoader(FolderCheckpointStore(publisher.folder), publisher.folder / "keys")
    follower = ModelFollower(ModelSlot(), loader, SettableClock())
    follower.caught_up()
    return follower


def version_in(follower: ModelFollower) -> int:
    return follower.serving.version if follower.serving else 0


def test_without_updates_there_is_no_model(publisher: Publisher) -> None:
    follower = follower_of(publisher)
    assert follower.state is ModelState.NO_MODEL


def test_a_promoted_checkpoint_predicts(publisher: Publisher) -> None:
    slot = ModelSlot()
    loader = CheckpointLoader(FolderCheckpointStore(publisher.folder), publisher.folder / "keys")
    follower = ModelFollower(slot, loader, SettableClock())
    follower.see(publisher.promote(1))
    assert slot.version == 0, "nothing is loaded before the past is read"
    follower.caught_up()
    with slot.lease() as model:
        assert model is not None
        answers = model.predict([ErrorText("connection refused"), ErrorText("no such table")])
    assert [answer.model_version for answer in answers] == [1, 1]
    assert follower.state is ModelState.SERVING


def test_what_is_being_loaded_makes_no_one_behind(publisher: Publisher) -> None:
    states: list[tuple[ModelState, int | None]] = []

    class Looking(FakeLoader):
        def load(self, update: ModelUpdate) -> ServedModel:
            states.append((follower.state, follower.wanted_version))
            return super().load(update)

    follower = ModelFollower(ModelSlot(), Looking(), SettableClock())
    follower.caught_up()
    follower.see(publisher.update(1))
    follower.see(publisher.update(2))
    assert states == [(ModelState.NO_MODEL, 1), (ModelState.SERVING, 2)]
    assert follower.state is ModelState.SERVING


def test_the_newest_of_the_past_is_taken_alone(publisher: Publisher) -> None:
    loader = FakeLoader()
    follower = ModelFollower(ModelSlot(), loader, SettableClock())
    for version in range(1, 6):
        follower.see(publisher.update(version))
    follower.caught_up()
    assert loader.loaded == [5]


def _truncate(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _flip_a_bit(folder: Path) -> None:
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-7] ^= 1
    path.write_bytes(data)


def _alter_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"seed": 0', b'"seed": 1'))


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _swap_weights(folder: Path) -> None:
    other = folder.parent / "checkpoint-00000001" / "weights.safetensors"
    (folder / "weights.safetensors").write_bytes(other.read_bytes())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_truncate, Reason.HASH),
        (_flip_a_bit, Reason.HASH),
        (_alter_manifest, Reason.HASH),
        (_swap_weights, Reason.HASH),
        (_remove, Reason.MISSING),
    ],
)
def test_a_spoilt_checkpoint_leaves_the_old_model(
    publisher: Publisher, spoil: Callable[[Path], None], reason: Reason
) -> None:
    follower = follower_of(publisher)
    follower.see(publisher.promote(1))
    update = publisher.promote(2)
    spoil(publisher.folder / "checkpoint-00000002")
    follower.see(update)
    assert version_in(follower) == 1
    assert [one.reason for one in follower.refusals] == [reason]
    assert follower.state.value == ModelState.BEHIND
    follower.see(publisher.promote(3))
    assert version_in(follower) == 3
    assert follower.state.value == ModelState.SERVING


@pytest.mark.parametrize(
    "uri",
    [
        "../trainer/checkpoint-00000001",
        "/etc",
        "file:///etc/passwd",
        "",
        "checkpoint-1",
        "s3://x/y",
    ],
)
def test_an_address_outside_of_the_store_is_refused(publisher: Publisher, uri: str) -> None:
    follower = follower_of(publisher)
    good = publisher.promote(1)
    follower.see(publisher.key.sign_update(replace(good, artifact_uri=uri)))
    assert version_in(follower) == 0
    assert [one.reason for one in follower.refusals] == [Reason.LOCATION]


def test_a_link_out_of_the_store_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    elsewhere = Publisher(tmp_path / "elsewhere")
    elsewhere.promote(1)
    update = publisher.promote(1)
    _remove(publisher.folder / "checkpoint-00000001")
    (publisher.folder / "checkpoint-00000001").rmdir()
    (publisher.folder / "checkpoint-00000001").symlink_to(elsewhere.folder / "checkpoint-00000001")
    follower = follower_of(publisher)
    follower.see(update)
    assert version_in(follower) == 0
    assert follower.num_refused == 1


def test_another_s_signature_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    follower = follower_of(publisher)
    stranger = Publisher(tmp_path / "stranger")
    follower.see(stranger.key.sign_update(publisher.promote(1)))
    assert version_in(follower) == 0
    assert [one.reason for one in follower.refusals] == [Reason.SIGNATURE]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"metrics": {"loss": 0.0}},
        {"artifact_uri": "checkpoint-00000009"},
        {"examples_seen": 7},
    ],
)
def test_a_changed_field_breaks_the_signature(
    publisher: Publisher, change: dict[str, object]
) -> None:
    follower = follower_of(publisher)
    follower.see(replace(publisher.promote(1), **change))  # type: ignore[arg-type]
    assert version_in(follower) == 0
    assert [one.reason for one in follower.refusals] == [Reason.SIGNATURE]


def test_a_replay_is_passed_over_and_a_downgrade_refused(publisher: Publisher) -> None:
    follower = follower_of(publisher)
    first, second = publisher.promote(1), publisher.promote(2)
    follower.see(first)
    follower.see(second)
    follower.see(first)
    assert follower.num_refused == 0, "the same update again is the trainer's re-send"
    follower.see(publisher.update(1, artifact_uri=first.artifact_uri, examples_seen=999))
    assert version_in(follower) == 2
    assert [one.reason for one in follower.refusals] == [Reason.VERSION]


def test_the_key_may_come_after_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "trainer"
    folder.mkdir()
    loader = CheckpointLoader(FolderCheckpointStore(folder), folder / "keys")
    follower = ModelFollower(ModelSlot(), loader, SettableClock())
    follower.caught_up()
    follower.see(Publisher(folder).promote(1))
    assert version_in(follower) == 1


def test_weights_of_another_size_are_refused(publisher: Publisher) -> None:
    update = publisher.promote(1)
    manifest = publisher.folder / "checkpoint-00000001" / "manifest.json"
    # Signed, so the hash is right: the configuration itself does not fit the weights.
    changed = manifest.read_bytes().replace(b'"num_layers": 1', b'"num_layers": 2')
    manifest.write_bytes(changed)
    import hashlib

    signed = publisher.key.sign_update(
        replace(update, manifest_sha256=hashlib.sha256(changed).hexdigest())
    )
    follower = follower_of(publisher)
    follower.see(signed)
    assert [one.reason for one in follower.refusals] == [Reason.FORMAT]


def test_a_broken_latest_falls_back_to_the_newest_good_one() -> None:
    loader = FakeLoader()
    loader.refusals = {4: UpdateRefused(Reason.HASH, "altered"), 3: UpdateRefused(Reason.HASH, "x")}
    follower = ModelFollower(ModelSlot(), loader, SettableClock())
    for update in _updates(4):
        follower.see(update)
    follower.caught_up()
    assert version_in(follower) == 2
    assert follower.state is ModelState.BEHIND


def test_a_broken_rollback_does_not_bring_back_what_it_took_back() -> None:
    loader = FakeLoader()
    loader.refusals = {4: UpdateRefused(Reason.MISSING, "gone")}
    follower = ModelFollower(ModelSlot(), loader, SettableClock())
    one, two, three, _ = _updates(4)
    rollback = replace(two, version=4, kind=UpdateKind.ROLLED_BACK)
    for update in (one, two, three, rollback):
        follower.see(update)
    follower.caught_up()
    assert version_in(follower) == 2


def test_a_rejected_checkpoint_is_history_only() -> None:
    follower = ModelFollower(ModelSlot(), FakeLoader(), SettableClock())
    follower.caught_up()
    one, two, _, _ = _updates(4)
    follower.see(one)
    follower.see(replace(two, kind=UpdateKind.REJECTED, reason="worse"))
    assert version_in(follower) == 1
    assert follower.state is ModelState.SERVING
    assert len(follower.history) == 2


def test_an_absent_store_is_asked_again_later() -> None:
    loader, clock = FakeLoader(), SettableClock()
    follower = ModelFollower(ModelSlot(), loader, clock)
    follower.caught_up()
    one, two, _, _ = _updates(4)
    follower.see(one)
    loader.refusals[2] = StoreUnavailable("not mounted")
    follower.see(two)
    follower.tend()
    assert loader.loaded == [1, 2], "not again at once"
    assert version_in(follower) == 1
    loader.refusals.clear()
    clock.advance(1.1)
    follower.tend()
    assert version_in(follower) == 2


def test_the_scores_shown_are_those_of_the_model_in_use() -> None:
    follower = ModelFollower(ModelSlot(), FakeLoader(), SettableClock())
    follower.caught_up()
    one, two, _, _ = _updates(4)
    follower.see(replace(one, metrics={"a": 1.0, "b": 2.0}))
    follower.see(replace(two, metrics={"b": 3.0}))
    (shown,) = metrics.MODEL_SCORE.collect()
    assert {sample.labels["name"]: sample.value for sample in shown.samples} == {"b": 3.0}
    (arithmetic,) = metrics.MODEL_ARITHMETIC.collect()
    assert [sample.labels["arithmetic"] for sample in arithmetic.samples] == ["fake"]


def test_other_models_updates_are_passed_over() -> None:
    follower = ModelFollower(ModelSlot(), FakeLoader(), SettableClock(), "errors")
    follower.caught_up()
    follower.see(replace(_updates(1)[0], model="other"))
    assert version_in(follower) == 0
    assert follower.history == []


def _updates(count: int) -> list[ModelUpdate]:
    return [
        ModelUpdate(
            model="errors",
            version=version,
            parent=None,
            kind=UpdateKind.PROMOTED,
            artifact_uri=f"checkpoint-{version:08d}",
            manifest_sha256="0" * 64,
            size_bytes=1,
            metrics={},
            lineage=(),
            examples_seen=version,
            created_at=SettableClock().now(),
            key_id="k",
            signature=b"",
        )
        for version in range(1, count + 1)
    ]
