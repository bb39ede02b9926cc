"""The whole loop as users live it: processes, a real broker, plain clients."""

from __future__ import annotations

import itertools

import httpx
import pytest
from confluent_kafka import Consumer, Message
from fastapi import FastAPI

from fixstream.cli.deployment import Deployment
from fixstream.producers.kafka_sink import KafkaSink
from fixstream.producers.middleware import ErrorLearningMiddleware
from fixstream.producers.sinks import EventSink
from fixstream.runtime.kafka import decode_message, headers_of
from fixstream.schemas.codec import Codec
from fixstream.schemas.records import SuggestedFix
from fixstream.schemas.topics import FIXES_SUGGESTED
from fixstream.trainer.checkpoint import FolderCheckpointStore, version_of
from fixstream.trainer.manifest import Manifest
from support.deadlines import eventually
from support.loop import Clients, audit_when_quiet, plain_consumer, publish_events

pytestmark = [pytest.mark.kafka, pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]


def shop_with(sink: EventSink) -> FastAPI:
    """An app as in the README; its one route fails for real."""
    app = FastAPI()
    app.add_middleware(ErrorLearningMiddleware, sink=sink, service="corner-shop")

    @app.get("/stock")
    async def stock() -> None:
        async with httpx.AsyncClient() as client:
            await client.get("http://127.0.0.1:9/stock")

    return app


async def test_error_raised_in_an_app_comes_back_as_a_suggested_fix(
    deployment: Deployment,
) -> None:
    sink = KafkaSink(deployment.kafka)
    transport = httpx.ASGITransport(shop_with(sink), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        assert (await client.get("/stock")).status_code == 500
    sink.close()
    with plain_consumer(deployment.kafka, deployment.kafka.topic(FIXES_SUGGESTED)) as consumer:
        message = eventually(lambda: take(consumer), timeout_s=30)
        assert message is not None
    suggestion = decode_message(message, Codec(), SuggestedFix)
    assert suggestion.service == "corner-shop"
    assert suggestion.category.value == "connection"
    assert headers_of(message)["service"] == b"corner-shop"
    assert suggestion.fixes, "the starter set knows failed connections"
    assert "httpx.ConnectError" in suggestion.fixes[0].title
    assert suggestion.fixes[0].provenance.license == "Apache-2.0"


def take(consumer: Consumer) -> Message | None:
    message = consumer.poll(0.2)
    return message if message is not None and message.error() is None else None


def test_kill_9_of_processor_and_trainer_loses_and_doubles_nothing(
    deployment: Deployment,
) -> None:
    kafka = deployment.kafka
    publish_events(kafka, 0, 400)
    for round_number, service in enumerate(("stream", "train", "stream", "train"), start=1):
        publish_events(kafka, round_number * 1000, 300)
        deployment.process(service).kill()
        publish_events(kafka, round_number * 1000 + 300, 100)
        deployment.restart(service)
    report = audit_when_quiet(kafka)
    assert report.num_raw == 400 + 4 * 400
    assert report.num_dead_lettered == 0
    # Every example once: what the trainer counts in its manifests is what the batches hold.
    eventually(lambda: trained_examples(deployment) >= report.num_batched, timeout_s=60)
    assert trained_examples(deployment) == report.num_batched


def trained_examples(deployment: Deployment) -> int:
    """Distinct examples that the newest checkpoint's manifest accounts for."""
    store = FolderCheckpointStore(deployment.config.data_dir / "models")
    names = sorted(store.names(), key=version_of)
    return Manifest.from_bytes(store.read(names[-1], "manifest.json")).counts.seen if names else 0


def test_reloads_under_twenty_clients_fail_no_request(deployment: Deployment) -> None:
    clients = Clients(f"{deployment.rest_url}/api/v1/learning/predict", num_clients=20)
    first = itertools.count(step=60)

    def has_seen_two_models() -> bool:
        publish_events(deployment.kafka, next(first), 60)
        return len(clients.versions - {0}) >= 2

    with clients.running():
        eventually(has_seen_two_models, timeout_s=120)
    assert clients.failures == []
    assert clients.num_answers > 100
