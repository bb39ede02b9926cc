"""How the Kafka sink bears a broker that does not work, with doubles of the client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixstream.producers.drops import DropReason
from fixstream.producers.kafka_sink import (
    Collaborators,
    KafkaSink,
    KafkaSinkConfig,
    default_collaborators,
)
from fixstream.producers.loss_report import ERROR_TYPE
from fixstream.producers.shipper import ProducerClient
from fixstream.runtime.clock import SettableClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.records import ErrorEvent
from support.deadlines import eventually
from support.events import make_event
from support.producers import (
    AcceptingProducer,
    BrokenProducer,
    FailingProducer,
    RefusingProducer,
    StuckProducer,
)

SETTINGS = KafkaSettings(bootstrap_servers="localhost:1")
CONFIG = KafkaSinkConfig(max_events=10, close_timeout_s=0.5)


def make_sink(
    connect: Callable[[], ProducerClient],
    config: KafkaSinkConfig = CONFIG,
    **changes: object,
) -> KafkaSink:
    parts = default_collaborators(SETTINGS, config)
    parts = replace(parts, connect=connect, scrub=lambda event: event)
    return KafkaSink(SETTINGS, config, collaborators=replace(parts, **changes))  # type: ignore[arg-type]


def dropped_by(sink: KafkaSink) -> dict[DropReason, int]:
    return dict(sink.counts().dropped)


@pytest.mark.parametrize(
    ("producer", "reason"),
    [
        (FailingProducer(), DropReason.SEND_FAILED),
        (RefusingProducer(), DropReason.QUEUE_FULL),
        (BrokenProducer(), DropReason.SEND_FAILED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_kafka_does_not_take_is_counted_by_reason(
    producer: AcceptingProducer, reason: DropReason
) -> None:
    sink = make_sink(lambda: producer)

    assert sink.emit(make_event())
    assert sink.flush(5.0)
    assert dropped_by(sink) == {reason: 1}
    sink.close()


def test_a_client_that_cannot_be_made_costs_a_counter() -> None:
    def connect() -> ProducerClient:
        raise ValueError("no such option")

    sink = make_sink(connect)

    assert sink.emit(make_event())
    assert sink.flush(5.0)
    assert dropped_by(sink) == {DropReason.SEND_FAILED: 1}
    sink.close()


def test_a_scrubber_that_fails_lets_nothing_through(swallowed: list[str]) -> None:
    def scrub(event: ErrorEvent) -> ErrorEvent:
        raise RuntimeError("bug")

    producer = AcceptingProducer()
    sink = make_sink(lambda: producer, scrub=scrub)
    sink.emit(make_event())

    assert sink.flush(5.0)
    assert producer.produced == []
    assert dropped_by(sink) == {DropReason.FAILED: 1}
    assert swallowed == ["scrubbing and encoding: RuntimeError: bug"]
    sink.close()
    swallowed.clear()


def test_the_worker_goes_on_after_an_event_that_broke() -> None:
    producer = AcceptingProducer()
    sink = make_sink(lambda: producer)
    sink.emit(make_event(service=""))
    sink.emit(make_event("fine"))

    assert sink.flush(5.0)
    assert [message.event.message for message in producer.produced] == ["fine"]
    assert dropped_by(sink) == {DropReason.INVALID: 1}
    sink.close()


def test_an_event_over_the_limit_is_too_large() -> None:
    sink = make_sink(AcceptingProducer, replace(CONFIG, max_message_bytes=200))
    sink.emit(make_event("x" * 300))

    assert sink.flush(5.0)
    assert dropped_by(sink) == {DropReason.TOO_LARGE: 1}
    sink.close()


def test_a_full_queue_refuses_the_newest_and_never_waits() -> None:
    sink = make_sink(StuckProducer)
    accepted: list[bool] = []

    def is_full() -> bool:
        accepted.extend(sink.emit(make_event()) for _ in range(10))
        return not any(accepted[-10:])

    eventually(is_full)
    # Ten wait in the queue, ten are under way.
    assert sum(accepted) == 20
    assert dropped_by(sink)[DropReason.QUEUE_FULL] == len(accepted) - 20
    assert not sink.flush(0.0)
    sink.close()
    assert sum(dropped_by(sink).values()) == len(accepted)


def test_the_queue_is_bounded_by_bytes_too() -> None:
    sink = make_sink(StuckProducer, replace(CONFIG, max_events=1000, max_bytes=65_536))
    for _ in range(100):
        sink.emit(make_event("x" * 30_000))

    assert dropped_by(sink)[DropReason.QUEUE_FULL] > 0
    sink.emit(make_event("x" * 70_000))
    assert dropped_by(sink)[DropReason.TOO_LARGE] == 1
    sink.close()


def test_what_was_sent_makes_room_again() -> None:
    sink = make_sink(AcceptingProducer, replace(CONFIG, max_bytes=65_536))
    for _ in range(10):
        assert sink.emit(make_event("x" * 30_000))
        assert sink.flush(5.0)

    assert dropped_by(sink) == {}
    sink.close()


def test_closing_gives_up_what_is_stuck_within_its_deadline() -> None:
    sink = make_sink(StuckProducer)
    sink.emit(make_event())
    sink.close()

    assert dropped_by(sink) == {DropReason.SEND_FAILED: 1}


def test_losses_reach_kafka_as_an_event_of_their_own() -> None:
    clock, producer = SettableClock(), FailingProducer()
    sink = make_sink(lambda: producer, clock=clock)
    sink.emit(make_event(service="orders"))
    assert sink.flush(5.0)
    sink.note_drop(DropReason.RATE_LIMITED, 7)
    sink.note_drop(DropReason.IGNORED, 5)
    producer.is_mended = True

    clock.advance(CONFIG.report_interval_s)
    report = eventually(lambda: producer.produced[1:])[0].event

    assert (report.error_type, report.service) == (ERROR_TYPE, "orders")
    assert report.attributes == {"dropped.rate_limited": "7", "dropped.send_failed": "1"}
    assert report.severity_hint == "low"
    sink.close()
    assert len(producer.produced) == 2, "what was reported is not reported again"


def test_a_report_that_is_lost_is_made_again() -> None:
    clock, producer = SettableClock(), FailingProducer()
    sink = make_sink(lambda: producer, clock=clock)
    sink.emit(make_event())
    assert sink.flush(5.0)
    clock.advance(CONFIG.report_interval_s)
    eventually(lambda: len(producer.produced) == 2)
    producer.is_mended = True

    def is_told_again() -> bool:
        clock.advance(CONFIG.report_interval_s)
        return len(producer.produced) >= 3

    eventually(is_told_again)
    assert producer.produced[-1].event.attributes == {"dropped.send_failed": "1"}
    sink.close()


def test_losses_are_told_at_the_end_without_waiting_for_the_interval() -> None:
    producer = AcceptingProducer()
    sink = make_sink(lambda: producer)
    sink.emit(make_event())
    sink.note_drop(DropReason.RATE_LIMITED)
    sink.close()

    assert [message.event.error_type for message in producer.produced] == ["ValueError", ERROR_TYPE]


def test_headers_let_a_reader_trace_without_decoding() -> None:
    producer = AcceptingProducer()
    sink = make_sink(lambda: producer)
    event = make_event(trace_id="a" * 32, span_id="b" * 16)
    sink.emit(event)
    assert sink.flush(5.0)
    message = producer.produced[0]

    assert message.topic == "fixstream.errors.raw.v1"
    assert message.key == b"shop"
    assert message.headers["ce_id"] == event.event_id.encode()
    assert message.headers["traceparent"] == f"00-{'a' * 32}-{'b' * 16}-01".encode()
    sink.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_starts_afresh_and_the_parent_goes_on() -> None:
    producer = AcceptingProducer()
    sink = make_sink(lambda: producer)
    sink.emit(make_event("parent"))
    assert sink.flush(5.0)
    sink.note_drop(DropReason.RATE_LIMITED)

    pid = os.fork()
    if pid == 0:
        # Only the exit status may speak: an assertion would run the parent's tests on.
        is_fresh = sink.counts().accepted == 0 and not sink.counts().dropped
        is_working = sink.emit(make_event("child")) and sink.flush(5.0)
        os._exit(0 if is_fresh and is_working and len(producer.produced) == 2 else 1)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    sink.emit(make_event("parent again"))
    assert sink.flush(5.0)
    assert [message.event.message for message in producer.produced] == ["parent", "parent again"]
    sink.close()


_HOST = """
import logging, os, signal, sys
import fixstream.producers
fixstream.producers.init(service="shop")
{body}
"""


def run_host(body: str) -> subprocess.CompletedProcess[str]:
    """A host process whose broker is down."""
    environment = os.environ | {
        "FIXSTREAM_BOOTSTRAP_SERVERS": "localhost:1",
        "FIXSTREAM_PRODUCERS_CLOSE_TIMEOUT_S": "0.3",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return subprocess.run(
        [sys.executable, "-c", _HOST.format(body=body)],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
        check=False,
    )


def test_a_host_without_a_broker_ends_as_it_would_have() -> None:
    done = run_host("raise KeyError('own error')")
    own, *ours = done.stderr.partition("KeyError: 'own error'\n")[1:]

    assert done.returncode == 1
    assert done.stdout == ""
    assert own
    # The host's log gets one line of ours; librdkafka's stay away.
    assert "".join(ours).count("\n") <= 1
    assert "rdkafka" not in done.stderr


def test_a_host_that_forks_with_a_live_producer_ends_in_both_processes() -> None:
    body = """
