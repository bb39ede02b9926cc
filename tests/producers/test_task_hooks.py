"""Hooks of task workers: the failure is told, the task's arguments are not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
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


def test_a_celery_task_is_told_without_its_arguments(sink: MemorySink) -> None:
    # As celery.app.trace sends the signal.
    report_task_failure(
        signal=object(),
        sender=SimpleNamespace(name="shop.tasks.charge"),
        task_id="t-7",
        exception=hostile.raised(ValueError("no such card")),
        args=["4111-secret"],
        kwargs={"cvc": "123-secret"},
        traceback=None,
        einfo=None,
    )
    report_task_failure(sender=None, exception=None)

    (event,) = sink.events
    assert event.attributes["celery.task"] == "shop.tasks.charge"
    assert event.attributes["celery.task_id"] == "t-7"
    assert "secret" not in repr(event)


async def test_what_crashes_a_faust_agent_is_told(sink: MemorySink) -> None:
    class Agent(Service):
        """Faust runs an agent's stream in a service of this kind."""

    try:
        raise hostile.raised(ValueError("no such card"))
    except ValueError as error:
        await Agent().crash(error)

    assert [event.message for event in sink.events] == ["no such card"]
