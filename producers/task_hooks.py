"""Hooks for Celery and Faust, which catch their tasks' exceptions themselves.

Neither is imported here; the hooks have the signatures that they call:

    celery.signals.task_failure.connect(report_task_failure, weak=False)

    @app.agent(orders, on_error=report_agent_failure)

With `init`, Faust needs no hook: it logs what crashes an agent, and `init` sees what is logged.
"""

from __future__ import annotations

from typing import Any

from fixstream.producers.installation import current_reporter
from fixstream.producers.reporter import Sighting
from fixstream.schemas.enums import EventSource


def report_task_failure(
    sender: Any = None, task_id: str | None = None, exception: Any = None, **_: Any
) -> None:
    """Report the failure of a Celery task: its name and id, never its arguments.

    Args:
        sender: The task.
        task_id: The id of this run.
        exception: What it raised.
    """
    if isinstance(exception, BaseException):
        attributes = {
            "messaging.system": "celery",
            "celery.task": str(getattr(sender, "name", "")),
            "celery.task_id": str(task_id or ""),
        }
        sighting = Sighting(source=EventSource.LOGGING, attributes=attributes)
        current_reporter().report_exception(exception, sighting)


async def report_agent_failure(agent: Any, error: BaseException) -> None:
    """Report what an agent of Faust raised: the agent's name, never the event it was given.

    Args:
        agent: The agent.
        error: What it raised.
    """
    attributes = {
        "messaging.system": "kafka",
        "faust.agent": str(getattr(agent, "name", "")),
    }
    sighting = Sighting(source=EventSource.LOGGING, attributes=attributes)
    current_reporter().report_exception(error, sighting)
