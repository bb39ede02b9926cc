"""The trainer's view of the updates: it publishes its own, and notices those that are not.

An update of somebody else's (an operator rolled back, or blocked a range) ends a tenure: the
trainer takes the log over again, reads it, and goes on from what it says. The watch decides
nothing about models.
"""

from __future__ import annotations

from collections.abc import Callable

from fixstream.schemas.codec import Codec
from fixstream.schemas.records import ModelUpdate
from fixstream.trainer.checkpoint import TrustedKeys
from fixstream.trainer.lease import TrainerLease
from fixstream.trainer.update_log import Superseded, UpdateLog
from fixstream.trainer.updates import UpdateHistory, updates_in


class UpdateWatch:
    """One trainer's updates; `publish` may be called from the recorder's thread."""

    def __init__(
        self,
        lease: TrainerLease,
        updates: UpdateLog,
        codec: Codec,
        model: str,
        trusted: TrustedKeys,
    ) -> None:
        self._lease = lease
        self._updates = updates
        self._codec = codec
        self._model = model
        self._trusted = trusted
        self._history = UpdateHistory()
        self._own: set[bytes] = set()

    def begin(self, read: Callable[[TrustedKeys], UpdateHistory]) -> UpdateHistory:
        """Shuts out every other writer, and only then reads what stands there."""
        self._updates.take_over()
        self._history = read(self._trusted)
        return self._history

    def publish(self, update: ModelUpdate) -> None:
        """Publishes an update of our own; raises as `UpdateLog.publish`."""
        self._own.add(update.signature)
        self._updates.publish(update)

    def look(self) -> None:
        """Takes in what was appended.

        Raises:
            Superseded: there is a genuine update that is not ours.
            LeaseLost: another trainer may be at work.
        """
        for update in updates_in(self._lease.news(), self._codec):
            known, self._history = (
                self._history,
                self._history.with_update(update, self._model, self._trusted),
            )
            if self._history is not known and update.signature not in self._own:
                raise Superseded(f"version {update.version}: {update.kind.value}")

    def check_lease(self) -> None:
        """Raises LeaseLost if another trainer may be at work."""
        self._lease.check()
