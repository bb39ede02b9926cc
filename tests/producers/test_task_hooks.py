"""Hooks of task workers: the failure is told, the task's arguments are not."""

from __future__ import annotations

from collections.abc import Iterator

import celery
import celery.signals
import pytest
from celery import Celery
from mode import Service

import fixstream.producers
from fixstream.producers.sinks import MemorySink
from fixstream.producers.task_hooks import report_task_failure
from support import hostile


@pytest.fixture
def sink() -> MemorySink:
    sink = MemorySink()
    fixstream.producers.init("worker", sink=sink, hooks=False)
    return sink


@pytest.fixture
def celery_app() -> Iterator[Celery]:
    app = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.task_always_eager = True
    celery.signals.task_failure.connect(report_task_failure, weak=False)
    yield app
    celery.signals.task_failure.disconnect(report_task_failure)


def test_a_celery_task_is_told_without_its_arguments(sink: MemorySink, celery_app: Celery) -> None:
    @celery_app.task(name="shop.tasks.charge", shared=False)  # type: ignore[untyped-decorator]
    def charge(card: str, cvc: str) -> None:
        raise ValueError("no such card")

    result = charge.delay("4111-secret", cvc="123-secret")

    (event,) = sink.events
    assert result.failed()
    assert event.message == "no such card"
    assert event.attributes["celery.task"] == "shop.tasks.charge"
    assert event.attributes["celery.task_id"] == result.id
    assert "secret" not in repr(event)


def test_a_signal_without_an_exception_is_nothing(sink: MemorySink) -> None:
    report_task_failure(sender=None, exception=None)

    assert sink.events == ()


async def test_what_crashes_a_faust_agent_is_told(sink: MemorySink) -> None:
    class Agent(Service):
        """Faust runs an agent's stream in a service of this kind."""

    try:
        raise hostile.raised(ValueError("no such card"))
    except ValueError as error:
        await Agent().crash(error)

    assert [event.message for event in sink.events] == ["no such card"]
