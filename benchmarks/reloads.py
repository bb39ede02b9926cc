"""Whether memory stays flat over many reloads, and what clients see of them meanwhile.

    python benchmarks/reloads.py [--reloads 200] [--full-size-reloads 10] [--clients 50]

A service as in `predict`, in a process of its own, loads one signed checkpoint after another while
clients ask over HTTP without a pause; its fixes are embedded anew beside it. Once with a small
model for the count, once at full size. An answer is wrong if it is no 200, or of a model that did
not serve at any moment between question and answer; a 503 because more wait than can be served in
time is counted by itself. Resident memory is the whole process's. The
baseline is the service itself after `SETTLED` reloads: what each adds from then on is what leaks.
"""

from __future__ import annotations

import argparse
import functools
import http.client
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from predict import PATH, Client, Server, error_of, percentiles, serve_ours, started
from reporting import keep

SMALL: dict[str, Any] = {
    "vocab_size": 20_000,
    "embedding_dim": 64,
    "hidden_dim": 32,
    "num_heads": 2,
    "num_layers": 1,
    "solution_dim": 16,
    "wide_buckets": 1024,
}
"""Five megabytes of weights: one that is kept by mistake shows in a few reloads."""
TOLD = (20, 100, 200)
SETTLED = 20
"""Reloads after which pools and caches have the size that they keep."""
NUM_BODIES = 400


@dataclass
class Watch:
    """Clients that ask without a pause, and judge each answer."""

    server: Server
    wrong: list[str] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)
    num_turned_away: int = 0
    oldest: int = 1
    """The version that serves for certain."""
    newest: int = 1
    """The newest version that may serve."""
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self, num_clients: int, bodies: list[str]) -> Iterator[None]:
        """Lets them ask while the block runs."""
        threads = [
            threading.Thread(target=self._ask, args=(number, bodies))
            for number in range(num_clients)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _ask(self, number: int, bodies: list[str]) -> None:
        client, chosen = Client(self.server), random.Random(number)
        while not self._over.is_set():
            oldest = self.oldest
            try:
                found = client.answer(chosen.choice(bodies))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}"[:200])
                return
            if found.status == 503:
                self.num_turned_away += 1
                self._over.wait(1.0)  # As its Retry-After says.
                continue
            self.times_ms.append(found.milliseconds)
            version = found.document.get("model_version", -1)
            if found.status != 200 or not oldest <= version <= self.newest:
                self.wrong.append(
                    f"{found.status}, version {version}, not of {oldest} to {self.newest}"
                )


def soak(num_reloads: int, num_clients: int, size: dict[str, Any]) -> dict[str, Any]:
    """Reloads under load; memory in megabytes, times in milliseconds."""
    bodies = [error_of(number) for number in range(NUM_BODIES)]
    resident_mb: list[float] = []
    until_serving: list[float] = []
    with started(functools.partial(serve_ours, **size)) as server:
        watch = Watch(server)
        with watch.asking(num_clients, bodies):
            for version in range(2, num_reloads + 2):
                watch.newest = version
                until_serving.append(server.reload(version))
                watch.oldest = version
                wanted = len(watch.times_ms) + num_clients
                while len(watch.times_ms) < wanted and not watch.wrong:
                    time.sleep(0.01)
                resident_mb.append(_resident_mb(server.pid))
        arithmetic = server.precision
    settled = np.array(resident_mb[min(SETTLED, num_reloads // 2) :])
    return {
        "reloads": num_reloads,
        "clients": num_clients,
        "arithmetic": arithmetic,
        "answers": len(watch.times_ms),
        "turned_away": watch.num_turned_away,
        "wrong_answers": len(watch.wrong),
        "examples_of_wrong": watch.wrong[:5],
        "resident_mb_after": {
            str(number): round(resident_mb[number - 1], 1)
            for number in (1, *TOLD, num_reloads)
            if number <= num_reloads
        },
        "mb_a_reload_once_settled": round(
            float(np.polyfit(np.arange(len(settled)), settled, 1)[0]), 3
        ),
        "promote_to_serving_s": {
            "median": round(float(np.median(until_serving)), 2),
            "longest": round(max(until_serving), 2),
        },
        "answers_ms": percentiles(watch.times_ms),
    }


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Measures and keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reloads", type=int, default=200)
    parser.add_argument("--full-size-reloads", type=int, default=10)
    parser.add_argument("--clients", type=int, default=50)
    options = parser.parse_args()
    figures = {
        "path": PATH,
        "small_model": soak(options.reloads, options.clients, SMALL),
        "full_size": soak(options.full_size_reloads, options.clients, {}),
    }
    keep("reloads", figures)


if __name__ == "__main__":
    main()
