"""What workers hear on a real broker: operators, and causes in each other's partitions."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from fixstream.cli.labels import labels
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import decode
from fixstream.schemas.enums import CauseBasis, LabelSource
from fixstream.schemas.records import CauseEdge, ErrorEvent, TrainingBatch, TriagedError
from fixstream.schemas.topics import CAUSES, ERRORS_TRIAGED, LABELS, TRAINING_BATCHES
from support.deadlines import eventually
from support.kafka import Kafka
from support.streams import START, create_topics, error_event, read_topic, send_events
from support.workers import owns_partitions, wait_for_commit, worker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def triaged(kafka: KafkaSettings) -> dict[str, TriagedError]:
    found = (
        decode(message.value() or b"", TriagedError)
        for message in read_topic(kafka, kafka.topic(ERRORS_TRIAGED))
    )
    return {record.event.event_id: record for record in found}


def said_by_cli(kafka: Kafka, *arguments: str) -> str:
    done = CliRunner(env=kafka.environment).invoke(labels, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_what_an_operator_says_wins_from_the_first_event_on_and_can_be_taken_back(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = kafka.settings
    create_topics(settings)
    with worker(settings, tmp_path):
        send_events(settings, [error_event("e0", severity_hint="low")])
        wait_for_commit(settings, {0: 1}, 60)
    fingerprint = triaged(settings)["e0"].fingerprint
    assert "critical (operator)" in said_by_cli(kafka, "set", fingerprint, "--severity", "critical")
    said_by_cli(kafka, "set", fingerprint, "--category", "dns")
    send_events(settings, [error_event("e1", severity_hint="low")])
    with worker(settings, tmp_path) as process:  # The event waits already: no time for a race.
        wait_for_commit(settings, {0: 2}, 60)
        listed = said_by_cli(kafka, "list")
        assert "severity=critical" in listed
        assert "category=dns" in listed
        said_by_cli(kafka, "clear", fingerprint)
        assert read_topic(settings, settings.topic(LABELS))[-1].value() is None

        def is_as_before() -> bool:
            number = len(triaged(settings))
            send_events(settings, [error_event(f"e{number}", severity_hint="low")])
            wait_for_commit(settings, {0: number + 1}, 30)
            return triaged(settings)[f"e{number}"].severity.source is LabelSource.REPORTER

        eventually(is_as_before, 30)
        assert process.poll() is None
    second = triaged(settings)["e1"]
    assert (second.severity.value, second.severity.source) == ("critical", LabelSource.OPERATOR)
    assert (second.category.value, second.category.source) == ("dns", LabelSource.OPERATOR)
    batches = [
        decode(message.value() or b"", TrainingBatch)
        for message in read_topic(settings, settings.topic(TRAINING_BATCHES))
    ]
    example = next(e for batch in batches for e in batch.examples if e.event_id == "e1")
    assert example.labels.severity == second.severity
    assert (example.service, example.source) == ("checkout", "logging")
    assert said_by_cli(kafka, "list") == ""


def chain(number: int) -> tuple[ErrorEvent, ErrorEvent]:
    """A database's error and the error that a shop reports of it, in one trace."""
    trace = f"{number + 1:032x}"
    cause = error_event(f"d{number}", service="database", trace_id=trace, message="disk is full")
    effect = error_event(
        f"s{number}",
        service="shop",
        trace_id=trace,
        message="orders cannot be stored",
        occurred_at=START.replace(second=2),
    )
    return cause, effect


def test_a_cause_in_the_partition_of_another_worker_is_named(kafka: Kafka, tmp_path: Path) -> None:
    settings = kafka.settings
    create_topics(settings, num_partitions=2)
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(worker(settings, tmp_path / name)) for name in ("one", "other")
        ]
        eventually(lambda: all(map(owns_partitions, workers)), 60)
        tried = [0]

        def is_named() -> bool:
            number = tried[0]
            tried[0] += 1
            cause, effect = chain(number)
            send_events(settings, [cause], partition=0)
            eventually(lambda: cause.event_id in triaged(settings), 30)
            send_events(settings, [effect], partition=1)
            eventually(lambda: effect.event_id in triaged(settings), 30)
            return triaged(settings)[effect.event_id].root_cause is not None

        eventually(is_named, 60)
        num_tried = tried[0]
        wait_for_commit(settings, {0: num_tried, 1: num_tried}, 60)
    said = triaged(settings)[f"s{num_tried - 1}"].root_cause
    assert said is not None
    assert (said.event_id, said.service) == (f"d{num_tried - 1}", "database")
    assert (said.basis, said.seconds_before) == (CauseBasis.TRACE, 2.0)
    messages = read_topic(settings, settings.topic(CAUSES))
    assert {message.partition() for message in messages} == {1}, "the effect's owner counts"
    edge = decode(messages[-1].value() or b"", CauseEdge)
    assert (edge.cause_service, edge.effect_service) == ("database", "shop")
    assert 1 <= edge.count <= num_tried


def test_a_start_without_the_labels_topic_says_what_to_do(kafka: Kafka, tmp_path: Path) -> None:
    settings = kafka.settings
    create_topics(settings)
    admin = AdminClient({**settings.client_config()})
    for done in admin.delete_topics([settings.topic(LABELS)]).values():
        done.result(30)
    with worker(settings, tmp_path, FIXSTREAM_STREAMS_START_TIMEOUT_S="3") as process:
        assert process.wait(60) == 1
        assert settings.topic(LABELS) in process.tail()[-1]
        assert "topics apply" in process.tail()[-1]
