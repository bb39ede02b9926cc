"""A batch that is accepted stands in the trace that the processor began with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.tracing import configure_tracing
from fixstream.schemas.codec import Codec, encode
from fixstream.schemas.records import TrainingBatch
from fixstream.trainer import intake
from support.records import SAMPLES

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
BATCH = next(sample for sample in SAMPLES if isinstance(sample, TrainingBatch))


@dataclass
class Accepting:
    """A ledger that takes everything, and its position."""

    accepted: list[TrainingBatch]
    accepts_gaps = False
    batch_offsets = ()

    def position(self) -> Accepting:
        return self

    def accept(self, batch: TrainingBatch, partition: object, offset: int) -> None:
        self.accepted.append(batch)


class Message:
    """The message of a batch, with the processor's headers."""

    def topic(self) -> str:
        return "training.batches.v1"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 5

    def value(self) -> bytes:
        return encode(BATCH)

    def headers(self) -> list[tuple[str, bytes]]:
        return [("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01".encode())]


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What takes a message, with the ledger that it goes to."""
    monkeypatch.setattr(intake, "TopicIntake", lambda *args, **_: args[3])
    ledger = Accepting([])
    anything = cast("Any", ledger)
    return intake.batch_intake(KafkaSettings(), Codec(), anything, anything), ledger


def test_the_span_goes_on_with_the_batchs_trace(take: Any) -> None:
    exporter = InMemorySpanExporter()
    with configure_tracing("trainer", exporter):
        take[0](Message())
    (one,) = exporter.get_finished_spans()
    assert one.context is not None
    assert one.parent is not None
    assert f"{one.context.trace_id:032x}" == TRACE_ID
    assert f"{one.parent.span_id:016x}" == SPAN_ID
    assert dict(one.attributes or {}) == {"partition": 0, "offset": 5}
    assert take[1].accepted == [BATCH]


def test_without_tracing_a_batch_is_accepted_as_well(take: Any) -> None:
    take[0](Message())
    assert take[1].accepted == [BATCH]
