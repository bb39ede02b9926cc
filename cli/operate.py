"""`fixstream up`, `broker` and `topics apply`: what runs and prepares a deployment."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from fixstream.cli.console import out, tell

DEFAULT_DATA_DIR = Path(".fixstream")
RESTART_PAUSE_S = 2.0
WATCH_INTERVAL_S = 0.5

topics = typer.Typer(help="Create and check the topics.", no_args_is_help=True)

MAX_PORT = 65_535

DataDir = Annotated[Path, typer.Option("--data", help="Folder for all that is kept.")]
# The settings' own variables count here too: the messages about taken ports name them.
RestPort = Annotated[
    int,
    typer.Option(
        "--port",
        help="Port of REST and the web page.",
        min=1,
        max=MAX_PORT,
        envvar="FIXSTREAM_INFERENCE_PORT",
    ),
]
KafkaPort = Annotated[
    int,
    typer.Option(
        help="Port of the embedded broker, loopback only; 0 takes a free one.",
        min=0,
        max=MAX_PORT,
        envvar="FIXSTREAM_BROKER_PORT",
    ),
]


def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    port: RestPort = 8080,
    kafka_port: KafkaPort = 9092,
) -> None:
    """Run broker, processor, trainer and inference on this machine until Ctrl-C.

    With FIXSTREAM_BOOTSTRAP_SERVERS set, that Kafka is used and no broker is started.
    """
    from fixstream.cli.deployment import Deployment, DeploymentConfig
    from fixstream.runtime.settings import KafkaSettings, load_settings
    from fixstream.runtime.stopping import StopSignal

    kafka = load_settings(KafkaSettings)
    has_kafka = bool(os.environ.get("FIXSTREAM_BOOTSTRAP_SERVERS"))
    config = DeploymentConfig(
        data_dir=data_dir.absolute(),
        bootstrap_servers=kafka.bootstrap_servers if has_kafka else None,
        topic_prefix=kafka.topic_prefix,
        models_dir=_given_path("CHECKPOINT_DIR"),
        kafka_port=kafka_port,
        rest_port=port,
    )
    with StopSignal() as stop, Deployment(config, tell) as deployment:
        out.print(
            f"fixstream is up: {deployment.rest_url}  (Kafka: {deployment.bootstrap_servers})"
        )
        variables = " ".join(f"{k}={shlex.quote(v)}" for k, v in deployment.access().items())
        tell(f"for commands in other terminals: export {variables}")
        while not stop.wait(WATCH_INTERVAL_S):
            for service, status in deployment.ended().items():
                tell(f"{service} ended (exit {status}); starting it again")
                time.sleep(RESTART_PAUSE_S)
                deployment.restart(service)
        tell("stopping")


def _given_path(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).absolute() if value else None


def broker(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    port: KafkaPort = 9092,
) -> None:
    """Run the embedded Kafka alone until Ctrl-C."""
    from fixstream.cli.deployment import DownloadLines
    from fixstream.runtime.broker import BrokerSettings, EmbeddedBroker
    from fixstream.runtime.settings import load_settings
    from fixstream.runtime.stopping import StopSignal
    from fixstream.schemas.errors import StartFailed

    settings = load_settings(BrokerSettings, data_folder=data_dir.absolute() / "kafka", port=port)
    with StopSignal() as stop, EmbeddedBroker(settings, progress=DownloadLines(tell)) as running:
        out.print(f"Kafka is up: {running.bootstrap_servers}")
        while not stop.wait(WATCH_INTERVAL_S):
            if not running.is_running():
                raise StartFailed(f"the broker ended; its log is {running.log_file}")
        tell("stopping")


@topics.command("apply")
def apply() -> None:
    """Create every topic that is missing and check the ones that are there."""
    from fixstream.runtime.settings import KafkaSettings, load_settings
    from fixstream.runtime.topics_admin import apply_topics

    report = apply_topics(load_settings(KafkaSettings))
    for name in report.created:
        out.print(f"created    {name}")
    for name in report.unchanged:
        out.print(f"unchanged  {name}")
    for difference in report.differing:
        out.print(f"differs    {difference}", markup=False)
    report.require()
