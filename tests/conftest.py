"""Fixtures that all tests share. Real-broker ones come with the marker `kafka`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from fixstream.runtime.broker import EmbeddedBroker
from fixstream.runtime.topics_admin import apply_topics
from support.kafka import Kafka, broker_settings, shared_broker, unique_prefix
from support.threads import left_behind, living_threads

# How long a machine under load takes to draw or to run an example says nothing about the code.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def kafka_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of the broker that the whole session uses."""
    with shared_broker(tmp_path_factory.mktemp("kafka")) as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture
def kafka(kafka_session: str) -> Kafka:
    """A real broker and a prefix of this test's own; no topics yet."""
    return Kafka(bootstrap_servers=kafka_session, prefix=unique_prefix())


@pytest.fixture
def kafka_topics(kafka: Kafka) -> Kafka:
    """As `kafka`, with all of our topics applied under this test's prefix."""
    apply_topics(kafka.settings)
    return kafka


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of this test's own, to be killed and restarted."""
    with EmbeddedBroker(broker_settings(tmp_path / "kafka")) as own:
        yield own


@pytest.fixture(autouse=True)
def _no_thread_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a thread running: what starts one has to stop it."""
    if "kafka" in request.fixturenames:
        # The session's broker may bring threads of its own; they are nobody's fault.
        request.getfixturevalue("kafka_session")
    before = living_threads()
    yield
    left = left_behind(before)
    assert not left, f"threads left behind: {sorted(thread.name for thread in left)}"
