"""The interpreter's own last exits: for exceptions sys, threading and asyncio; and `os._exit`.

Each hook reports and then calls what was there before it, so nothing that the host printed or did
is lost. Installing twice changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, NoReturn

from fixstream.producers import host_log
from fixstream.producers.log_handler import ErrorEventHandler
from fixstream.producers.reporter import ErrorReporter, Sighting
from fixstream.schemas.enums import EventSource, Severity

_EXIT_HELD_UP_S: Final = 5.0
"""For a sink of the host's own; the Kafka sink has a deadline of its own, and a shorter one."""


class InterpreterHooks:
    """Puts hooks in and takes them out again."""

    def __init__(self, reporter: ErrorReporter) -> None:
        self._reporter = reporter
        self._previous_sys = sys.excepthook
        self._previous_threading = threading.excepthook
        self._previous_exit = os._exit
        self._log_tap: _LogTap | None = None

    def install(self) -> None:
        """Put in the hooks for what nobody catches, and for an end that runs no `atexit`."""
        self._previous_sys, sys.excepthook = sys.excepthook, self._on_uncaught
        self._previous_threading = threading.excepthook
        threading.excepthook = self._on_thread_failure
        self._previous_exit = os._exit
        setattr(os, "_exit", self._on_exit)  # noqa: B010 -- mypy: not assignable

    def install_logging(self) -> None:
        """See every logger's records as well."""
        self._log_tap = _LogTap(ErrorEventHandler(reporter=self._reporter))
        self._log_tap.install()

    def remove(self) -> None:
        """Take out what is still ours; hooks that others put over ours stay."""
        if sys.excepthook == self._on_uncaught:
            sys.excepthook = self._previous_sys
        if threading.excepthook == self._on_thread_failure:
            threading.excepthook = self._previous_threading
        if os._exit == self._on_exit:
            setattr(os, "_exit", self._previous_exit)  # noqa: B010
        if self._log_tap is not None:
            self._log_tap.remove()
            self._log_tap = None

    def _on_uncaught(
        self,
        error_class: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            # The interpreter is about to end; the sink flushes itself then.
            self._reporter.report_exception(error, _at("sys.excepthook", Severity.CRITICAL))
        self._previous_sys(error_class, error, traceback)

    def _on_thread_failure(self, args: threading.ExceptHookArgs) -> None:
        if isinstance(args.exc_value, Exception):
            name = args.thread.name if args.thread is not None else ""
            sighting = _at("threading.excepthook", thread=name)
            self._reporter.report_exception(args.exc_value, sighting)
        self._previous_threading(args)

    def _on_exit(self, status: int) -> NoReturn:
        try:
            # On another thread: this one may be a signal's, inside of a lock that closing needs.
            closing = threading.Thread(target=self._reporter.sink.close, daemon=True)
            closing.start()
            closing.join(_EXIT_HELD_UP_S)
        except BaseException as error:  # noqa: BLE001 -- what was asked for is an end
            if isinstance(error, Exception):
                host_log.swallowed("the hook of os._exit", error)
        finally:
            self._previous_exit(status)


class _LogTap:
    """Sees every record after its own handlers did.

    A handler on the root logger would switch off Python's last-resort output and make a later
    `logging.basicConfig()` of the host do nothing; loggers that do not propagate would escape it.
    """

    def __init__(self, handler: ErrorEventHandler) -> None:
        self._handler = handler
        self._original = logging.Logger.callHandlers
        self._tap: Callable[[logging.Logger, logging.LogRecord], None] | None = None

    def install(self) -> None:
        original, handler = self._original, self._handler

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            # The host's own formatters may show a known fix.
            handler.annotate(record)
            try:
                original(logger, record)
            finally:
                handler.handle(record)

        self._tap = call_handlers
        setattr(logging.Logger, "callHandlers", call_handlers)  # noqa: B010 -- mypy: not assignable

    def remove(self) -> None:
        if logging.Logger.callHandlers is self._tap:
            setattr(logging.Logger, "callHandlers", self._original)  # noqa: B010


def watch_event_loop(loop: asyncio.AbstractEventLoop, reporter: ErrorReporter) -> None:
    """Report what `loop` would only log: exceptions of tasks and callbacks that nobody awaited."""
    previous = loop.get_exception_handler()
    if isinstance(previous, _LoopHook):
        previous.reporter = reporter
        return
    loop.set_exception_handler(_LoopHook(reporter, previous))


class _LoopHook:
    def __init__(
        self,
        reporter: ErrorReporter,
        previous: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None,
    ) -> None:
        self.reporter = reporter
        self._previous = previous

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            self.reporter.report_exception(error, _at("asyncio"))
        if self._previous is not None:
            self._previous(loop, context)
        else:
            loop.default_exception_handler(context)


def _at(hook: str, severity: Severity | None = None, thread: str = "") -> Sighting:
    attributes = {"fixstream.hook": hook}
    if thread:
        attributes["thread.name"] = thread
    return Sighting(
        source=EventSource.LOGGING,
        attributes=attributes,
        severity_hint=severity.value if severity else None,
    )
