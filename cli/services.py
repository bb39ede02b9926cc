"""`fixstream stream`, `train` and `serve`: one service each, in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=256,
        help="Local processes, which share the partitions; else FIXSTREAM_STREAMS_WORKERS, or one.",
    ),
]


def stream(workers: Workers = None) -> None:
    """Run the processor: raw errors in; triaged errors, training batches, dead letters out."""
    from fixstream.runtime.logs import configure_logging
    from fixstream.runtime.settings import KafkaSettings, load_settings
    from fixstream.streams.service import StreamsSettings, run

    configure_logging("stream")
    given = {} if workers is None else {"workers": workers}
    run(load_settings(StreamsSettings, **given), load_settings(KafkaSettings))


def train() -> None:
    """Run the trainer: learns from the batches and publishes signed model updates."""
    from fixstream.runtime.logs import configure_logging
    from fixstream.runtime.settings import KafkaSettings, load_settings
    from fixstream.trainer.service import TrainerSettings, run

    configure_logging("train")
    run(load_settings(TrainerSettings), load_settings(KafkaSettings))


def serve() -> None:
    """Run the inference service: REST, the web page, and a suggestion for every error."""
    from fixstream.inference.service import InferenceSettings, run
    from fixstream.runtime.logs import configure_logging
    from fixstream.runtime.settings import KafkaSettings, load_settings

    configure_logging("serve")
    run(load_settings(InferenceSettings), load_settings(KafkaSettings))
