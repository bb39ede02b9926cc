"""The client against a small registry of our own, over real HTTP."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from fixstream.runtime.clock import SettableClock
from fixstream.runtime.registry import UNKNOWN_FOR_S, SchemaRegistry, make_codec
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.catalogue import shipped
from fixstream.schemas.codec import encode
from fixstream.schemas.errors import (
    FixstreamError,
    Misconfigured,
    RetryLater,
    SchemaConflict,
    UnknownSchema,
)
from fixstream.schemas.records import ErrorEvent
from support.records import EVENT

STRING = '"string"'


class SmallRegistry(ThreadingHTTPServer):
    """Keeps schemas by id; answers with `forced` instead, where a test sets it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Calls)
        self.schemas: list[str] = []
        self.calls: list[str] = []
        self.authorization: str | None = None
        self.forced: tuple[int, bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Calls(BaseHTTPRequestHandler):
    server: SmallRegistry

    def do_GET(self) -> None:
        number = int(self.path.rpartition("/")[2])
        if 0 < number <= len(self.server.schemas):
            self.answer(200, {"schema": self.server.schemas[number - 1]})
        else:
            self.answer(404, {"error_code": 40403, "message": "Schema not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["schema"] not in self.server.schemas:
            self.server.schemas.append(body["schema"])
        self.answer(200, {"id": self.server.schemas.index(body["schema"]) + 1})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        self.server.calls.append(f"{self.command} {self.path}")
        self.server.authorization = self.headers["Authorization"]
        status, data = self.server.forced or (status, json.dumps(body).encode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[SmallRegistry]:
    server = SmallRegistry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def settings_for(server: SmallRegistry, **more: Any) -> KafkaSettings:
    return KafkaSettings(schema_registry_url=server.url, **more)


def test_a_schema_is_registered_once_and_looked_up_once(server: SmallRegistry) -> None:
    registry = SchemaRegistry(settings_for(server))
    assert [registry.id_of("fixstream.A b", STRING) for _ in range(3)] == [1, 1, 1]
    assert [registry.schema_of(1) for _ in range(3)] == [STRING] * 3
    assert server.calls == ["POST /subjects/fixstream.A%20b/versions", "GET /schemas/ids/1"]


def test_messages_travel_confluent_framed(server: SmallRegistry) -> None:
    server.schemas.append(STRING)
    writer, reader = (make_codec(settings_for(server)) for _ in range(2))
    message = writer.encode(EVENT)
    assert message[:5] == b"\x00\x00\x00\x00\x02"
    assert reader.decode(message, ErrorEvent) == EVENT
    assert reader.decode(encode(EVENT), ErrorEvent) == EVENT
    assert json.loads(server.schemas[1]) == json.loads(shipped().newest("ErrorEvent").text)
    assert "POST /subjects/fixstream.ErrorEvent/versions" in server.calls


def test_without_an_address_messages_are_single_objects() -> None:
    assert make_codec(KafkaSettings()).encode(EVENT) == encode(EVENT)


def test_an_unknown_id_is_asked_for_once_in_a_while(server: SmallRegistry) -> None:
    clock = SettableClock()
    registry = SchemaRegistry(settings_for(server), clock)
    for _ in range(5):
        with pytest.raises(UnknownSchema, match="id 1"):
            registry.schema_of(1)
    assert len(server.calls) == 1
    server.schemas.append(STRING)
    clock.advance(UNKNOWN_FOR_S)
    assert registry.schema_of(1) == STRING


def test_the_password_is_sent(server: SmallRegistry) -> None:
    more = {"schema_registry_username": "me", "schema_registry_password": SecretStr("s3")}
    SchemaRegistry(settings_for(server, **more)).id_of("a", STRING)
    assert server.authorization == "Basic " + base64.b64encode(b"me:s3").decode()


@pytest.mark.parametrize(
    ("forced", "error", "message"),
    [
        ((409, b'{"message": "incompatible"}'), SchemaConflict, "refuses the schema of a"),
        ((422, b'{"message": "invalid"}'), SchemaConflict, "refuses the schema of a"),
        ((401, b""), Misconfigured, "user name and password"),
        ((500, b"oops"), RetryLater, "status 500"),
        ((429, b""), RetryLater, "status 429"),
        ((200, b"<html>"), Misconfigured, "no Schema Registry's answer"),
        ((200, b"[]"), Misconfigured, "no Schema Registry's answer"),
        ((200, b'{"id": "7"}'), Misconfigured, "no Schema Registry's answer"),
        ((302, b"{}"), Misconfigured, "status 302"),
    ],
)
def test_a_refusal_has_a_family(
    server: SmallRegistry, forced: tuple[int, bytes], error: type[FixstreamError], message: str
) -> None:
    server.forced = forced
    with pytest.raises(error, match=message):
        SchemaRegistry(settings_for(server)).id_of("a", STRING)


@pytest.mark.parametrize(
    ("forced", "error"),
    [
        ((200, b'{"schema": "syntax = 3", "schemaType": "PROTOBUF"}'), UnknownSchema),
        ((200, b'{"schema": 3}'), Misconfigured),
        ((503, b""), RetryLater),
    ],
)
def test_a_bad_answer_to_a_look_up_has_a_family(
    server: SmallRegistry, forced: tuple[int, bytes], error: type[FixstreamError]
) -> None:
    server.forced = forced
    with pytest.raises(error):
        SchemaRegistry(settings_for(server)).schema_of(1)


def test_a_registry_that_is_not_there_is_tried_later() -> None:
    registry = SchemaRegistry(KafkaSettings(schema_registry_url="http://127.0.0.1:1"))
    with pytest.raises(RetryLater, match="does not answer"):
        registry.schema_of(1)
