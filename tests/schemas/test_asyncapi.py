"""The AsyncAPI document: every topic, message and schema is in it, and references lead there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest
from typer.testing import CliRunner

from fixstream.cli.main import app
from fixstream.schemas.asyncapi import asyncapi_document
from fixstream.schemas.catalogue import shipped
from fixstream.schemas.topics import ALL_TOPICS

DOCUMENT = asyncapi_document()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for name, one in value.items():
            if name != "schema":  # Avro's own names follow other rules.
                yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def test_its_parts_are_those_of_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) == {
        "asyncapi",
        "info",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
    for name in (
        *DOCUMENT["channels"],
        *DOCUMENT["operations"],
        *DOCUMENT["components"]["schemas"],
    ):
        assert all(letter.isalnum() or letter in "._-" for letter in name), name


def test_every_topic_and_its_message_is_there() -> None:
    assert {one["address"] for one in DOCUMENT["channels"].values()} == {
        topic.name() for topic in ALL_TOPICS
    }
    for topic in ALL_TOPICS:
        channel = DOCUMENT["channels"][topic.suffix]
        names = [topic.record.__name__] if topic.record else []
        assert list(channel["messages"]) == names
        retention = channel["bindings"]["kafka"]["topicConfiguration"].get("retention.ms")
        assert (retention is None) is (topic.retention is None)
        asked = {
            one["action"]
            for one in DOCUMENT["operations"].values()
            if one["channel"]["$ref"] == f"#/channels/{topic.suffix}"
        }
        assert asked == {"send", "receive"}


def test_every_schema_that_shipped_is_there_and_is_avro() -> None:
    held = DOCUMENT["components"]["schemas"]
    for record in shipped().records():
        for version in shipped().versions(record):
            schema = held[f"{record}.v{version.version}"]["schema"]
            assert schema == json.loads(version.text)
            fastavro.parse_schema(schema)
    for record in DOCUMENT["components"]["messages"]:
        assert held[record]["schema"] == json.loads(shipped().newest(record).text)


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 3 * 8
    for reference in found:
        place: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place


def test_the_command_prints_it_under_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIXSTREAM_TOPIC_PREFIX", "mine.")
    printed = CliRunner().invoke(app, ["schemas", "asyncapi"])
    assert json.loads(printed.stdout) == asyncapi_document("mine.")
    assert json.loads(printed.stdout)["channels"]["feedback.v1"]["address"] == "mine.feedback.v1"
