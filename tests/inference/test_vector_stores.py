"""Every vector store goes through the same cases; Qdrant's own client runs without a server here.

`FIXSTREAM_TEST_QDRANT=http://host:6333` runs them against a server as well.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from structlog.testing import capture_logs

from fixstream.inference.advisor import AskedError
from fixstream.inference.analysis import error_terms
from fixstream.inference.embedder import Embedder
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.qdrant_stores import PAUSE_S, QdrantStores
from fixstream.inference.served import Vectors
from fixstream.inference.settings import InferenceSettings
from fixstream.inference.store_choice import vector_stores
from fixstream.inference.suggest import Advice
from fixstream.inference.vectors import (
    MemoryStores,
    VectorStore,
    VectorStores,
    VectorStoreUnavailable,
)
from fixstream.runtime.clock import SettableClock
from fixstream.schemas.errors import Misconfigured
from fixstream.triage.scrub import Scrubber
from support.inference import service, solution

DIM = 8
AXES = np.eye(DIM, dtype=np.float32)
PATIENCE_S = 30.0


@pytest.fixture(params=["memory", "qdrant", "qdrant server"])
def stores(request: pytest.FixtureRequest) -> Iterator[VectorStores]:
    server = os.environ.get("FIXSTREAM_TEST_QDRANT")
    if request.param == "memory":
        yield MemoryStores()
        return
    if request.param == "qdrant server" and not server:
        pytest.skip("no FIXSTREAM_TEST_QDRANT names a Qdrant server")
    client = QdrantClient(url=server) if request.param != "qdrant" else QdrantClient(":memory:")
    prefix = f"test-{uuid.uuid4().hex}-"
    with closing(QdrantStores(client, SettableClock(), prefix, PATIENCE_S)) as made:
        yield made
        for one in client.get_collections().collections:
            if one.name.startswith(prefix):
                client.delete_collection(one.name)


def filled(stores: VectorStores, *keys: str) -> VectorStore:
    """A store in which each key lies on an axis of its own."""
    store = stores.open("learned-1", DIM)
    store.put({key: f"digest of {key}" for key in keys}, AXES[: len(keys)])
    return store


def test_the_nearest_come_with_their_similarity(stores: VectorStores) -> None:
    store = filled(stores, "a", "b", "c")
    between: Vectors = (0.8 * AXES[0] + 0.6 * AXES[1]).astype(np.float32)
    found = store.similar(between, 2, [])
    assert found == {"a": pytest.approx(0.8, abs=1e-5), "b": pytest.approx(0.6, abs=1e-5)}


def test_the_length_of_a_vector_says_nothing(stores: VectorStores) -> None:
    store = stores.open("learned-1", DIM)
    store.put({"long": "", "short": ""}, np.stack([5 * AXES[0], 0.1 * AXES[1]]))
    found = store.similar((3 * AXES[0] + 3 * AXES[1]).astype(np.float32), 2, [])
    assert found == {name: pytest.approx(0.5**0.5, abs=1e-5) for name in ("long", "short")}


def test_named_keys_are_compared_however_far_they_are(stores: VectorStores) -> None:
    store = filled(stores, "a", "b", "c")
    assert store.similar(AXES[0], 0, ["b", "nobody"]) == {"b": pytest.approx(0.0, abs=1e-5)}
    assert set(store.similar(AXES[0], 1, ["b"])) == {"a", "b"}
    assert store.similar(AXES[0], 0, []) == {}


def test_an_empty_store_finds_nothing(stores: VectorStores) -> None:
    store = stores.open("learned-1", DIM)
    assert store.similar(AXES[0], 3, ["a"]) == {}
    assert store.keys() == []


def test_what_is_put_again_is_replaced(stores: VectorStores) -> None:
    store = filled(stores, "a", "b")
    store.put({"a": "another text"}, AXES[2:3])
    assert store.similar(AXES[2], 1, []) == {"a": pytest.approx(1.0, abs=1e-5)}
    assert sorted(store.keys()) == ["a", "b"]
    assert store.held({"a": "digest of a", "b": "digest of b", "c": ""}) == {"b"}
    assert store.held({"a": "another text"}) == {"a"}


def test_what_was_removed_is_gone_at_once_and_for_good(stores: VectorStores) -> None:
    store = filled(stores, "a", "b")
    store.remove("a")
    store.remove("never there")
    for _ in range(2):
        assert set(store.similar(AXES[0], 2, ["a", "b"])) == {"b"}
        assert store.keys() == ["b"]
        assert store.held({"a": "digest of a"}) == set()
        store.settle()
    store.put({"a": "again"}, AXES[:1])
    store.settle()
    assert set(store.similar(AXES[0], 1, [])) == {"a"}


def test_versions_stand_side_by_side(stores: VectorStores) -> None:
    store = filled(stores, "a")
    other = stores.open("learned-2", DIM // 2)
    other.put({"b": ""}, AXES[:1, : DIM // 2])
    assert store.keys() == ["a"]
    other.drop()
    assert store.keys() == ["a"]
    assert stores.open("learned-2", DIM).keys() == []


class Numbers:
    """Encodes a fix as the axis that its title names, and counts what it has read."""

    version = 1

    def __init__(self) -> None:
        self.num_read = 0

    def encode(self, version: int, texts: Sequence[str]) -> Vectors:
        self.num_read += len(texts)
        return np.stack([AXES[int(text.split()[0]) if text[0].isdigit() else 0] for text in texts])


REFUSED = error_terms(None, "nobody listens", None)


def test_a_knowledge_base_finds_and_forgets_by_any_store(stores: VectorStores) -> None:
    with closing(KnowledgeBase(Scrubber(), stores)) as base:
        for number in range(4):
            base.put(solution(f"fix-{number}", f"{number} number"))
        base.commit()
        embedder = Embedder(base, base.sentences, Numbers())
        embedder.catch_up()

        def found(axis: int) -> set[str]:
            near = base.search(REFUSED, None, 1, sentence=AXES[axis])
            return {one.solution.solution_id for one in near if one.sentence_similarity}

        assert found(2) == {"fix-2"}
        base.remove("fix-2")
        assert found(2) == set()
        base.put(solution("fix-3", "1 number"))
        embedder.catch_up()
        assert found(3) == set()
        assert base.sentences.held(1, {"fix-2": ""}) == set()


def test_another_instance_reads_nothing_that_is_held() -> None:
    first, second = Numbers(), Numbers()
    with closing(QdrantStores(QdrantClient(":memory:"), SettableClock())) as stores:
        for encoder in (first, second):
            with closing(KnowledgeBase(Scrubber(), stores)) as base:
                base.put(solution("fix-1", "1 number"))
                Embedder(base, base.sentences, encoder).catch_up()
                assert base.sentences.version == 1
    assert (first.num_read, second.num_read) == (2, 1), "a probe each, and the fix once"


def test_a_store_that_does_not_answer_costs_its_time_limit_once() -> None:
    clock, late, again = SettableClock(), threading.Event(), threading.Event()
    with closing(QdrantStores(QdrantClient(":memory:"), clock, limit_s=0.01)) as slow:
        with capture_logs() as logs:
            assert not slow.ask(lambda: late.wait(PATIENCE_S), otherwise=False)
        slow.ask(again.set, None)
        assert not again.is_set(), "left alone for a while"
        clock.advance(2 * PAUSE_S)
        slow.ask(again.set, None)
        assert again.wait(PATIENCE_S)
        late.set()
    assert [log["event"] for log in logs] == ["no vectors in time"]


def test_words_find_without_the_store() -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    closed.close()
    client = QdrantClient(url=address, timeout=1, check_compatibility=False)
    with (
        closing(QdrantStores(client, SettableClock())) as stores,
        closing(KnowledgeBase(Scrubber(), stores)) as base,
    ):
        base.put(solution("a", "nobody listens at that port"))
        base.commit()
        with pytest.raises(VectorStoreUnavailable):
            Embedder(base, base.sentences, Numbers()).catch_up()
        found = base.search(REFUSED, None, 5, sentence=AXES[0])
        assert [one.solution.solution_id for one in found] == ["a"]


@pytest.mark.parametrize("is_remote", [True, False])
async def test_the_event_loop_waits_for_no_other_machine(
    is_remote: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    with service() as running:
        advise = running.suggester.advise

        def noted(*asked: Any) -> Advice:
            threads.append(threading.current_thread().name)
            return advise(*asked)

        monkeypatch.setattr(running.suggester, "advise", noted)
        running.knowledge.is_remote = is_remote
        await running.parts.advisor.advise(AskedError("database is locked"))
    assert (threads == ["MainThread"]) is not is_remote


def settings(**given: str) -> InferenceSettings:
    return InferenceSettings(_env_file=None, **given)  # type: ignore[arg-type, call-arg]


def test_the_setting_chooses() -> None:
    clock = SettableClock()
    assert isinstance(vector_stores(settings(), "p-", clock), MemoryStores)
    chosen = settings(vector_store="https://qdrant.example", vector_store_key="not-to-be-shown")
    with closing(vector_stores(chosen, "p-", clock)) as stores:
        assert isinstance(stores, QdrantStores)
    assert "not-to-be-shown" not in repr(chosen)
    for wrong in ("qdrant", "file:///etc", "http://"):
        with pytest.raises(Misconfigured, match="FIXSTREAM_INFERENCE_VECTOR_STORE"):
            vector_stores(settings(vector_store=wrong), "p-", clock)