fixstream.producers.capture_exception(ValueError("before the fork"))
pid = os.fork()
fixstream.producers.capture_exception(ValueError("after the fork"))
if pid == 0:
    sys.exit(7)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert run_host(body).returncode == 7


_POOL = """
import multiprocessing
from pathlib import Path
from fixstream.producers.kafka_sink import KafkaSink, KafkaSinkConfig, default_collaborators
from fixstream.runtime.settings import KafkaSettings
from dataclasses import replace
from support.producers import AcceptingProducer
from support.events import make_event


class Slow(AcceptingProducer):
    def poll(self, timeout):
        num_reports = super().poll(timeout)
        Path({file!r}).write_text(str(len(self.produced)))
        return num_reports


def work(sink):
    for number in range(50):
        sink.emit(make_event(str(number)))


if __name__ == "__main__":
    settings = KafkaSettings(bootstrap_servers="localhost:1")
    parts = default_collaborators(settings, KafkaSinkConfig())
    sink = KafkaSink(settings, collaborators=replace(parts, connect=Slow))
    child = multiprocessing.get_context("fork").Process(target=work, args=(sink,))
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_multiprocessing_sends_before_it_leaves(tmp_path: Path) -> None:
    file = tmp_path / "sent"
    done = run_host(_POOL.format(file=str(file)))

    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_text() == "50"


def test_a_host_that_leaves_at_once_ends_with_its_own_status() -> None:
    body = "fixstream.producers.capture_exception(ValueError('x')); os._exit(5)"

    assert run_host(body).returncode == 5


_ABRUPT = """
from pathlib import Path
from dataclasses import replace
from fixstream.producers.kafka_sink import KafkaSink, KafkaSinkConfig, default_collaborators
from fixstream.runtime.settings import KafkaSettings
from support.producers import AcceptingProducer


