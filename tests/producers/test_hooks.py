"""`init`, the log handler and the interpreter's hooks: they add to the host and take nothing."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

import fixstream.producers
from fixstream.producers import host_log
from fixstream.producers.installation import Installation, init, shut_down
from fixstream.producers.log_handler import ErrorEventHandler
from fixstream.producers.sinks import MemorySink
from fixstream.schemas.errors import Misconfigured
from support import hostile


def price_of(prices: dict[str, int], sku: str) -> int:
    return prices[sku]


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def logger(sink: MemorySink) -> Iterator[logging.Logger]:
    logger = logging.getLogger("shop.orders")
    handler = ErrorEventHandler(sink=sink, service="shop")
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def test_an_exception_that_is_logged_is_an_event(sink: MemorySink, logger: logging.Logger) -> None:
    try:
        price_of({}, "sku")
    except KeyError:
        logger.exception("cannot price %s", "SKU-1")

    (event,) = sink.events
    assert (event.error_type, event.source) == ("KeyError", "logging")
    assert event.attributes["log.template"] == "cannot price %s"
    assert event.attributes["log.logger"] == "shop.orders"
    assert "test_hooks" in (event.stack_trace or "")


def test_a_warning_counts_only_with_an_exception(sink: MemorySink, logger: logging.Logger) -> None:
    logger.warning("just saying")
    logger.warning("look", exc_info=ValueError("x"))
    logger.warning("no exception here", exc_info=True)  # noqa: LOG014

    assert [event.error_type for event in sink.events] == ["ValueError"]


def test_an_error_without_exception_is_told_by_its_message(
    sink: MemorySink, logger: logging.Logger
) -> None:
    logger.error("quota of %s exceeded", "tenant-7")
    logger.critical("out of disk")

    first, second = sink.events
    assert first.message == "quota of tenant-7 exceeded"
    assert first.error_type is None
    assert first.attributes["code.function.name"].startswith("test_an_error")
    assert (first.severity_hint, second.severity_hint) == (None, "critical")


def test_what_capture_itself_logs_is_left_alone(sink: MemorySink) -> None:
    handler = ErrorEventHandler(sink=sink, service="shop")
    for name in (host_log.LOGGER_NAME, f"{host_log.LOGGER_NAME}.librdkafka"):
        handler.handle(logging.makeLogRecord({"name": name, "levelno": logging.ERROR}))

    assert sink.events == ()


def test_a_message_that_logs_while_it_is_captured_does_not_recurse(sink: MemorySink) -> None:
    handler = ErrorEventHandler(sink=sink, service="shop")

    class LogsInStr(Exception):
        def __str__(self) -> str:
            handler.handle(logging.makeLogRecord({"levelno": logging.ERROR, "msg": "inner"}))
            return "printed"

    error = LogsInStr()
    record = {"name": "shop", "levelno": logging.ERROR, "exc_info": (LogsInStr, error, None)}
    handler.handle(logging.makeLogRecord(record))

    assert [event.message for event in sink.events] == ["printed"]


def test_a_record_that_cannot_be_formatted_costs_the_host_nothing(
    sink: MemorySink, swallowed: list[str]
) -> None:
    handler = ErrorEventHandler(sink=sink, service="shop")
    record = logging.makeLogRecord({"levelno": logging.ERROR, "msg": "%d", "args": ("x",)})
    handler.handle(record)

    assert len(swallowed) == 1
    swallowed.clear()


def installed(sink: MemorySink) -> Installation:
    return init("shop", sink=sink, environment="test")


def test_init_twice_is_init_once(sink: MemorySink) -> None:
    hook = sys.excepthook
    first = installed(sink)

    assert installed(MemorySink()) is first
    shut_down()
    assert sys.excepthook is hook
    shut_down()


def test_the_environment_alone_suffices(monkeypatch: pytest.MonkeyPatch, sink: MemorySink) -> None:
    monkeypatch.setenv("FIXSTREAM_SERVICE", "orders")
    monkeypatch.setenv("FIXSTREAM_ENVIRONMENT", "staging")
    monkeypatch.setenv("FIXSTREAM_PRODUCERS_RELEASE", "7.1")
    monkeypatch.setenv("FIXSTREAM_PRODUCERS_IGNORE", '["KeyError"]')
    fixstream.producers.init(sink=sink)
    fixstream.producers.capture_exception(hostile.raised(KeyError("ignored")))
    fixstream.producers.capture_exception(hostile.raised(ValueError("kept")))

    (event,) = sink.events
    assert (event.service, event.environment, event.release) == ("orders", "staging", "7.1")


@pytest.mark.parametrize(
    ("name", "value"),
    [("FIXSTREAM_PRODUCERS_SAMPLE_RATE", "7"), ("FIXSTREAM_PRODUCERS_MAX_EVENTS", "many")],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(Misconfigured, match=name):
        init("shop", sink=MemorySink())


def test_a_name_that_no_record_can_hold_is_refused() -> None:
    with pytest.raises(Misconfigured, match="FIXSTREAM_RELEASE"):
        init("shop", sink=MemorySink(), release="1" * 300)


def test_a_missing_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIXSTREAM_SERVICE", "FIXSTREAM_PRODUCERS_SERVICE", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(Misconfigured, match="FIXSTREAM_SERVICE"):
        init(sink=MemorySink())


def test_capture_exception_takes_the_one_being_handled(sink: MemorySink) -> None:
    installed(sink)
    try:
        price_of({}, "handled")
    except KeyError:
        event_id = fixstream.producers.capture_exception()

    assert [event.event_id for event in sink.events] == [event_id]
    assert fixstream.producers.capture_exception() is None


def test_an_uncaught_exception_is_reported_and_still_printed(
    sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda *args: printed.append(args[1]))
    installed(sink)
    error = hostile.raised(ValueError("fatal"))
    sys.excepthook(ValueError, error, error.__traceback__)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)

    assert [event.severity_hint for event in sink.events] == ["critical"]
    assert len(printed) == 2
    shut_down()


def test_a_thread_that_fails_is_reported_and_still_printed(
    sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: printed.append(args.exc_value))
    installed(sink)

    def fail() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=fail, name="worker-7")
    thread.start()
    thread.join()

    assert [event.attributes["thread.name"] for event in sink.events] == ["worker-7"]
    assert len(printed) == 1
    shut_down()


async def test_a_task_that_nobody_awaits_is_reported_once(
    sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    installed(sink)

    async def fail() -> None:
        raise ValueError("in a task")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    await asyncio.sleep(0)

    assert [event.message for event in sink.events] == ["in a task"]
    assert "Task exception was never retrieved" in caplog.text
    asyncio.get_running_loop().set_exception_handler(None)


def test_every_logger_is_seen_and_none_is_changed(sink: MemorySink) -> None:
    own_output = io.StringIO()
    logger = logging.getLogger("shop.alone")
    handler = logging.StreamHandler(own_output)
    logger.addHandler(handler)
    logger.propagate = False
    root_handlers = list(logging.getLogger().handlers)
    installed(sink)
    try:
        logger.error("nobody hears me")
    finally:
        shut_down()
        logger.error("after the end")
        logger.propagate = True
        logger.removeHandler(handler)

    assert [event.message for event in sink.events] == ["nobody hears me"]
    assert own_output.getvalue() == "nobody hears me\nafter the end\n"
    assert logging.getLogger().handlers == root_handlers


def test_hooks_and_logging_can_be_left_out(sink: MemorySink) -> None:
    hook = sys.excepthook
    init("shop", sink=sink, hooks=False, logging=False)
    logging.getLogger("shop").error("not captured")

    assert sys.excepthook is hook
    assert sink.events == ()


def test_logging_is_seen_without_the_other_hooks(sink: MemorySink) -> None:
    hook = sys.excepthook
    init("shop", sink=sink, hooks=False)
    logging.getLogger("shop").error("captured")

    assert sys.excepthook is hook
    assert len(sink.events) == 1
