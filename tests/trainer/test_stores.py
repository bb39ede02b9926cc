"""One set of cases for every place that checkpoints may lie at, and the faults of remote ones."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from fixstream.inference.loading import CheckpointLoader
from fixstream.inference.reload import StoreUnavailable
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected, Misconfigured
from fixstream.trainer.checkpoint import (
    MANIFEST,
    SIGNATURE,
    TOKENIZER,
    WEIGHTS,
    CheckpointNotWritten,
    CheckpointStore,
    Content,
    Counts,
    FolderCheckpointStore,
    Manifest,
    SigningKey,
    StoreUnreachable,
    open_store,
    open_update,
    stored_checkpoint,
)
from fixstream.trainer.features import HashedTokenizer
from fixstream.trainer.learner import Learner
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.recorder import CheckpointRecorder, Draft
from fixstream.trainer.resume import resume
from fixstream.trainer.service import signing_key_path
from fixstream.trainer.settings import LearningSettings, TrainerSettings
from fixstream.trainer.updates import UpdateHistory, update_of
from support.deadlines import eventually
from support.stores import FaultyFileSystem, faulty_place
from support.training import START, TINY_LEARNER, TINY_MODEL

MODEL = TrainedModel.fresh(TINY_MODEL, HashedTokenizer(TINY_LEARNER.tokenizer), seed=3)
CONTENT = Content({WEIGHTS: MODEL.tensors()}, {TOKENIZER: MODEL.tokenizer.to_json()})


def manifest(version: int = 1) -> Manifest:
    return Manifest(
        model="error-learning",
        version=version,
        parent=version - 1 or None,
        champion=version,
        kind=UpdateKind.PROMOTED,
        reason=None,
        created_at=START,
        config=TINY_MODEL,
        seed=3,
        counts=Counts(steps=7),
        batch_offsets=(),
        origin_offsets=(),
        lineage=(),
        metrics={},
        versions={},
    )


@pytest.fixture
def faulty() -> Iterator[type[FaultyFileSystem]]:
    with faulty_place() as place:
        yield place


@pytest.fixture(params=["folder", "file", "memory", "faulty"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "faulty":
        request.getfixturevalue("faulty")
    return {
        "folder": str(tmp_path / "models"),
        "file": f"file://{tmp_path}/models",
        "memory": f"memory://{uuid.uuid4().hex}/models",
        "faulty": "faulty://bucket/models",
    }[request.param]


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "keys" / "signing.pem")


def test_what_is_written_is_read_verified_and_listed(address: str, key: SigningKey) -> None:
    store = open_store(address)
    assert store.names() == []
    with store.exclusively():
        store.clear_unfinished()
        stored = [store.write(manifest(version), CONTENT, key) for version in (1, 2)]
    other = open_store(address)
    assert other.names() == ["checkpoint-00000001", "checkpoint-00000002"]
    assert stored_checkpoint(other, stored[1].name, key.trusting()) == stored[1]
    artifact = open_update(update_of(stored[1], key), other, key.trusting(), 1)
    assert TrainedModel.from_artifact(artifact).tensors().keys() == MODEL.tensors().keys()
    with pytest.raises(ValueError, match="exists already"):
        other.write(manifest(2), CONTENT, key)
    store.delete([stored[0].name, stored[0].name])
    assert other.names() == [stored[1].name]
    with pytest.raises(ArtifactRejected, match="cannot be read"):
        other.read(stored[0].name, MANIFEST)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("../keys", "signing.pem"),
        ("s3://bucket/checkpoint-00000001", MANIFEST),
        ("checkpoint-00000001/../../keys", MANIFEST),
        ("checkpoint-00000001", "../../keys/signing.pem"),
        ("checkpoint-00000001", ".."),
        ("checkpoint-00000001", "memory://x"),
    ],
)
def test_no_other_place_is_ever_read(address: str, name: str, file: str) -> None:
    with pytest.raises(ArtifactRejected, match="no name of a checkpoint"):
        open_store(address).read(name, file)


def test_a_file_over_its_limit_is_not_read(address: str, key: SigningKey) -> None:
    store = open_store(address)
    stored = store.write(manifest(), CONTENT, key)
    with pytest.raises(ArtifactRejected, match="too large"):
        store.read(stored.name, WEIGHTS, 10)


def test_without_a_manifest_it_is_no_checkpoint(faulty: type[FaultyFileSystem]) -> None:
    store = open_store("faulty://bucket/models")
    root = "/bucket/models/checkpoint-00000004"
    faulty().pipe_file(f"{root}/{WEIGHTS}", b"half")
    faulty().pipe_file(f"{root}/{SIGNATURE}", b"half")
    assert store.names() == []
    store.clear_unfinished()
    assert not [path for path in faulty.store if "checkpoint" in path]


def test_the_manifest_comes_last(faulty: type[FaultyFileSystem], key: SigningKey) -> None:
    open_store("faulty://bucket/models").write(manifest(), CONTENT, key)
    written = [c.rpartition("/")[2] for c in faulty.calls if c.startswith(("put", "pipe"))]
    assert written[-1] == MANIFEST
    assert set(written[:-1]) == {SIGNATURE, TOKENIZER, WEIGHTS}


@pytest.mark.parametrize("bytes_left", [0, 100, 5000])
def test_a_full_store_leaves_the_old_one_and_no_rubbish(
    faulty: type[FaultyFileSystem], key: SigningKey, bytes_left: int
) -> None:
    store = open_store("faulty://bucket/models")
    first = store.write(manifest(1), CONTENT, key)
    faulty.bytes_left = bytes_left
    with pytest.raises(CheckpointNotWritten, match="No space left"):
        store.write(manifest(2), CONTENT, key)
    assert store.names() == [first.name]
    assert not [path for path in faulty.store if "00000002" in path]
    faulty.bytes_left = None
    assert store.write(manifest(2), CONTENT, key).name == "checkpoint-00000002"


def test_a_lost_connection_is_no_empty_store(
    faulty: type[FaultyFileSystem], key: SigningKey, tmp_path: Path
) -> None:
    store = open_store("faulty://bucket/models")
    stored = store.write(manifest(), CONTENT, key)
    faulty.is_cut_off = True
    with pytest.raises(CheckpointNotWritten):
        store.write(manifest(2), CONTENT, key)
    for call in (
        store.names,
        store.clear_unfinished,
        lambda: store.delete([stored.name]),
        lambda: store.read(stored.name, MANIFEST),
        store.exclusively().__enter__,
        # Taken for empty, or for spoilt, it would make the trainer begin from nothing.
        lambda: resume(store, key.trusting(), UpdateHistory(), Learner(TINY_LEARNER)),
    ):
        with pytest.raises(StoreUnreachable, match="nobody there"):
            call()
    loader = CheckpointLoader(store, tmp_path / "keys")
    update = update_of(stored, key)
    loader.verify(update)
    with pytest.raises(StoreUnavailable, match="nobody there"):
        loader.load(update)


def test_a_lost_answer_to_the_last_write_is_settled_by_the_next(
    faulty: type[FaultyFileSystem], key: SigningKey
) -> None:
    store = open_store("faulty://bucket/models")
    faulty.loses_answer_for = MANIFEST
    with pytest.raises(CheckpointNotWritten):
        store.write(manifest(), CONTENT, key)
    faulty.loses_answer_for, faulty.is_cut_off = None, False
    assert store.names() == ["checkpoint-00000001"]  # It has arrived, and it is whole.
    later = replace(manifest(), reason="with more steps")
    store.write(later, CONTENT, key)
    assert stored_checkpoint(store, "checkpoint-00000001", key.trusting()).manifest.reason


def test_another_writers_checkpoint_is_not_written_over(
    faulty: type[FaultyFileSystem], key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store("faulty://bucket/models")
    path = f"/bucket/models/checkpoint-00000001/{MANIFEST}"
    put = FaultyFileSystem.put_file

    def overtaken(self: FaultyFileSystem, lpath: str, rpath: str) -> None:
        put(self, lpath, rpath)
        if path not in faulty.store:
            self.pipe_file(path, b"another's")

    monkeypatch.setattr(FaultyFileSystem, "put_file", overtaken)
    with pytest.raises(CheckpointNotWritten, match="another writer"):
        store.write(manifest(), CONTENT, key)
    assert store.read("checkpoint-00000001", MANIFEST) == b"another's"


def test_a_slow_store_does_not_keep_the_recorder_from_being_asked(
    faulty: type[FaultyFileSystem], key: SigningKey
) -> None:
    faulty.may_write = threading.Event()
    published: list[int] = []
    recorder = CheckpointRecorder(
        open_store("faulty://bucket/models"), key, lambda u: published.append(u.version), num_kept=2
    )
    try:
        recorder.submit(lambda: Draft(manifest(), CONTENT))
        eventually(lambda: any(c.startswith("put") for c in faulty.calls), 20.0)
        assert recorder.collect() is None
        assert not published
        faulty.may_write.set()
        recorded = recorder.collect(20.0)
    finally:
        faulty.may_write.set()
        recorder.close()
    assert recorded is not None
    assert recorded.stored is not None
    assert published == [1]


def test_a_published_checkpoint_counts_when_old_ones_cannot_be_deleted(
    tmp_path: Path, key: SigningKey
) -> None:
    class Stubborn(FolderCheckpointStore):
        def delete(self, names: object) -> None:
            raise StoreUnreachable("not now")

    recorder = CheckpointRecorder(Stubborn(tmp_path / "m"), key, lambda _: None, num_kept=2)
    recorder.submit(lambda: Draft(manifest(), CONTENT))
    recorded = recorder.collect(20.0)
    recorder.close()
    assert recorded is not None
    assert recorded.stored is not None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nowhere://bucket", "Protocol not known: nowhere"),
        ("memory://", "names no place"),
        ("simplecache::memory://x", "chain of addresses"),
        ("file://relative", "whole path"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(address: str, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason):
        open_store(address)


def test_a_missing_driver_is_told_by_its_package() -> None:
    if find_spec("s3fs") is not None:
        pytest.skip("s3fs is installed here")
    with pytest.raises(Misconfigured, match="s3fs"):
        open_store("s3://bucket/models")


def test_a_password_in_a_url_is_not_shown() -> None:
    shown = open_store("memory://user:secret@host/models").place
    assert shown == "memory://host/models"


def test_the_key_of_a_remote_store_has_to_be_named(tmp_path: Path) -> None:
    remote = LearningSettings(checkpoint_dir="s3://bucket/models")
    with pytest.raises(Misconfigured, match="FIXSTREAM_TRAINER_SIGNING_KEY is needed"):
        signing_key_path(TrainerSettings(), remote)
    named = tmp_path / "signing.pem"
    assert signing_key_path(TrainerSettings(signing_key=named), remote) == named
    local = LearningSettings(checkpoint_dir=f"file://{tmp_path}")
    assert signing_key_path(TrainerSettings(), local) == tmp_path / "keys" / "signing.pem"


def test_a_real_limit_of_the_system_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The kernel cuts writes off in the middle, as a full disk does."""
    code = (
        "import importlib.util, resource, sys\n"
        "from pathlib import Path\n"
        f"spec = importlib.util.spec_from_file_location('cases', {str(Path(__file__))!r})\n"
        "cases = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(cases)\n"
        "cases.write_under_a_limit(Path(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "refused" in done.stdout


def write_under_a_limit(folder: Path) -> None:
    """Runs in a process of its own, whose files may not grow over a few thousand bytes."""
    import resource

    store: CheckpointStore = open_store(folder / "models")
    key = SigningKey.load_or_create(folder / "keys" / "signing.pem")
    first = store.write(manifest(1), CONTENT, key)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        store.write(manifest(2), CONTENT, key)
    except CheckpointNotWritten as error:
        print("refused:", error)  # noqa: T201 - the parent reads it
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert store.names() == [first.name]
    assert [path.name for path in (folder / "models").iterdir()] == [first.name]
    stored_checkpoint(store, first.name, key.trusting())
    store.write(manifest(2), CONTENT, key)
