"""How long `/predict` takes at full size: ours beside a plain FastAPI service on the same model.

    python benchmarks/predict.py [--requests 300] [--clients 1 8]

Both run as processes of their own with an untrained model of the specification's size (times do
not depend on the weights' values) and the starter fixes, behind uvicorn. The plain one is what one
would write first: float32, one model call a request in the default thread pool, no cache. The
requests of both are interleaved, so that a busy machine slows them alike. Errors have 64 tokens
and are all different; the cached figure asks the same one again.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from reporting import keep

from fixstream.trainer.features import ErrorText, HashedTokenizer

# As the service does; torch is loaded later, in the processes that serve.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# The wiring without Kafka is the tests' own, so that both speak of the same service.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

WORDS = (
    *("connection", "refused", "by", "the", "ledger", "while", "reserving", "stock", "for"),
    *("order", "pool", "exhausted", "waiting", "certificate", "expired", "token", "signature"),
    *("rejected", "database", "locked", "quota", "exceeded", "upstream", "timed", "out", "retry"),
    *("shard", "replica", "schema", "column", "missing", "payload", "truncated", "permission"),
)
NUM_TOKENS = 64
TOKENIZER = HashedTokenizer()
THREADS = min(os.cpu_count() or 1, 4)
WARM_UP = 20
PATH = "/api/v1/learning/predict"


def error_of(number: int) -> str:
    """A body with an error that no other number has, 64 tokens long for the model."""
    chosen = random.Random(number)
    words = [f"case {''.join(chosen.choices('bcdfgklmnprstvz', k=6))}"]
    while len(TOKENIZER.encode(ErrorText(" ".join(words), "LedgerError")).token_ids) < NUM_TOKENS:
        words.append(chosen.choice(WORDS))
    return json.dumps({"error_message": " ".join(words), "error_type": "LedgerError"})


def full_size_model() -> Any:
    """An untrained model of the specification's size."""
    from fixstream.trainer.model import ModelConfig, TrainedModel

    return TrainedModel.fresh(ModelConfig(), HashedTokenizer(), seed=1)


def over_the_same_tensors(model: Any) -> Any:
    """As the loader makes a second one from a checkpoint."""
    from fixstream.trainer.model import TrainedModel

    tokenizer_json = model.tokenizer.to_json()
    return TrainedModel.from_tensors(model.network.config, tokenizer_json, model.tensors())


def serve_ours(ready: Connection) -> None:
    """Our service without Kafka: the parts of a request and nothing else."""
    import torch

    from fixstream.inference.loading import TorchModel, warmed
    from fixstream.inference.service import SWITCH_INTERVAL_S
    from fixstream.inference.starter import starter_solutions
    from support.inference import ServiceOptions, service

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    torch.set_num_threads(THREADS)
    with service(ServiceOptions()) as running:
        for one in starter_solutions():
            running.knowledge.put(one)
        running.knowledge.commit()
        exact = full_size_model()
        choice = warmed(exact, lambda: over_the_same_tensors(exact))
        running.slot.swap(TorchModel(choice.model, 1, choice.arithmetic))
        _listen(running.app, ready, running.slot.precision or "")


def serve_plain(ready: Connection) -> None:
    """The baseline: float32, one call a request in the default pool, labels only, no cache."""
    import asyncio

    import torch

    torch.set_num_threads(THREADS)
    model = full_size_model()
    app = FastAPI()

    @app.post(PATH)
    async def predict(request: Request) -> dict[str, str]:
        body = await request.json()
        text = ErrorText(body["error_message"], body["error_type"])
        (answer,) = await asyncio.to_thread(model.predict, [text])
        return {"domain": answer.domain.value, "category": answer.category.value}

    _listen(app, ready, "float32")


def _listen(app: Any, ready: Connection, precision: str) -> None:
    import uvicorn

    from fixstream.inference.service import listening

    with listening("127.0.0.1", 0) as listener:
        ready.send((listener.getsockname()[1], precision))
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


@dataclass(frozen=True)
class Server:
    """A service in a process of its own."""

    port: int
    precision: str


@contextmanager
def started(target: Callable[[Connection], None]) -> Iterator[Server]:
    """Starts a service and ends it with the block."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=target, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Server(*ours.recv())
    finally:
        process.terminate()
        process.join()


class Client:
    """One connection, kept open; the standard library's client costs less than what it measures."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def ask(self, body: str) -> float:
        """Milliseconds that an answer took."""
        started_at = time.perf_counter()
        self._connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return (time.perf_counter() - started_at) * 1000


def one_by_one(servers: dict[str, Server], num_requests: int) -> dict[str, list[float]]:
    """Times of one client that asks each service in turn."""
    clients = {name: Client(server) for name, server in servers.items()}
    times: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(-WARM_UP, num_requests):
        for name, client in clients.items():
            taken = client.ask(error_of(number))
            if number >= 0:
                times[name].append(taken)
    return times


def cached(server: Server, num_requests: int) -> list[float]:
    """Times of one client that asks the same again."""
    client, body = Client(server), error_of(0)
    return [client.ask(body) for _ in range(num_requests + WARM_UP)][WARM_UP:]


def at_once(server: Server, num_clients: int, num_requests: int, first: int) -> dict[str, float]:
    """Rate and times when several clients ask as fast as they are answered."""
    times: list[float] = []
    bodies = [error_of(first + number) for number in range(num_requests)]

    def ask(share: list[str]) -> None:
        client = Client(server)
        times.extend([client.ask(body) for body in share])

    threads = [
        threading.Thread(target=ask, args=(bodies[number::num_clients],))
        for number in range(num_clients)
    ]
    started_at = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = num_requests / (time.perf_counter() - started_at)
    return {"requests_per_s": round(rate, 1), **percentiles(times)}


def percentiles(times: list[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    cuts = statistics.quantiles(times, n=100)
    return {"p50_ms": round(cuts[49], 2), "p99_ms": round(cuts[98], 2)}


def main() -> None:
    """Measures and keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    with ExitStack() as stack:
        servers = {
            "ours": stack.enter_context(started(serve_ours)),
            "plain": stack.enter_context(started(serve_plain)),
        }
        alone = one_by_one(servers, options.requests)
        figures: dict[str, Any] = {
            "tokens": NUM_TOKENS,
            "precision": servers["ours"].precision,
            "torch_threads": THREADS,
            "one_client": {name: percentiles(times) for name, times in alone.items()},
            "one_client_cached": percentiles(cached(servers["ours"], options.requests)),
        }
        for turn, name in enumerate(servers):
            first = (turn + 1) * 100_000
            figures[f"{options.clients}_clients_{name}"] = at_once(
                servers[name], options.clients, options.requests, first
            )
    keep("predict", figures)


if __name__ == "__main__":
    main()
