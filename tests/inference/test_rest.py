"""The REST calls: what they answer, and that bad input ends in a problem document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import structlog
from starlette.types import Message

from fixstream.inference.gate import GateConfig
from fixstream.inference.settings import InferenceSettings
from fixstream.runtime.settings import load_settings
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import BrokerUnavailable, Misconfigured
from fixstream.schemas.records import ErrorEvent, FixFeedback
from support.inference import (
    FakeModel,
    Service,
    ServiceOptions,
    service,
    solution,
)

PREFIX = "/api/v1/learning"
SECRET = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def running() -> Iterator[Service]:
    with service() as started:
        started.knowledge.put(
            solution("locked", "database is locked", "Turn on WAL.", error_type="OperationalError")
        )
        started.knowledge.commit()
        yield started


def client_of(running: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(running.app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.fixture
async def client(running: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(running) as made:
        yield made


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert "Traceback" not in answer.text
    return document


async def test_errors_reach_kafka_scrubbed(client: httpx.AsyncClient, running: Service) -> None:
    report = {
        "error_type": "ConnectionError",
        "message": f"Failed to connect to Azure with {SECRET}",
        "stack_trace": "...",
        "severity": "high",
        "attributes": {"token": SECRET},
    }
    headers = {"X-Correlation-ID": "ticket-7"}
    answer = await client.post(f"{PREFIX}/errors", json={"errors": [report]}, headers=headers)
    assert answer.status_code == 202
    (outgoing,) = running.intake.sent
    event = outgoing.record
    assert isinstance(event, ErrorEvent)
    assert answer.json() == {"accepted": 1, "event_ids": [event.event_id]}
    assert answer.headers["x-correlation-id"] == "ticket-7"
    assert (event.source, event.severity_hint, event.correlation_id) == (
        EventSource.REST,
        "high",
        "ticket-7",
    )
    assert SECRET not in Codec().encode(event).decode("latin-1")


async def test_predict_answers_as_the_contract_says(
    client: httpx.AsyncClient, running: Service
) -> None:
    running.slot.swap(FakeModel(3))
    body = {"error_message": "database is locked", "error_type": "sqlite3.OperationalError"}
    first = (await client.post(f"{PREFIX}/predict", json=body)).json()
    wanted = {"error_id", "model_version", "predictions", "fixes", "cached"}
    assert set(first) == wanted | {"nearest_errors", "reason"}
    assert (first["model_version"], first["cached"]) == (3, False)
    assert set(first["predictions"]) == {"category", "domain", "severity"}
    assert {"value", "confidence"} <= set(first["predictions"]["domain"])
    (fix,) = first["fixes"]
    assert set(fix) == {
        "solution_id",
        "title",
        "text",
        "score",
        "origin",
        "provenance",
        "matched_on",
        "warnings",
    }
    assert fix["provenance"]["license"] == "CC0-1.0"
    again = (await client.post(f"{PREFIX}/predict", json=body)).json()
    assert again["cached"] is True
    assert again["fixes"] == first["fixes"]
    assert again["error_id"] != first["error_id"]


async def test_a_new_model_answers_anew(client: httpx.AsyncClient, running: Service) -> None:
    body = {"error_message": "database is locked"}
    versions = []
    for version in (1, 2):
        running.slot.swap(FakeModel(version))
        answer = (await client.post(f"{PREFIX}/predict", json=body)).json()
        assert answer["cached"] is False
        versions.append(answer["model_version"])
    assert versions == [1, 2]


async def test_without_a_model_rules_and_words_answer(client: httpx.AsyncClient) -> None:
    body = {"error_message": "database is locked", "domain": "cloud"}
    answer = (await client.post(f"{PREFIX}/predict", json=body)).json()
    assert answer["model_version"] == 0
    assert answer["predictions"]["domain"]["value"] == "cloud"
    assert [fix["solution_id"] for fix in answer["fixes"]] == ["locked"]


async def test_suggest_fix_answers_the_same_fixes(client: httpx.AsyncClient) -> None:
    query = {"error_message": "database is locked"}
    fixes = (await client.get(f"{PREFIX}/suggest-fix", params=query)).json()
    predicted = (await client.post(f"{PREFIX}/predict", json=query)).json()
    names = ("model_version", "fixes", "nearest_errors", "reason")
    assert fixes == {name: predicted[name] for name in names}


async def test_private_fixes_stay_private(client: httpx.AsyncClient, running: Service) -> None:
    running.knowledge.put(solution("secret", "database is locked", visibility="shop"))
    running.knowledge.commit()
    body = {"error_message": "database is locked", "top_k": 20}
    answer = (await client.post(f"{PREFIX}/predict", json=body)).json()
    assert [fix["solution_id"] for fix in answer["fixes"]] == ["locked"]


async def test_feedback_names_no_submitter_and_finds_its_group(
    client: httpx.AsyncClient, running: Service
) -> None:
    body = {"error_message": "database is locked"}
    predicted = (await client.post(f"{PREFIX}/predict", json=body)).json()
    answer = await client.post(
        f"{PREFIX}/feedback",
        json={
            "error_id": predicted["error_id"],
            "solution_worked": True,
            "feedback": f"worked with {SECRET}",
            "solution_id": "locked",
        },
    )
    assert answer.status_code == 202
    (outgoing,) = running.intake.sent
    record = outgoing.record
    assert isinstance(record, FixFeedback)
    assert answer.json() == {"feedback_id": record.feedback_id}
    assert SECRET not in (record.comment or "")
    assert record.submitter
    assert "127.0.0.1" not in record.submitter
    assert dict(outgoing.extra_headers)["fingerprint"].startswith(b"v1-")


async def test_stats_know_what_they_do_not_know(client: httpx.AsyncClient) -> None:
    stats = (await client.get(f"{PREFIX}/stats")).json()
    for name in ("events", "groups", "batches", "steps", "examples", "model", "lag", "cache"):
        assert name in stats
    assert stats["events"] is None, "Kafka has not been asked"
    assert stats["model"]["version"] == 0
    assert stats["promotion_history"] == []


BAD_BODIES = {
    "not json": b"error",
    "empty": b"",
    "truncated": b'{"error_message": "x"',
    "not a number": b'{"error_message": NaN}',
    "a lone surrogate": b'{"error_message": "\\ud800"}',
    "bytes that are no utf-8": b'{"error_message": "\xff"}',
    "deep": b"[" * 200_000,
    "deep in a field": b'{"error_message": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a huge number": b'{"error_message": "x", "top_k": ' + b"9" * 10_000 + b"}",
    "an empty text": b'{"error_message": ""}',
    "a number for a text": b'{"error_message": 7}',
    "a text for a number": b'{"error_message": "x", "top_k": "3"}',
    "top_k of zero": b'{"error_message": "x", "top_k": 0}',
    "an unknown domain": b'{"error_message": "x", "domain": "kitchen"}',
    "a list": b"[]",
    "null": b"null",
    "too long a message": json.dumps({"error_message": "x" * 40_000}).encode(),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_bad_body_is_422(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await client.post(f"{PREFIX}/predict", content=body, headers=headers)
    document = assert_problem(answer, 422)
    assert len(answer.content) < 4096
    assert document["errors"]


@pytest.mark.parametrize(
    "report",
    [
        {"message": "x"},
        {"error_type": "E"},
        {"error_type": "E", "message": ""},
        {"error_type": "E", "message": "x", "severity": "awful"},
        {"error_type": "E", "message": "x", "event_id": "with space"},
        {"error_type": "E", "message": "x", "attributes": {"k": 1}},
        {"error_type": "E", "message": "x", "attributes": {str(n): "v" for n in range(100)}},
    ],
)
async def test_a_bad_report_refuses_the_whole_call(
    client: httpx.AsyncClient, running: Service, report: dict[str, Any]
) -> None:
    good = {"error_type": "E", "message": "x"}
    answer = await client.post(f"{PREFIX}/errors", json={"errors": [good, report]})
    assert_problem(answer, 422)
    assert running.intake.sent == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_what_is_not_json_is_415(client: httpx.AsyncClient, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = await client.post(f"{PREFIX}/predict", content=b"{}", headers=headers)
    assert_problem(answer, 415)


async def test_unknown_addresses_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/nowhere"), 404)
    assert_problem(await client.get("/assets/../service.py"), 404)
    assert_problem(await client.get("/assets/page.html"), 404)
    refused = await client.delete(f"{PREFIX}/stats")
    assert_problem(refused, 405)
    assert refused.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", f"{PREFIX}/stats", "/nowhere"])
async def test_head_is_get_without_the_body(client: httpx.AsyncClient, path: str) -> None:
    got, asked = await client.get(path), await client.head(path)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert int(asked.headers["content-length"]) > 0


async def test_head_of_a_call_that_only_takes_post_is_405(client: httpx.AsyncClient) -> None:
    assert (await client.head(f"{PREFIX}/predict")).status_code == 405


def test_checkpoints_at_a_url_need_keys_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIXSTREAM_INFERENCE_CHECKPOINT_DIR", "s3://bucket/models")
    with pytest.raises(Misconfigured, match="FIXSTREAM_INFERENCE_TRUSTED_KEYS is needed"):
        assert load_settings(InferenceSettings).trusted_keys_path
    monkeypatch.setenv("FIXSTREAM_INFERENCE_TRUSTED_KEYS", "/etc/fixstream/one.pub")
    settings = load_settings(InferenceSettings)
    assert settings.trusted_keys_path == "/etc/fixstream/one.pub"
    assert settings.keys_folder == "/etc/fixstream"


async def test_the_description_states_the_limits(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    fields = schemas["PredictBody"]["properties"]
    for words, name in (
        ("32,768", "error_message"),
        ("131,072", "stack_trace"),
        ("1..20", "top_k"),
    ):
        assert words in fields[name]["description"], name
    for name in ("PredictBody", "ErrorsBody", "FeedbackBody"):
        assert "Unknown fields are ignored" in schemas[name]["description"], name
    for path in ("predict", "errors", "feedback"):
        call = document["paths"][f"{PREFIX}/{path}"]["post"]
        assert list(call["requestBody"]["content"]) == ["application/json"]
        assert "application/json only" in call["description"]
        assert "1 MiB" in call["description"]
    (asked,) = (
        one
        for one in document["paths"][f"{PREFIX}/suggest-fix"]["get"]["parameters"]
        if one["name"] == "error_message"
    )
    assert "32,768" in asked["description"]


async def test_what_the_description_says_of_a_body_holds(client: httpx.AsyncClient) -> None:
    async def status(**fields: object) -> int:
        body = {"error_message": "x", **fields}
        return (await client.post(f"{PREFIX}/predict", json=body)).status_code

    assert await status(nobody_knows_this=1) == 200
    assert (await status(error_message="x" * 32_768), await status(error_message="x" * 32_769)) == (
        200,
        422,
    )
    assert (await status(stack_trace="x" * 131_072), await status(stack_trace="x" * 131_073)) == (
        200,
        422,
    )
    assert [await status(top_k=number) for number in (0, 1, 20, 21)] == [422, 200, 200, 422]


async def test_every_plane_of_unicode_is_taken(client: httpx.AsyncClient) -> None:
    message = "\x00\x7f\u202e\ufeff\uffff" + "".join(
        chr(0x10000 * plane + 0x41) for plane in range(17)
    )
    answer = await client.post(f"{PREFIX}/predict", json={"error_message": message})
    assert answer.status_code == 200


async def test_a_body_over_the_limit_is_413_while_it_streams() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024
            yield b" " * 1024

    with service(ServiceOptions(gate=GateConfig(max_body_bytes=10_000))) as running:
        async with client_of(running) as client:
            headers = {"content-type": "application/json"}
            answer = await client.post(f"{PREFIX}/predict", content=endless(), headers=headers)
            assert_problem(answer, 413)
            assert sent < 20_000
            announced = {**headers, "content-length": "99999"}
            answer = await client.post(f"{PREFIX}/predict", content=b"{}", headers=announced)
            assert_problem(answer, 413)


async def test_a_slow_body_is_given_up() -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    with service(ServiceOptions(gate=GateConfig(body_deadline_s=0.05))) as running:
        async with client_of(running) as client:
            headers = {"content-type": "application/json"}
            answer = await client.post(f"{PREFIX}/predict", content=stalls(), headers=headers)
            assert_problem(answer, 408)


@pytest.mark.parametrize("call", ["predict", "errors", "feedback"])
async def test_who_goes_away_in_the_middle_of_a_body_is_no_error_of_ours(
    running: Service, call: str
) -> None:
    coming: list[Message] = [
        {"type": "http.request", "body": b'{"error_me', "more_body": True},
        {"type": "http.disconnect"},
    ]
    answers: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        answers.append(message)

    path = f"{PREFIX}/{call}"
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 9),
        "server": ("127.0.0.1", 80),
    }
    with structlog.testing.capture_logs() as lines:
        await running.app(scope, receive, send)
    assert answers[0]["status"] == 400
    assert lines == []


async def test_too_many_are_told_when_to_come_again() -> None:
    limits = {"predict": "2/minute", "errors": "1/minute", "feedback": "1/minute"}
    with service(ServiceOptions(limits=limits)) as running:
        async with client_of(running) as client:
            body = {"error_message": "x"}
            answers = [await client.post(f"{PREFIX}/predict", json=body) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert_problem(answers[2], 429)
            assert 1 <= int(answers[2].headers["retry-after"]) <= 60


async def test_more_requests_than_we_take_are_503() -> None:
    with service(ServiceOptions(gate=GateConfig(max_requests=0))) as running:
        async with client_of(running) as client:
            answer = await client.get("/healthz")
            assert_problem(answer, 503)
            assert answer.headers["retry-after"] == "1"


async def test_kafka_away_is_503_not_202(client: httpx.AsyncClient, running: Service) -> None:
    running.intake.error = BrokerUnavailable("no acknowledgement")
    body = {"errors": [{"error_type": "E", "message": "x"}]}
    answer = await client.post(f"{PREFIX}/errors", json=body)
    assert_problem(answer, 503)
    assert answer.headers["retry-after"]


async def test_our_own_fault_is_500_without_a_trace(
    client: httpx.AsyncClient, running: Service
) -> None:
    running.intake.error = ZeroDivisionError("secret detail")
    body = {"error_id": "e", "solution_worked": True}
    answer = await client.post(f"{PREFIX}/feedback", json=body)
    assert_problem(answer, 500)
    assert "secret" not in answer.text


async def test_a_strange_correlation_id_is_replaced(client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz", headers={"X-Correlation-ID": "a b\tc"})
    assert answer.headers["x-correlation-id"] != "a b\tc"
    assert len(answer.headers["x-correlation-id"]) == 32


async def test_the_documentation_and_assets_are_ours(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/", "/openapi.json", "/assets/page.js", "/assets/page.css", "/metrics"):
        answer = await client.get(path)
        assert answer.status_code == 200, path
        if path in ("/docs", "/"):
            assert "//" not in answer.text.replace("https://example.org", "").replace("://", "")
    document = (await client.get("/openapi.json")).json()
    assert set(document["paths"]) >= {
        f"{PREFIX}/{name}" for name in ("errors", "predict", "suggest-fix", "feedback", "stats")
    }
