"""`fixstream labels set|clear|list`: what operators say of groups of errors.

Writes to the topic that every processor follows; what was said before is read first, because one
record holds all that was said of a group.
"""

from __future__ import annotations

import uuid
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from fixstream.cli.console import out
from fixstream.cli.kafka_access import reachable_kafka
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.enums import Category, Domain, LabelSource, Severity
from fixstream.schemas.errors import DeadLetter, Misconfigured
from fixstream.schemas.group_labels import with_newer
from fixstream.schemas.records import GroupLabels, Label
from fixstream.schemas.topics import LABELS

labels = typer.Typer(
    help="Say what a group of errors is; it wins over rules.", no_args_is_help=True
)

SUBMITTER = "cli"
_FLUSH_TIMEOUT_S = 30.0

Fingerprint = Annotated[str, typer.Argument(help="The group's fingerprint.")]


@labels.command("set")
def set_(
    fingerprint: Fingerprint,
    severity: Annotated[Severity | None, typer.Option(help="How bad it is.")] = None,
    domain: Annotated[Domain | None, typer.Option(help="Who would look at it.")] = None,
    category: Annotated[Category | None, typer.Option(help="What went wrong.")] = None,
) -> None:
    """Set labels of a group; those that are not named stay as they are."""
    if severity is None and domain is None and category is None:
        raise Misconfigured("name at least one of --severity, --domain and --category")
    kafka = reachable_kafka()
    new = GroupLabels(
        fingerprint=_checked(fingerprint),
        domain=_label(domain),
        severity=_label(severity),
        category=_label(category),
        submitter=SUBMITTER,
        set_at=datetime.now(UTC),
    )
    said = with_newer(said_of_groups(kafka).get(fingerprint), new)
    _publish(kafka, fingerprint, said)
    out.print(_line(said), markup=False)


@labels.command("clear")
def clear(fingerprint: Fingerprint) -> None:
    """Take back everything that was said of a group, by feedback too."""
    kafka = reachable_kafka()
    if _checked(fingerprint) not in said_of_groups(kafka):
        raise Misconfigured(f"nothing is said of group {fingerprint}")
    _publish(kafka, fingerprint, None)
    out.print(f"{fingerprint} cleared", markup=False)


@labels.command("list")
def list_() -> None:
    """List the groups of which something is said."""
    for _, said in sorted(said_of_groups(reachable_kafka()).items()):
        out.print(_line(said), markup=False)


def said_of_groups(kafka: KafkaSettings) -> dict[str, GroupLabels]:
    """What the topic says now, by fingerprint.

    Raises:
        BrokerUnavailable: Kafka does not answer, or the topic is missing.
    """
    from fixstream.cli.audit.reading import read_to_end
    from fixstream.runtime.kafka import decode_message, make_consumer
    from fixstream.runtime.registry import make_codec

    codec = make_codec(kafka)
    found: dict[str, GroupLabels] = {}
    with closing(make_consumer(kafka, f"labels.{uuid.uuid4().hex}")) as consumer:
        for message in read_to_end(consumer, kafka.topic(LABELS)):
            key = bytes(message.key() or b"").decode(errors="replace")
            try:
                found[key] = decode_message(message, codec, GroupLabels)
            except DeadLetter:  # A tombstone, or none of ours: it says nothing of the group.
                found.pop(key, None)
    return found


def _publish(kafka: KafkaSettings, fingerprint: str, said: GroupLabels | None) -> None:
    from fixstream.runtime.kafka import RecordPublisher, make_producer
    from fixstream.runtime.registry import make_codec

    publisher = RecordPublisher(make_producer(kafka), make_codec(kafka), ce_source="fixstream/cli")
    topic = kafka.topic(LABELS)
    if said is None:
        publisher.publish_bytes(topic, fingerprint, None)
    else:
        publisher.publish(topic, fingerprint, said)
    publisher.flush(_FLUSH_TIMEOUT_S)


def _checked(fingerprint: str) -> str:
    from fixstream.schemas.limits import MAX_ID_CHARS

    if not 0 < len(fingerprint) <= MAX_ID_CHARS or not fingerprint.isprintable():
        raise Misconfigured("that is no fingerprint")
    return fingerprint


def _label(value: Severity | Domain | Category | None) -> Label | None:
    return None if value is None else Label(str(value), LabelSource.OPERATOR, 1.0)


def _line(said: GroupLabels) -> str:
    named = (("severity", said.severity), ("domain", said.domain), ("category", said.category))
    words = [f"{name}={label.value} ({label.source})" for name, label in named if label is not None]
    return f"{said.fingerprint}  {'  '.join(words)}  since {said.set_at:%Y-%m-%d %H:%M:%S}Z"
