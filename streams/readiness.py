"""Waits until the broker answers and the topics that the processor needs stand. Creates none."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException, Producer

from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.errors import StartFailed
from fixstream.schemas.topics import (
    CAUSES,
    ERRORS_DLQ,
    ERRORS_RAW,
    ERRORS_TRIAGED,
    GROUPS,
    LABELS,
    OCCURRENCES,
    TRAINING_BATCHES,
)

NEEDED_TOPICS = (
    ERRORS_RAW,
    ERRORS_TRIAGED,
    ERRORS_DLQ,
    TRAINING_BATCHES,
    GROUPS,
    LABELS,
    CAUSES,
    OCCURRENCES,
)
"""What the processor reads and writes."""
_REQUEST_TIMEOUT_S = 3.0
_PAUSE_S = 0.5


def wait_for_topics(producer: Producer, kafka: KafkaSettings, timeout_s: float) -> None:
    """Returns when everything is there.

    Raises:
        StartFailed: Something was still missing when the time was up; the message names it.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        missing = _missing(producer, kafka)
        if missing is None:
            return
        if time.monotonic() >= deadline:
            raise StartFailed(f"the processor cannot start: {missing}")
        time.sleep(_PAUSE_S)


def _missing(producer: Producer, kafka: KafkaSettings) -> str | None:
    try:
        topics = producer.list_topics(timeout=_REQUEST_TIMEOUT_S).topics
    except KafkaException as error:
        return f"no broker answers at {kafka.bootstrap_servers} ({error.args[0].str()})"
    needed = [kafka.topic(topic) for topic in NEEDED_TOPICS]
    absent = [name for name in needed if name not in topics or topics[name].error is not None]
    if absent:
        return f"topics are missing: {', '.join(absent)} (run `fixstream topics apply`)"
    num_raw = len(topics[kafka.topic(ERRORS_RAW)].partitions)
    for topic in (GROUPS, CAUSES):
        found = len(topics[kafka.topic(topic)].partitions)
        if found < num_raw:
            return f"{kafka.topic(topic)} has {found} partitions, the raw topic has {num_raw}"
    return None
