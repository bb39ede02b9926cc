"""What `/readyz` says of every way in which a reload can go wrong, and that serving goes on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from fixstream.inference.api import PREFIX
from fixstream.inference.loading import CheckpointLoader
from fixstream.inference.served import ErrorText, Prediction
from fixstream.runtime.clock import SettableClock
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.records import ModelUpdate
from support import inference as support
from support.inference import FakeModel, Publisher, Service, ServiceOptions, service

NUM_CLIENTS = 50
ERROR = {"error_message": "database is locked"}


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "trainer")


def options(publisher: Publisher, clock: SettableClock) -> ServiceOptions:
    loader = CheckpointLoader(publisher.store, publisher.folder / "keys")
    return ServiceOptions(loader=loader, clock=clock)


async def seen(running: Service) -> tuple[dict[str, Any], int]:
    """The answer of `/readyz`, and the version that serves a request."""
    transport = httpx.ASGITransport(running.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        ready = await client.get("/readyz")
        assert ready.status_code == 200, "no state of the model turns requests away"
        answer = await client.post(f"{PREFIX}/predict", json=ERROR)
        assert answer.status_code == 200
        return ready.json(), answer.json()["model_version"]


async def test_no_model(publisher: Publisher) -> None:
    with service(options(publisher, SettableClock())) as running:
        ready, version = await seen(running)
    assert (ready["model"], ready["model_version"], version) == ("no_model", 0, 0)
    assert ready["last_refused_update"] is None


def _broken(publisher: Publisher) -> ModelUpdate:
    update = publisher.promote(2)
    path = publisher.folder / update.artifact_uri / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    return update


def _downgraded(publisher: Publisher) -> ModelUpdate:
    return publisher.update(1, examples_seen=7)


def _stranger_s(publisher: Publisher) -> ModelUpdate:
    stranger = Publisher(publisher.folder.parent / "stranger")
    return stranger.key.sign_update(publisher.promote(2))


def _elsewhere(publisher: Publisher) -> ModelUpdate:
    return publisher.update(2, artifact_uri="../../etc")


@pytest.mark.parametrize(
    ("bad", "state", "reason"),
    [
        (_broken, "behind", "hash"),
        (_downgraded, "serving", "version"),
        (_stranger_s, "serving", "signature"),
        (_elsewhere, "behind", "location"),
    ],
)
async def test_a_bad_update_is_named_and_the_last_good_model_serves(
    publisher: Publisher, bad: Callable[[Publisher], ModelUpdate], state: str, reason: str
) -> None:
    with service(options(publisher, SettableClock())) as running:
        running.follower.see(publisher.promote(1))
        running.follower.see(bad(publisher))
        ready, version = await seen(running)
    assert version == 1
    assert (ready["model"], ready["model_version"]) == (state, 1)
    assert ready["last_refused_update"]["reason"] == reason
    assert ready["last_refused_update"]["detail"]


async def test_a_replay_is_no_news(publisher: Publisher) -> None:
    with service(options(publisher, SettableClock())) as running:
        first = publisher.promote(1)
        for update in (first, publisher.promote(2), first):
            running.follower.see(update)
        ready, version = await seen(running)
    assert (ready["model"], version, ready["last_refused_update"]) == ("serving", 2, None)


async def test_a_store_that_is_away_is_told_and_asked_again(publisher: Publisher) -> None:
    clock = SettableClock()
    with service(options(publisher, clock)) as running:
        running.follower.see(publisher.promote(1))
        update = publisher.promote(2)
        away = publisher.folder.with_name("away")
        publisher.folder.rename(away)
        running.follower.see(update)
        ready, version = await seen(running)
        assert (ready["model"], version, ready["model_wanted"]) == ("behind", 1, 2)
        assert "not there" in ready["model_store"]
        away.rename(publisher.folder)
        clock.advance(1.1)
        running.follower.tend()
        ready, version = await seen(running)
    assert (ready["model"], version, ready["model_wanted"]) == ("serving", 2, None)
    assert ready["model_store"] == "available"


class Telling(FakeModel):
    """Its labels, its sureness and its version belong together."""

    def predict(self, texts: Sequence[ErrorText]) -> list[Prediction]:
        return [
            support.prediction(self.version, 0.5 + self.version / 1000)
            for _ in super().predict(texts)
        ]


async def test_no_answer_is_of_two_models() -> None:
    with service() as running:
        running.slot.swap(Telling(1))
        transport = httpx.ASGITransport(running.app)
        found: list[tuple[int, float]] = []
        is_over = False

        async def ask(number: int, client: httpx.AsyncClient) -> None:
            turn = 0
            while not is_over:
                turn += 1
                await asyncio.sleep(0)  # A cached answer would let nobody else have a turn.
                body = {"error_message": f"client {number} cannot connect in turn {turn % 3}"}
                answer = await client.post(f"{PREFIX}/predict", json=body)
                assert answer.status_code == 200
                said = answer.json()
                labels = said["predictions"].values()
                assert len({one["confidence"] for one in labels}) == 1
                found.append((said["model_version"], said["predictions"]["domain"]["confidence"]))

        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            asking = [asyncio.create_task(ask(number, client)) for number in range(NUM_CLIENTS)]
            for version in range(2, 22):
                running.slot.swap(Telling(version))
                wanted = len(found) + NUM_CLIENTS
                while len(found) < wanted and not any(one.done() for one in asking):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)  # The clients' turn.
            is_over = True
            await asyncio.gather(*asking)
    assert {version for version, _ in found} >= set(range(2, 21))
    assert {(v, c) for v, c in found if c != round(0.5 + v / 1000, 4)} == set()
    assert running.slot.num_held == 1


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_stays_flat_over_two_hundred_reloads(publisher: Publisher) -> None:
    # Large enough that one model kept by mistake is seen: five megabytes each. The allocator keeps
    # and gives back some on its own account, so a tenth of a model a reload is the bound.
    publisher.config = replace(publisher.config, vocab_size=20_000, embedding_dim=64)
    first = publisher.promote(1)
    resident_mb: list[float] = []
    with service(options(publisher, SettableClock())) as running:
        running.follower.see(first)
        for version in range(2, 202):
            again = replace(first, version=version, kind=UpdateKind.ROLLED_BACK)
            running.follower.see(publisher.key.sign_update(again))
            with running.slot.lease() as model:
                assert model is not None
                model.predict([ErrorText("database is locked")])
            resident_mb.append(_resident_mb())
        assert (running.slot.version, running.slot.num_held) == (201, 1)
        assert running.follower.num_refused == 0
    settled = np.array(resident_mb[50:])
    slope = float(np.polyfit(np.arange(len(settled)), settled, 1)[0])
    assert slope < 0.5, f"{slope:.3f} MB a reload, of {resident_mb[50::25]}"


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
