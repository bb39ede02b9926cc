"""Errors of history files as pre-training reads them: triaged as in production, unlabelled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from fixstream.producers.history import HistoryRecord, read_history
from fixstream.producers.json_lines import BadLine
from fixstream.runtime.clock import Clock
from fixstream.trainer.features import ErrorText
from fixstream.trainer.passages import PastError
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triager

OnBadLine = Callable[[BadLine], None]


def past_errors(files: Iterable[Path], clock: Clock, on_bad_line: OnBadLine) -> Iterator[PastError]:
    """The errors of the files in their order, scrubbed; lines that cannot be used are handed over.

    Raises:
        Misconfigured: a file cannot be opened.
    """
    scrubber = Scrubber()
    triager = Triager(scrubber)
    for file in files:
        for record in read_history(file, undated_as=clock.now()):
            if isinstance(record, BadLine):
                on_bad_line(record)
            else:
                yield past_error(record, triager, scrubber)


def past_error(record: HistoryRecord, triager: Triager, scrubber: Scrubber) -> PastError:
    """One record as pre-training reads it; its labels are left behind."""
    # Without them triage does not see them either: not even a category attribute gets through.
    event = replace(record.event, severity_hint=None, domain_hint=None, attributes={})
    triage = triager.triage(event)
    fix = record.solution.text if record.solution else None
    return PastError(
        event_id=record.event.event_id,
        text=ErrorText.from_event(triage.event),
        fingerprint=triage.fingerprint,
        duplicate_of=record.duplicate_of,
        fix=scrubber.scrub(fix) if fix else None,
    )
