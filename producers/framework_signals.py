"""Frameworks that answer 500 themselves and let no exception out: Django and Flask, by signals.

Neither is imported here: a signal is connected once its framework was loaded by the host.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from fixstream.producers import host_log
from fixstream.producers.request_in_flight import current_request

_SIGNALS: Final = (
    ("django.core.signals", "got_request_exception"),
    ("flask", "got_request_exception"),
)
_connected: set[str] = set()

OnError = Callable[[Exception], object]
_outside_requests: list[OnError] = []
"""What is done with an error outside of every watched request: one thing, or nothing."""


def watch_frameworks(on_error: OnError | None = None) -> None:
    """Connect to the frameworks that are loaded by now; again is harmless and cheap.

    Args:
        on_error: Takes what fails outside of every watched request; None leaves what was there.
    """
    if on_error is not None:
        _outside_requests[:] = [on_error]
    for module_name, signal_name in _SIGNALS:
        module = sys.modules.get(module_name)
        if module is None or module_name in _connected:
            continue
        try:
            getattr(module, signal_name).connect(_on_failure, weak=False)
        except Exception as error:  # noqa: BLE001 -- a version of a framework that we do not know
            host_log.swallowed(f"connecting to {module_name}", error)
        _connected.add(module_name)


def forget() -> None:
    """Stay connected, but do nothing outside of watched requests."""
    _outside_requests.clear()


def _on_failure(_sender: Any = None, exception: Any = None, **_: Any) -> None:
    error = exception or sys.exception()  # Flask hands it over, Django is handling it.
    if not isinstance(error, Exception):
        return
    request = current_request.get()
    if request is not None:
        request.report(error)
        return
    for on_error in _outside_requests:
        on_error(error)
