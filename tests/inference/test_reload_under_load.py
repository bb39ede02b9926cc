"""Reloads while clients ask over real HTTP: no request fails, none sees two models."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import uvicorn

from fixstream.inference.loading import CheckpointLoader
from fixstream.inference.service import listening, serve
from fixstream.runtime.stopping import StopSignal
from fixstream.trainer.checkpoint import FolderCheckpointStore
from support.deadlines import eventually
from support.inference import Publisher, ServiceOptions, service, solution
from support.loop import Clients

NUM_CLIENTS = 50
NUM_RELOADS = 8


def test_fifty_clients_see_no_failed_request(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "trainer")
    loader = CheckpointLoader(FolderCheckpointStore(publisher.folder), publisher.folder / "keys")
    stop = StopSignal()
    with service(ServiceOptions(loader=loader)) as running, listening("127.0.0.1", 0) as listener:
        running.knowledge.put(solution("a", "client cannot connect"))
        running.knowledge.commit()
        running.follower.see(publisher.promote(1))
        config = uvicorn.Config(running.app, lifespan="off", log_config=None, access_log=False)
        server = threading.Thread(target=serve, args=(config, listener, stop))
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/learning/predict"
        clients = Clients(url, NUM_CLIENTS)
        try:
            with clients.running():
                for version in range(2, NUM_RELOADS + 2):
                    running.follower.see(publisher.promote(version))
                    _wait_for_answers(clients, clients.num_answers + NUM_CLIENTS)
        finally:
            stop.set()
            server.join()
        assert clients.failures == []
        assert clients.versions >= set(range(2, NUM_RELOADS + 1))
        assert running.slot.version == NUM_RELOADS + 1
        assert running.slot.num_reloads == NUM_RELOADS
        assert eventually(lambda: running.slot.num_held == 1)
        assert running.follower.num_refused == 0


def _wait_for_answers(clients: Clients, wanted: int) -> None:
    eventually(lambda: clients.num_answers >= wanted, 30)


def test_a_taken_port_is_told_in_one_line() -> None:
    from fixstream.schemas.errors import Misconfigured

    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with (
            pytest.raises(Misconfigured, match="FIXSTREAM_INFERENCE_PORT"),
            listening("127.0.0.1", port),
        ):
            pass
