"""Traces of our own services by OpenTelemetry: one trace from a capture to its suggestion.

Without the extra `otel`, or without an address to send to, every call here does nothing and costs
next to nothing. What OpenTelemetry's own variables say holds: `OTEL_EXPORTER_OTLP_ENDPOINT` turns
traces on, `OTEL_SDK_DISABLED` off; `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
`OTEL_TRACES_SAMPLER` and `OTEL_EXPORTER_OTLP_*` are read by the SDK.

How a service takes part::

    with configure_tracing("stream"):               # once, in the entry point
        with span("triage", parent=context_from(headers_of(message)), topic=message.topic()):
            publisher.publish(topic, key, record, extra_headers=trace_headers())

`context_from` reads the `traceparent` that capture or an earlier service has put into a message's
headers, so the span becomes a child of the one there; `trace_headers` gives the headers that hand
the current span on. A span's attributes are ids and counts: never a payload or a secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

log = structlog.get_logger(__name__)

SCOPE = "fixstream"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_HEADERS = ("traceparent", "tracestate")
Attribute = str | int | float | bool

_provider: TracerProvider | None = None


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether OpenTelemetry's variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return False
    return any(environment.get(name) for name in _ENDPOINTS)


@contextmanager
def configure_tracing(service: str, exporter: SpanExporter | None = None) -> Iterator[None]:
    """Collects spans while the block runs, and sends what is left at its end.

    Args:
        service: Which of our services this is: `fixstream-<service>`, unless OTEL_SERVICE_NAME
            says otherwise.
        exporter: Where spans go; None takes the OTLP endpoint of the environment, if there is one.
    """
    global _provider  # noqa: PLW0603 - one for the process, as logging has
    provider = _made(service, exporter)
    if provider is None:
        yield
        return
    before, _provider = _provider, provider
    try:
        yield
    finally:
        _provider = before
        provider.shutdown()


def span(
    name: str, *, parent: Context | None = None, **attributes: Attribute | None
) -> AbstractContextManager[Any]:
    """A span around a block; an exception that leaves the block marks it as failed.

    Args:
        name: A short constant, such as `predict`.
        parent: From `context_from`; None takes the span under way in this thread or task.
        attributes: Ids and counts; None is left out.
    """
    if _provider is None:
        return nullcontext()
    given = {key: value for key, value in attributes.items() if value is not None}
    tracer = _provider.get_tracer(SCOPE)
    return tracer.start_as_current_span(name, context=parent, attributes=given)


def is_tracing() -> bool:
    """Whether spans are collected; for hot paths, where asking for each event would cost."""
    return _provider is not None


def new_trace() -> Context | None:
    """The parent of a span that begins a trace of its own, whatever is under way."""
    if _provider is None:
        return None
    from opentelemetry.context import Context

    return Context()


def context_from(headers: Mapping[str, bytes | str]) -> Context | None:
    """The context that a message's or a request's headers carry; None without a valid one."""
    if _provider is None:
        return None
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {name: _text(headers[name]) for name in _HEADERS if name in headers}
    context = TraceContextTextMapPropagator().extract(carrier)
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def trace_headers() -> tuple[tuple[str, bytes], ...]:
    """The headers that hand the current span on to who reads a message; none outside of spans."""
    if _provider is None:
        return ()
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return tuple((name, value.encode()) for name, value in carrier.items())


def _made(service: str, exporter: SpanExporter | None) -> TracerProvider | None:
    if exporter is None and not is_wanted():
        return None
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("traces are asked for, and the extra is missing", extra="fixstream[otel]")
        return None
    name = os.environ.get("OTEL_SERVICE_NAME") or f"fixstream-{service}"
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(exporter or _otlp()))
    log.info("tracing", service_name=name)
    return provider


def _otlp() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _text(value: bytes | str) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value
