"""What can go wrong between a crawler and a host, in families by what happens next.

None of these moves a cursor: what was not read is read by a later run.
"""

from __future__ import annotations

from datetime import datetime

from fixstream.schemas.errors import RetryLater, Stop


class HostFailed(RetryLater):
    """No usable answer: no connection, a timeout, a 5xx, or something that is no JSON."""


class HostBusy(RetryLater):
    """The host asked us to stay away until a time that is too far off to wait for."""

    def __init__(self, host: str, until: datetime, reason: str) -> None:
        super().__init__(f"{host} is left alone until {until:%Y-%m-%d %H:%M:%S} UTC: {reason}")
        self.until = until


class Refused(Stop):
    """The host will not answer this however often it is asked: a person has to look."""


class Gone(Refused):
    """What was asked for is not there, or not any more (404, 410, 451)."""
