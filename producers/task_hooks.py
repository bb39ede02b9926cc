"""A hook for Celery, which catches its tasks' exceptions itself.

Celery is not imported here; the hook has the signature that its signal calls:

    celery.signals.task_failure.connect(report_task_failure, weak=False)

Faust needs none, and has none to give (its `app.agent` takes no `on_error`): it logs the exception
of an agent, and `init` sees what is logged.
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
