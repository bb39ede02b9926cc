"""Topics on the real broker: created once, verified after, and how far groups have come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import (
    Difference,
    PlannedTopic,
    TopicsReport,
    TopicsSettings,
    apply_topics,
    begin_offsets,
    committed_lag,
    committed_offsets,
    end_offsets,
    plan_all,
    plan_topic,
    verify_topics,
    wait_until_ready,
)
from fixstream.schemas.errors import BrokerUnavailable, Misconfigured
from fixstream.schemas.topics import ALL_TOPICS, ERRORS_RAW, MODEL_UPDATES, SOLUTIONS, Topic
from support.kafka import Kafka

SETTINGS = KafkaSettings(topic_prefix="p.")


def test_plan_gives_each_topic_its_partitions_and_retention() -> None:
    plan = {topic.name: topic for topic in plan_all(SETTINGS, TopicsSettings(partitions=3))}
    assert plan["p.errors.raw.v1"].num_partitions == 3
    assert plan["p.errors.raw.v1"].config["retention.ms"] == str(7 * 24 * 3600 * 1000)
    assert plan["p.model.updates.v1"].num_partitions == 1
    assert plan["p.model.updates.v1"].config["retention.ms"] == "-1"
    assert plan["p.solutions.v1"].config["cleanup.policy"] == "compact"
    assert plan["p.groups.v1"].config["cleanup.policy"] == "compact,delete"
    assert len(plan) == len(ALL_TOPICS)


def test_a_topics_own_options_win_and_a_compacted_one_may_also_forget() -> None:
    topic = Topic(
        "state.v1",
        "key",
        None,
        timedelta(days=1),
        is_compacted=True,
        config={"cleanup.policy": "compact,delete"},
    )
    planned = plan_topic(topic, SETTINGS, TopicsSettings(max_message_bytes=5000))
    assert planned.config == {
        "cleanup.policy": "compact,delete",
        "retention.ms": str(24 * 3600 * 1000),
        "max.message.bytes": "5000",
    }


@pytest.mark.parametrize(
    "report",
    [
        TopicsReport(missing=("a",)),
        TopicsReport(differing=(Difference("a", "partitions", "4", "2"),)),
        TopicsReport(differing=(Difference("a", "cleanup.policy", "compact", "delete"),)),
    ],
)
def test_a_report_of_lost_data_is_refused(report: TopicsReport) -> None:
    with pytest.raises(Misconfigured, match="fixstream topics apply"):
        report.require()


def test_a_report_of_another_retention_is_accepted() -> None:
    TopicsReport(differing=(Difference("a", "retention.ms", "1", "2"),)).require()


def test_wait_until_ready_names_the_address_that_did_not_answer() -> None:
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        wait_until_ready(nowhere, timeout_s=0.2)


@pytest.mark.kafka
def test_apply_creates_what_lacks_and_a_second_time_nothing(kafka: Kafka) -> None:
    changelog = PlannedTopic(
        f"{kafka.prefix}app-changelog", 2, {"cleanup.policy": "compact,delete"}
    )
    names = {topic.name for topic in plan_all(kafka.settings)} | {changelog.name}
    assert set(verify_topics(kafka.settings, extra=[changelog]).missing) == names

    first = apply_topics(kafka.settings, extra=[changelog])
    assert set(first.created) == names
    assert first == TopicsReport(created=first.created)

    second = apply_topics(kafka.settings, extra=[changelog])
    assert second == TopicsReport(unchanged=second.unchanged)
    assert set(second.unchanged) == names
    verify_topics(kafka.settings, extra=[changelog]).require()


@pytest.mark.kafka
def test_what_exists_otherwise_is_told_and_left_alone(kafka: Kafka) -> None:
    planned = PlannedTopic(f"{kafka.prefix}state", 2, {"cleanup.policy": "delete"})
    apply_topics(kafka.settings, extra=[planned])
    other = replace(planned, num_partitions=3, config={"cleanup.policy": "compact"})
    report = apply_topics(kafka.settings, extra=[other])
    assert {str(difference) for difference in report.differing} == {
        f"{planned.name}: partitions is 2, planned 3",
        f"{planned.name}: cleanup.policy is delete, planned compact",
    }
    assert planned.name not in report.unchanged
    with pytest.raises(Misconfigured, match="partitions is 2, planned 3"):
        report.require()


@pytest.mark.kafka
def test_a_topic_that_kafka_refuses_is_named(kafka: Kafka) -> None:
    bad = PlannedTopic(f"{kafka.prefix}bad", 1, {"cleanup.policy": "burn"})
    with pytest.raises(Misconfigured, match="bad"):
        apply_topics(kafka.settings, extra=[bad])


@pytest.mark.kafka
def test_offsets_and_lag_follow_what_is_written_and_committed(kafka_topics: Kafka) -> None:
    kafka = kafka_topics
    topic = kafka.settings.topic(MODEL_UPDATES)
    assert end_offsets(kafka.settings, [topic]) == {(topic, 0): 0}
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for _ in range(5):
        producer.produce(topic, b"x")
    assert producer.flush(10) == 0
    group = kafka.group("g")
    assert begin_offsets(kafka.settings, [topic]) == {(topic, 0): 0}
    assert end_offsets(kafka.settings, [topic]) == {(topic, 0): 5}
    assert committed_offsets(kafka.settings, group, [topic]) == {}
    assert committed_lag(kafka.settings, group, [topic]) == {(topic, 0): 5}

    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
    consumer.close()
    assert committed_offsets(kafka.settings, group, [topic]) == {(topic, 0): 3}
    assert committed_lag(kafka.settings, group, [topic]) == {(topic, 0): 2}


@pytest.mark.kafka
def test_offsets_of_a_topic_that_is_not_there_say_so(kafka: Kafka) -> None:
    with pytest.raises(BrokerUnavailable, match="no such topic"):
        end_offsets(kafka.settings, [f"{kafka.prefix}none"])


@pytest.mark.kafka
def test_the_fixture_gives_a_test_its_own_topics(kafka_topics: Kafka) -> None:
    for topic in (ERRORS_RAW, SOLUTIONS):
        name = kafka_topics.settings.topic(topic)
        assert name.startswith(kafka_topics.prefix)
        assert len(end_offsets(kafka_topics.settings, [name])) == 4
