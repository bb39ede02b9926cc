"""A `logging.Handler` that reports what the host logs as an error. It formats and prints nothing.

Records with an exception are reported at any level, others from ERROR up. What fixstream's own
capture logs is left alone, so that trouble with sending cannot feed on itself.
"""

from __future__ import annotations

import logging
import threading

from fixstream.producers import host_log
from fixstream.producers.drops import DropReason
from fixstream.producers.installation import current_reporter
from fixstream.producers.reporter import ErrorReporter, Sighting, own_reporter
from fixstream.producers.sinks import EventSink
from fixstream.schemas.enums import EventSource, Severity

_MAX_TEMPLATE_CHARS = 512


class ErrorEventHandler(logging.Handler):
    """Add it to the root logger: `logging.getLogger().addHandler(ErrorEventHandler())`.

    Args:
        sink: Where events go; None uses what `fixstream.producers.init` set up.
        service: The service's name; with a `sink` it is required.
        reporter: A reporter made elsewhere, instead of `sink` and `service`.
        level: Records below this are never looked at.
    """

    def __init__(
        self,
        sink: EventSink | None = None,
        service: str | None = None,
        *,
        reporter: ErrorReporter | None = None,
        level: int = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        self._reporter = reporter or own_reporter(sink, service)
        self._service = service
        self._entered = threading.local()

    def handle(self, record: logging.LogRecord) -> bool:
        """Report the record without the handler's lock: nothing here needs it, and a storm of
        errors would queue the host's threads up behind it."""
        if not self.filter(record):
            return False
        self.annotate(record)
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Report the record if it tells of an error. Never raises."""
        # Entered already: a __str__ or a before_send of the host's logs while we capture.
        if not _is_error(record) or getattr(self._entered, "now", False):
            return
        self._entered.now = True
        try:
            if not _is_ours(record.name):
                self._report(record)
        except Exception as failure:  # noqa: BLE001 -- logging must never break its caller
            host_log.swallowed("the log handler", failure)
        finally:
            self._entered.now = False

    def annotate(self, record: logging.LogRecord) -> None:
        """Put a known fix of the record's exception into `record.fixstream_suggestion`."""
        try:
            reporter = self._reporter or current_reporter(self._service)
            error = record.exc_info[1] if record.exc_info else None
            advisor = reporter.advisor
            if error is not None and advisor is not None and not _is_ours(record.name):
                record.fixstream_suggestion = advisor.advice(error)
        except Exception as failure:  # noqa: BLE001 -- logging must never break its caller
            host_log.swallowed("looking for a known fix", failure)

    def _report(self, record: logging.LogRecord) -> None:
        reporter = self._reporter or current_reporter(self._service)
        if reporter.ignores_logger(record.name):
            reporter.sink.note_drop(DropReason.IGNORED)
            return
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            reporter.report_exception(error, _sighting(record, with_template=True))
            return
        key = (record.name, record.pathname, record.lineno)
        reporter.report_message(record.getMessage, key, _sighting(record, with_template=False))


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or bool(record.exc_info and record.exc_info[1])


def _is_ours(name: str) -> bool:
    return name == host_log.LOGGER_NAME or name.startswith(f"{host_log.LOGGER_NAME}.")


def _sighting(record: logging.LogRecord, *, with_template: bool) -> Sighting:
    attributes = {"log.logger": record.name, "log.level": record.levelname}
    if with_template:
        # The template, not the message: the exception already tells what is particular.
        attributes["log.template"] = str(record.msg)[:_MAX_TEMPLATE_CHARS]
    else:
        attributes["code.file.path"] = record.pathname
        attributes["code.function.name"] = record.funcName
        attributes["code.line.number"] = str(record.lineno)
    is_critical = record.levelno >= logging.CRITICAL
    return Sighting(
        source=EventSource.LOGGING,
        attributes=attributes,
        severity_hint=Severity.CRITICAL.value if is_critical else None,
    )
