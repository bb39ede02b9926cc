"""Kafka for the commands that need it at once: the settings, after a broker has answered.

Without this look beforehand a mistyped address would end in minutes of retries, not in one line.
"""

from __future__ import annotations

from fixstream.runtime.settings import KafkaSettings, load_settings

ANSWER_TIMEOUT_S = 10.0


def reachable_kafka(timeout_s: float = ANSWER_TIMEOUT_S) -> KafkaSettings:
    """The settings of a Kafka that answers.

    Raises:
        BrokerUnavailable: No broker answered within the time.
        Misconfigured: A setting is wrong, or Kafka refuses our credentials.
    """
    from fixstream.runtime.topics_admin import wait_until_ready

    kafka = load_settings(KafkaSettings)
    wait_until_ready(kafka, timeout_s)
    return kafka
