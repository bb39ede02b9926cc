"""The few words that capture says in its host's log.

Standard `logging`, not structlog: an unconfigured structlog prints to the host's stdout. Each
message is said once a process and kind, so that a broker outage does not flood the host.
"""

from __future__ import annotations

import logging

LOGGER_NAME = "fixstream.producers"
"""Our own logger; `ErrorEventHandler` never captures what is said here."""

_log = logging.getLogger(LOGGER_NAME)
_said: set[str] = set()
"""Without a lock, which a fork might copy locked: at worst a message is said twice."""


def warn_once(message: str, **fields: object) -> None:
    """Log `message` with its fields, unless it was said before and not taken back since."""
    if message in _said:
        return
    _said.add(message)
    _log.warning("%s%s", message, "".join(f" {key}={value}" for key, value in fields.items()))


def take_back(message: str, recovery: str) -> None:
    """Log `recovery` if `message` was said before, and let it be said again."""
    if message not in _said:
        return
    _said.discard(message)
    _log.warning("%s", recovery)


def swallowed(where: str, error: Exception) -> None:
    """The one place where an error of ours ends instead of reaching the host.

    Tests replace this with a function that raises. The text of the error is not logged: it may
    quote the host's data.
    """
    warn_once(f"error inside {where}; the host is not affected", error=type(error).__name__)
