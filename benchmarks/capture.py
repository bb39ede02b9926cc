"""What capture costs its host: a FastAPI route with nothing, with fixstream, and with sentry-sdk.

    python -m benchmarks capture

Every variant runs in the same process, its requests interleaved with the others', so that a busy
machine slows all alike. Requests are driven straight through ASGI: no sockets. `sentry-sdk` is the
baseline, with a transport that throws away; where it is not installed the result says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from reporting import keep

from fixstream.producers.capture import CaptureConfig
from fixstream.producers.kafka_sink import KafkaSink, KafkaSinkConfig
from fixstream.producers.middleware import ErrorLearningMiddleware
from fixstream.producers.reporter import ErrorReporter, ReporterConfig, Sighting
from fixstream.producers.storm import StormConfig
from fixstream.runtime.clock import SettableClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.enums import EventSource

ROUNDS = 1000
FAILING_ROUNDS = 250
"""Fewer: the baseline takes tens of milliseconds for each."""
STORM_PER_S = 10_000
STORM_S = 3.0
HOUR_S = 3600

App = Callable[[Any, Any, Any], Any]


def shop() -> FastAPI:
    """Two routes: one that does nothing, one that fails five calls deep."""
    app = FastAPI()

    @app.get("/fine")
    async def fine() -> None:
        return None

    @app.get("/broken/{depth}")
    async def broken(depth: int) -> None:
        descend(depth)

    return app


def descend(depth: int) -> None:
    """Fail `depth` calls further down, with a cause."""
    if depth > 0:
        descend(depth - 1)
        return
    try:
        {}["sku"]  # type: ignore[index]
    except KeyError as error:
        raise ValueError(f"no price for order {time.monotonic_ns()}") from error


def no_storm_limit() -> StormConfig:
    """So that every exception of the benchmark is captured whole."""
    return StormConfig(burst=10**9)


def with_fixstream() -> tuple[App, KafkaSink]:
    """The app behind our middleware; the broker is away, the worker works all the same."""
    sink = KafkaSink(KafkaSettings(bootstrap_servers="localhost:1"), KafkaSinkConfig())
    config = ReporterConfig(capture=CaptureConfig(service="bench"), storm=no_storm_limit())
    app = shop()
    app.add_middleware(ErrorLearningMiddleware, reporter=ErrorReporter(sink, config))
    return app, sink


def with_sentry() -> App | None:
    """The app behind sentry-sdk's own middleware, events thrown away; None if not installed."""
    try:
        import sentry_sdk
        from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
        from sentry_sdk.transport import Transport
    except ImportError:
        return None

    class Nowhere(Transport):  # type: ignore[misc]
        def capture_envelope(self, envelope: Any) -> None:
            """Throw it away."""

    sentry_sdk.init(
        "http://key@localhost/1",
        transport=Nowhere,
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    app: App = SentryAsgiMiddleware(shop())
    return app


async def request(app: App, path: str) -> float:
    """One request; how long it took, in microseconds."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"bench")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    begun = time.perf_counter_ns()
    with contextlib.suppress(ValueError):
        await app(scope, _receive, _send)
    return (time.perf_counter_ns() - begun) / 1000


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None:
    del message


async def interleaved(apps: dict[str, App], path: str, rounds: int) -> dict[str, list[float]]:
    """Microseconds of each request by variant, the first tenth left out."""
    times: dict[str, list[float]] = {name: [] for name in apps}
    for round_number in range(rounds):
        for name, app in apps.items():
            taken = await request(app, path)
            if round_number >= rounds // 10:
                times[name].append(taken)
        if round_number % 50 == 0:
            await asyncio.sleep(0)
    return times


def added(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median and p99 by variant, and what each adds to the plain median."""
    plain = statistics.median(times["plain"])
    return {
        name: {
            "p50_us": round(statistics.median(values), 1),
            "p99_us": round(statistics.quantiles(values, n=100)[98], 1),
            "added_p50_us": round(statistics.median(values) - plain, 1),
        }
        for name, values in times.items()
    }


async def storm(sentry: App | None) -> dict[str, Any]:
    """The host's latency alone, and beside 10,000 exceptions a second of one fingerprint."""
    sink = KafkaSink(KafkaSettings(bootstrap_servers="localhost:1"), KafkaSinkConfig())
    reporter = ErrorReporter(sink, ReporterConfig(capture=CaptureConfig(service="bench")))
    plain = shop()
    quiet = await paced(plain, lambda: None)
    error = make_error()
    here = Sighting(source=EventSource.MIDDLEWARE)

    def raise_some() -> None:
        for _ in range(STORM_PER_S // 1000):
            reporter.report_exception(fresh(error), here)

    raised = await paced(plain, raise_some)
    sink.close()
    quiet += await paced(plain, lambda: None)
    own_us, storm_us = p99(quiet), p99(raised)
    return {
        "own_p99_us": own_us,
        "storm_p99_us": storm_us,
        "ratio": round(storm_us / own_us, 2),
        "sentry_sdk": None if sentry is None else await sentry_storm(plain, error, own_us),
        "counts": {reason.value: n for reason, n in sink.counts().dropped.items()},
    }


async def sentry_storm(plain: App, error: ValueError, own_us: float) -> dict[str, float]:
    """The same storm told to sentry-sdk; it has no limit, so the rate is what it can take."""
    import sentry_sdk

    num_told = 0

    def raise_some() -> None:
        nonlocal num_told
        for _ in range(STORM_PER_S // 1000):
            sentry_sdk.capture_exception(fresh(error))
            num_told += 1

    begun = time.perf_counter()
    storm_us = p99(await paced(plain, raise_some))
    rate = num_told / (time.perf_counter() - begun)
    return {"storm_p99_us": storm_us, "ratio": round(storm_us / own_us, 2), "per_s": round(rate)}


def p99(times: list[float]) -> float:
    """Microseconds."""
    return round(statistics.quantiles(times, n=100)[98], 1)


async def paced(app: App, between: Callable[[], None]) -> list[float]:
    """A request each millisecond, with `between` done before each; their latencies.

    Who cannot keep up is asked for no longer than the others.
    """
    times = []
    next_at = time.perf_counter()
    end = next_at + STORM_S
    while next_at < end and time.perf_counter() < end + 1.0:
        next_at += 0.001
        await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
        begun = time.perf_counter_ns()
        between()
        await request(app, "/fine")
        times.append((time.perf_counter_ns() - begun) / 1000)
    return times


def make_error() -> ValueError:
    """One exception with frames."""
    try:
        descend(5)
    except ValueError as error:
        return error
    raise AssertionError


def fresh(error: ValueError) -> ValueError:
    """Another exception of the same place."""
    return ValueError("again").with_traceback(error.__traceback__)


def hour_of_storm() -> dict[str, float]:
    """Memory after an hour of a storm, in accelerated time: its limit is reached each second."""
    clock = SettableClock()
    sink = KafkaSink(KafkaSettings(bootstrap_servers="localhost:1"), KafkaSinkConfig())
    config = ReporterConfig(capture=CaptureConfig(service="bench"))
    reporter = ErrorReporter(sink, config, clock=clock)
    here = Sighting(source=EventSource.MIDDLEWARE)
    error = make_error()
    gc.collect()
    tracemalloc.start()
    halfway = 0
    for second in range(HOUR_S):
        for _ in range(8):
            reporter.report_exception(fresh(error), here)
        clock.advance(1.0)
        if second == HOUR_S // 2:
            gc.collect()
            halfway, _ = tracemalloc.get_traced_memory()
    gc.collect()
    at_the_end, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sink.close()
    return {
        "halfway_mb": round(halfway / 1e6, 2),
        "after_an_hour_mb": round(at_the_end / 1e6, 2),
        "peak_mb": round(peak / 1e6, 2),
    }


async def measure() -> dict[str, Any]:
    """Everything, in one run."""
    ours, sink = with_fixstream()
    apps: dict[str, App] = {"plain": shop(), "fixstream": ours}
    sentry = with_sentry()
    if sentry is not None:
        apps["sentry-sdk"] = sentry
    # The scrubber's start belongs to the worker, once a process, and not to a request.
    await request(ours, "/broken/5")
    sink.flush(5.0)
    result = {
        "success": added(await interleaved(apps, "/fine", ROUNDS)),
        "exception": added(await interleaved(apps, "/broken/5", FAILING_ROUNDS)),
        "storm": await storm(sentry),
    }
    sink.close()
    baseline = "sentry-sdk" if sentry is not None else "none: sentry-sdk is not installed"
    return {"baseline": baseline} | result | {"hour_of_storm": hour_of_storm()}


def main() -> None:
    """Measures, prints and keeps the figures."""
    logging.disable()
    figures = asyncio.run(measure())
    keep("capture", figures)
    if figures["baseline"] != "sentry-sdk":
        print("NO BASELINE: sentry-sdk is not installed; install it to compare")


if __name__ == "__main__":
    main()
