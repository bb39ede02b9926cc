"""One trace from a caller through REST into Kafka, with the spans of what happened on the way."""

from __future__ import annotations

from pathlib import Path

import httpx
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fixstream.inference.api import PREFIX
from fixstream.inference.intake import _joined
from fixstream.runtime.tracing import configure_tracing, context_from, span, trace_headers
from support.inference import FakeModel, Publisher, service

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def test_a_request_s_trace_has_its_prediction() -> None:
    exporter = InMemorySpanExporter()
    with configure_tracing("inference", exporter), service() as running:
        running.slot.swap(FakeModel(3))
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "x-correlation-id": "t-7"}
            body = {"error_message": "the ledger is locked"}
            answer = await client.post(f"{PREFIX}/predict", json=body, headers=headers)
            assert answer.headers["x-correlation-id"] == "t-7"
    spans = {one.name: one for one in exporter.get_finished_spans()}
    request, predict = spans["request"], spans["predict"]
    assert request.context is not None
    assert predict.parent is not None
    assert f"{request.context.trace_id:032x}" == TRACE_ID
    assert predict.parent.span_id == request.context.span_id
    said = dict(request.attributes or {})
    assert said["http.route"] == f"{PREFIX}/predict"
    assert (said["http.response.status_code"], said["correlation_id"]) == (200, "t-7")
    assert "ledger" not in str([dict(one.attributes or {}) for one in spans.values()])


def test_a_reload_has_a_span(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    with configure_tracing("inference", exporter), service() as running:
        running.follower.see(Publisher(tmp_path).update(4))
    (reload,) = exporter.get_finished_spans()
    assert reload.name == "reload"
    assert dict(reload.attributes or {}) == {"model_version": 4, "kind": "promoted"}


def test_kafka_gets_the_request_s_trace_and_no_second_one() -> None:
    theirs = ("traceparent", f"00-{'1' * 32}-{'2' * 16}-01".encode())
    assert _joined([theirs], (), ()) == [theirs]
    with configure_tracing("inference", InMemorySpanExporter()), span("request"):
        sent = _joined([("ce_id", b"7"), theirs], [("fingerprint", b"f")], trace_headers())
        assert [name for name, _ in sent] == ["ce_id", "fingerprint", "traceparent"]
        assert theirs not in sent
        assert context_from(dict(sent)) is not None
