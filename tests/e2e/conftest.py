"""A whole deployment on the shared broker, with a model small enough for two cores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixstream.cli.deployment import Deployment, DeploymentConfig
from fixstream.runtime.ports import free_port
from support.kafka import unique_prefix

SMALL_MODEL = {
    "VOCAB_SIZE": "2000",
    "EMBEDDING_DIM": "32",
    "HIDDEN_DIM": "64",
    "NUM_HEADS": "2",
    "NUM_LAYERS": "1",
    "MAX_SEQUENCE_LENGTH": "64",
    "LEARNING_BATCH_SIZE": "8",
    "FIXSTREAM_TRAINER_CHECKPOINT_INTERVAL_S": "3",
    "FIXSTREAM_STREAMS_WINDOW_MAX_AGE_S": "0.5",
    "FIXSTREAM_LOG_FORMAT": "json",
    "FIXSTREAM_TRAINER_WIDE_BUCKETS": "4096",
    "FIXSTREAM_TRAINER_STEP_WAIT_S": "0.2",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture
def deployment(kafka_session: str, tmp_path: Path) -> Iterator[Deployment]:
    """Processor, trainer and inference as processes, on topics of this test's own."""
    config = DeploymentConfig(
        data_dir=tmp_path,
        bootstrap_servers=kafka_session,
        topic_prefix=unique_prefix(),
        rest_port=free_port(),
        environment=SMALL_MODEL,
    )
    lines: list[str] = []
    with Deployment(config, lines.append) as running:
        yield running
