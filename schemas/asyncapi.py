"""An AsyncAPI 3 document of all topics, made from the schemas: what to read and write, and how.

It describes and checks nothing; the catalogue is the truth, and this a view of it for people and
generators. It names no servers: where Kafka is, each deployment knows itself.
"""

from __future__ import annotations

import json
from typing import Any

from fixstream.schemas.catalogue import Catalogue, shipped
from fixstream.schemas.topics import ALL_TOPICS, DEFAULT_PREFIX, Topic

ASYNCAPI_VERSION = "3.0.0"
AVRO = "application/vnd.apache.avro;version=1.9.0"
_HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "CloudEvents and W3C trace context; readable without decoding the value.",
    "properties": {
        name: {"type": "string", "description": text}
        for name, text in {
            "ce_specversion": "Always 1.0.",
            "ce_id": "The record's own id.",
            "ce_type": "The record's type.",
            "ce_source": "Who sent it.",
            "ce_time": "When it was sent, RFC 3339.",
            "traceparent": "W3C trace context, where there is one.",
        }.items()
    },
}
_FILTERS = {
    name: {"type": "string", "description": f"The suggestion's {name}, to filter by."}
    for name in ("service", "severity", "domain")
}


def asyncapi_document(
    prefix: str = DEFAULT_PREFIX, schemas: Catalogue | None = None
) -> dict[str, Any]:
    """The document, as JSON values.

    Args:
        prefix: What the names of the topics start with.
        schemas: The schemas; None takes those that ship.
    """
    schemas = schemas or shipped()
    records = [topic.record.__name__ for topic in ALL_TOPICS if topic.record]
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "fixstream",
            "version": "1",
            "description": (
                "Errors in, suggested fixes out. Values are Avro in single-object encoding (C3 01, "
                "the schema's CRC-64-AVRO fingerprint, the body), or Confluent framing where a "
                "Schema Registry is set. Delivery is at least once, under deterministic ids."
            ),
        },
        "defaultContentType": AVRO,
        "channels": {topic.suffix: _channel(topic, prefix) for topic in ALL_TOPICS},
        "operations": {
            name: operation for topic in ALL_TOPICS for name, operation in _operations(topic)
        },
        "components": {
            "messages": {record: _message(record) for record in records},
            "schemas": {
                f"{one.record}.v{one.version}": _schema(one.text)
                for record in schemas.records()
                for one in schemas.versions(record)
            }
            | {record: _schema(schemas.newest(record).text) for record in records},
        },
    }


def _channel(topic: Topic, prefix: str) -> dict[str, Any]:
    config: dict[str, Any] = {"cleanup.policy": ["compact"] if topic.is_compacted else ["delete"]}
    policy = topic.config.get("cleanup.policy")
    if policy:
        config["cleanup.policy"] = policy.split(",")
    if topic.retention is not None:
        config["retention.ms"] = int(topic.retention.total_seconds() * 1000)
    name = topic.record.__name__ if topic.record else None
    messages = {name: {"$ref": f"#/components/messages/{name}"}} if name else {}
    return {
        "address": topic.name(prefix),
        "description": f"Key: {topic.key}. "
        + ("" if name else "Values are no Avro: the original bytes, or a part's own state. ")
        + ("A message without a value deletes." if topic.is_compacted else ""),
        "messages": messages,
        "bindings": {"kafka": {"topicConfiguration": config, "bindingVersion": "0.5.0"}},
    }


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{topic.suffix}"}
    return [
        (f"{action} {topic.suffix}".replace(" ", "."), {"action": action, "channel": channel})
        for action in ("send", "receive")
    ]


def _message(record: str) -> dict[str, Any]:
    headers = _HEADERS
    if record == "SuggestedFix":
        headers = {**_HEADERS, "properties": {**_HEADERS["properties"], **_FILTERS}}
    return {
        "name": record,
        "contentType": AVRO,
        "headers": headers,
        "payload": {"$ref": f"#/components/schemas/{record}"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
    }


def _schema(text: str) -> dict[str, Any]:
    return {"schemaFormat": AVRO, "schema": json.loads(text)}
