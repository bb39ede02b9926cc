"""Traces: one from capture to suggestion, nothing without configuration."""

from __future__ import annotations

import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fixstream.runtime.tracing import (
    configure_tracing,
    context_from,
    is_wanted,
    span,
    trace_headers,
)

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CAPTURED = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01".encode()}


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {one.name: one for one in exporter.get_finished_spans()}


def test_one_trace_spans_capture_processor_and_suggestion() -> None:
    exporter = InMemorySpanExporter()
    with configure_tracing("stream", exporter):
        with span("triage", parent=context_from(CAPTURED), topic="errors.raw.v1", left_out=None):
            on_the_message = dict(trace_headers())
        # Another process would do this part.
        with span("suggest", parent=context_from(on_the_message)), span("predict"):
            pass
        assert trace_headers() == ()
    found = by_name(exporter)
    for one in found.values():
        assert one.context is not None
        assert f"{one.context.trace_id:032x}" == TRACE_ID
    triage, suggest, predict = found["triage"], found["suggest"], found["predict"]
    assert triage.parent is not None
    assert f"{triage.parent.span_id:016x}" == SPAN_ID
    assert suggest.parent is not None
    assert triage.context is not None
    assert suggest.parent.span_id == triage.context.span_id
    assert predict.parent is not None
    assert suggest.context is not None
    assert predict.parent.span_id == suggest.context.span_id
    assert dict(triage.attributes or {}) == {"topic": "errors.raw.v1"}
    assert triage.resource.attributes["service.name"] == "fixstream-stream"


def test_a_failure_marks_its_span() -> None:
    exporter = InMemorySpanExporter()
    with (
        configure_tracing("stream", exporter),
        pytest.raises(KeyError),
        span("triage"),
    ):
        raise KeyError("x")
    assert not by_name(exporter)["triage"].status.is_ok


@pytest.mark.parametrize(
    "header", [b"", b"junk", b"\xff\xfe", f"00-{'0' * 32}-{SPAN_ID}-01".encode(), b"00-" * 5000]
)
def test_a_bad_header_starts_a_trace_of_its_own(header: bytes) -> None:
    with configure_tracing("stream", InMemorySpanExporter()):
        assert context_from(CAPTURED) is not None
        assert context_from({"traceparent": header}) is None
        assert context_from({}) is None


def test_without_configuration_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    with configure_tracing("stream"), span("triage", parent=context_from(CAPTURED)) as nothing:
        assert nothing is None
        assert trace_headers() == ()


def test_without_the_extra_a_service_still_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with configure_tracing("stream"), span("triage") as nothing:
        assert nothing is None


def test_the_usual_variables_decide() -> None:
    there = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert is_wanted(there)
    assert not is_wanted({})
    assert not is_wanted({**there, "OTEL_SDK_DISABLED": "true"})
    assert not is_wanted({**there, "OTEL_TRACES_EXPORTER": "none"})
