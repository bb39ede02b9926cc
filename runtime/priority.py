"""How far a process stands back for others on the same machine.

It only ever gives way: raising a priority needs rights that a service should not have.
"""

from __future__ import annotations

import os
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

AUTOGROUP = Path("/proc/self/autogroup")


def stand_back(niceness: int, autogroup: Path = AUTOGROUP) -> None:
    """Lowers the priority of this process; call it before threads are started.

    Linux with autogrouping shares the processor between sessions first and only inside of one by
    niceness, so for a service in a session of its own niceness alone would change nothing: the
    session's group is lowered as well.

    Args:
        niceness: 0 (no change) to 19 (only what nobody else wants).
        autogroup: the kernel's file; another one in tests.

    Raises:
        ValueError: niceness is out of range.
    """
    if not 0 <= niceness <= 19:
        raise ValueError(f"niceness must lie in 0 to 19, got {niceness}")
    if niceness == 0:
        return
    os.nice(niceness)
    try:
        # Opened for update, so that a kernel without autogroups gets no file from us.
        with autogroup.open("r+", encoding="ascii") as group:
            group.write(f"{niceness}\n")
    except OSError as error:
        log.debug("no autogroup to lower", reason=error.strerror)