class Recording(AcceptingProducer):
    def poll(self, timeout):
        num_reports = super().poll(timeout)
        Path({file!r}).write_text(str(len(self.produced)))
        return num_reports


settings = KafkaSettings(bootstrap_servers="localhost:1")
parts = default_collaborators(settings, KafkaSinkConfig())
sink = KafkaSink(settings, collaborators=replace(parts, connect=Recording))
fixstream.producers.shut_down()
fixstream.producers.init(service="shop", sink=sink, hooks={hooks})
for number in range(20):
    fixstream.producers.capture_exception(ValueError(str(number)))
{leave}
"""


def test_what_waits_is_sent_before_os_exit(tmp_path: Path) -> None:
    file = tmp_path / "sent"
    done = run_host(_ABRUPT.format(file=str(file), hooks=True, leave="os._exit(6)"))

    assert (done.returncode, done.stderr) == (6, "")
    assert file.read_text() == "20"


def test_what_waits_is_sent_before_a_worker_of_celery_leaves(tmp_path: Path) -> None:
    file = tmp_path / "sent"
    leave = "celery.signals.worker_process_shutdown.send(sender=None)\nos._exit(6)"
    body = "import celery.signals\n" + _ABRUPT
    done = run_host(body.format(file=str(file), hooks=False, leave=leave))

    assert (done.returncode, done.stderr) == (6, "")
    assert file.read_text() == "20"


def test_the_first_event_imports_nothing(tmp_path: Path) -> None:
    body = _ABRUPT.format(file=str(tmp_path / "sent"), hooks=True, leave="")
    body = body.replace("for number", "loaded = set(sys.modules)\nfor number")
    done = run_host(body + "sink.flush(5.0)\nprint(set(sys.modules) - loaded)")

    assert (done.returncode, done.stdout) == (0, "set()\n")


def test_a_host_that_is_told_to_stop_stops() -> None:
    body = """
fixstream.producers.capture_exception(ValueError('x'))
os.kill(os.getpid(), signal.SIGTERM)
"""
    assert run_host(body).returncode == -signal.SIGTERM


def test_no_thread_runs_before_there_is_something_to_send() -> None:
    before = threading.active_count()
    sink = make_sink(AcceptingProducer)

    assert threading.active_count() == before
    sink.close()


def test_collaborators_are_the_real_ones_by_default() -> None:
    parts = default_collaborators(SETTINGS, CONFIG)

    assert isinstance(parts, Collaborators)
    assert parts.scrub(make_event()).scrubber
