"""The page on a real broker: what it shows is there again after a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from fixstream.inference.service import run
from fixstream.inference.settings import InferenceSettings
from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.runtime.ports import free_port
from fixstream.runtime.stopping import StopSignal
from fixstream.runtime.topics_admin import apply_topics
from fixstream.schemas import topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.records import CauseEdge
from support.deadlines import eventually
from support.inference import triaged
from support.kafka import Kafka

pytestmark = pytest.mark.kafka
CAUSE, EFFECT = "v1-00000000000000aa", "v1-00000000000000bb"


@contextmanager
def running(kafka: Kafka, folder: Path) -> Iterator[httpx.Client]:
    settings = InferenceSettings(port=free_port(), checkpoint_dir=str(folder), load_starter=False)
    stop = StopSignal()
    thread = threading.Thread(target=run, args=(settings, kafka.settings, stop))
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=30) as client:
            yield client
    finally:
        stop.set()
        thread.join()


def text_of(client: httpx.Client, path: str) -> str:
    try:
        return client.get(path).text
    except httpx.TransportError:
        return ""


def test_groups_and_causes_are_there_after_a_restart(kafka: Kafka, tmp_path: Path) -> None:
    apply_topics(kafka.settings)
    send = RecordPublisher(make_producer(kafka.settings), Codec(), ce_source="test")
    name = kafka.settings.topic
    for number, (group, title) in enumerate(
        ((CAUSE, "pool is empty"), (EFFECT, "request timed out"), (EFFECT, "request timed out"))
    ):
        error = replace(triaged(f"e{number}", title), fingerprint=group)
        send.publish(name(topics.ERRORS_TRIAGED), group, error)
    for partition, count in ((0, 2), (1, 5)):
        edge = CauseEdge(
            cause=CAUSE,
            effect=EFFECT,
            cause_service="orders",
            effect_service="checkout",
            count=count,
            last_seen_at=datetime.now(UTC),
        )
        send.publish(name(topics.CAUSES), f"{CAUSE}>{EFFECT}@{partition}", edge)
    send.flush(10)
    for _ in range(2):
        with running(kafka, tmp_path) as client:
            assert eventually(lambda: "2 of 2 groups" in text_of(client, "/"), 30)
            page = eventually(lambda: _with_cause(text_of(client, f"/groups/{EFFECT}")), 20)
            assert page is not None
            assert "pool is empty" in page
            assert "brought on the next one 7 times" in page
            assert "2 in the last 60 minutes" in page


def _with_cause(page: str) -> str | None:
    return page if "Likely origin" in page else None
