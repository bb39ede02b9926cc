"""One demo from start to summary: deployment, shop, traffic, subscribers, drain, audit."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from fixstream.cli.audit.reading import audit_topics
from fixstream.cli.demo.probe import Probe
from fixstream.cli.demo.story import Story
from fixstream.cli.demo.summary import ShopFigures, Summary
from fixstream.cli.demo.view import open_screen
from fixstream.cli.demo.watch import TopicWatcher, read_training
from fixstream.cli.deployment import Deployment, DeploymentConfig, Tell, choose_port
from fixstream.runtime.clock import SystemClock
from fixstream.runtime.ports import free_port
from fixstream.runtime.process import GuardedProcess
from fixstream.runtime.stopping import StopSignal
from fixstream.schemas.errors import Misconfigured, StartFailed

MARKER = "made-by-fixstream-demo"
REFRESH_S = 0.5
SHOP_START_TIMEOUT_S = 30.0
SHOP_STOP_TIMEOUT_S = 30.0
DRAIN_TIMEOUT_S = 60.0
DRAIN_QUIET_S = 3.0
"""How long nothing may move before the flow counts as drained; over the batch window's age."""
ENVIRONMENT = {
    # The model is full size; on two shared cores a hundred steps take longer than people watch.
    "FIXSTREAM_TRAINER_CHECKPOINT_INTERVAL_S": "40",
    # Five processes share what may be two busy cores: late is better than refused here.
    "FIXSTREAM_INFERENCE_DEADLINE_S": "60",
    "FIXSTREAM_LOG_FORMAT": "json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """What a demo does."""

    duration_s: float
    """Seconds of traffic; 0 goes on until Ctrl-C."""
    requests_per_s: float
    """Requests to the sample shop."""
    rest_port: int
    """Wished port of REST and the web page; another one is taken if it is in use."""
    data_dir: Path
    """Emptied at the start if a demo made it; refused if it holds something else."""


class DemoSession:
    """Runs one demo."""

    def __init__(self, config: DemoConfig, tell: Tell) -> None:
        """Stores its configuration; `tell` gets a line for each step."""
        self._config = config
        self._tell = tell
        self._story = Story()

    def run(self) -> Summary:
        """Runs to the end of the duration, or to Ctrl-C, and accounts for every event.

        Raises:
            StartFailed: something did not come up.
        """
        prepare_data_dir(self._config.data_dir)
        deployment_config = DeploymentConfig(
            data_dir=self._config.data_dir,
            rest_port=choose_port(self._config.rest_port),
            environment=ENVIRONMENT,
        )
        with StopSignal() as stop, Deployment(deployment_config, self._tell) as deployment:
            return self._run_in(deployment, stop)

    def _run_in(self, deployment: Deployment, stop: StopSignal) -> Summary:
        kafka = deployment.kafka
        with ExitStack() as stack:
            watcher = TopicWatcher(kafka, self._story, SystemClock())
            watcher.start()
            stack.callback(watcher.stop)
            shop, shop_url = self._start_shop(deployment)
            probe = Probe(deployment.rest_url, self._story)
            probe.start()
            stack.callback(probe.stop)
            elapsed_s = self._watch(deployment, watcher, stop)
            self._tell("the shop closes; waiting until every error has its answer")
            shop_stats = httpx.post(f"{shop_url}/_stop", timeout=SHOP_STOP_TIMEOUT_S).json()
            shop.terminate(timeout_s=15.0)
            self._drain(watcher)
            probe.stop()
            read_training(deployment.metrics_url("train"), self._story)
            self._refuse_ended(deployment)
        return Summary(
            audit=audit_topics(kafka),
            story=self._story.snapshot(),
            shop=ShopFigures(**shop_stats),
            elapsed_s=elapsed_s,
        )

    def _start_shop(self, deployment: Deployment) -> tuple[GuardedProcess, str]:
        port = free_port()
        shop = deployment.start_beside(
            "shop",
            [sys.executable, "-m", "fixstream.cli.demo.shop"],
            {
                "FIXSTREAM_SHOP_PORT": str(port),
                "FIXSTREAM_SHOP_REQUESTS_PER_S": str(self._config.requests_per_s),
            },
        )
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + SHOP_START_TIMEOUT_S
        while not _answers(f"{url}/_stats"):
            if shop.poll() is not None or time.monotonic() > deadline:
                raise StartFailed(f"the sample shop did not open: {' '.join(shop.tail(1))}")
            time.sleep(0.1)
        self._tell(f"the shop is open at {url}")
        return shop, url

    def _watch(self, deployment: Deployment, watcher: TopicWatcher, stop: StopSignal) -> float:
        """Shows the story until the duration is over or a stop is asked; returns the seconds."""
        began = time.monotonic()
        with open_screen(deployment.rest_url) as screen:
            while not stop.wait(REFRESH_S):
                elapsed_s = time.monotonic() - began
                read_training(deployment.metrics_url("train"), self._story)
                screen.show(self._story.snapshot(), watcher.num_raw, elapsed_s)
                self._refuse_ended(deployment)
                if 0 < self._config.duration_s <= elapsed_s:
                    break
        return time.monotonic() - began

    def _refuse_ended(self, deployment: Deployment) -> None:
        for service, status in deployment.ended().items():
            last = " ".join(deployment.process(service).tail(1))
            raise StartFailed(f"{service} ended in the demo (exit {status}): {last}")

    def _drain(self, watcher: TopicWatcher) -> None:
        """Waits until nothing has moved for a while, or the deadline."""
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        last, since = self._progress(watcher), time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < DRAIN_QUIET_S:
            time.sleep(REFRESH_S)
            now = self._progress(watcher)
            if now != last:
                last, since = now, time.monotonic()

    def _progress(self, watcher: TopicWatcher) -> tuple[int, ...]:
        story = self._story.snapshot()
        return (watcher.num_raw, story.num_triaged, story.num_batches, story.num_suggestions)


def prepare_data_dir(folder: Path) -> None:
    """Empties a former demo's folder, or makes a new one.

    Raises:
        Misconfigured: the folder holds something that no demo made.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise Misconfigured(f"{folder} holds files that no demo made; name another --data")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1.0).is_success
    except httpx.TransportError:
        return False
