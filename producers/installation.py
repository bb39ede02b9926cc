"""The one line that switches capture on: `fixstream.producers.init(service="orders")`.

Everything can come from the environment as well. There is one installation a process; a second
`init` gives the same one back.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import dataclass
from typing import TypedDict, Unpack

from fixstream.producers import host_log
from fixstream.producers.capture import CaptureConfig
from fixstream.producers.framework_signals import forget, watch_frameworks
from fixstream.producers.reporter import BeforeSend, ErrorReporter, ReporterConfig, Sighting
from fixstream.producers.settings import ProducerSettings
from fixstream.producers.sinks import EventSink, KafkaSink, MemorySink
from fixstream.producers.storm import StormConfig
from fixstream.runtime.settings import KafkaSettings, load_settings
from fixstream.schemas import limits
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import FixstreamError, Misconfigured


class InitKeywords(TypedDict, total=False):
    """The keywords of `init`; `InitOptions` says what they mean."""

    environment: str | None
    release: str | None
    before_send: BeforeSend | None
    ignore: tuple[type[BaseException] | str, ...]
    ignore_messages: tuple[str, ...]
    ignore_loggers: tuple[str, ...]
    sample_rate: float | None
    max_body_bytes: int | None
    predictions: bool | None
    hooks: bool
    logging: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """What `init` takes beside the service's name and its sink."""

    environment: str | None = None
    release: str | None = None
    before_send: BeforeSend | None = None
    ignore: tuple[type[BaseException] | str, ...] = ()
    """Exception classes, and names or globs of names, in addition to the environment's."""
    ignore_messages: tuple[str, ...] = ()
    """Globs of messages that are not reported, in addition to the environment's."""
    ignore_loggers: tuple[str, ...] = ()
    """Globs of loggers whose records are not reported, in addition to the environment's."""
    sample_rate: float | None = None
    max_body_bytes: int | None = None
    predictions: bool | None = None
    hooks: bool = True
    """Whether to hook `sys.excepthook`, `threading.excepthook` and the running event loop."""
    logging: bool = True
    """Whether to report what any logger is told as an error."""


class Installation:
    """The reporter of this process and the hooks that feed it."""

    def __init__(self, reporter: ErrorReporter, options: InitOptions) -> None:
        from fixstream.producers.hooks import InterpreterHooks

        self.reporter = reporter
        self._options = options
        self._hooks = InterpreterHooks(reporter)

    def install(self) -> None:
        """Put the hooks in that the options ask for."""
        if self._options.logging:
            self._hooks.install_logging()
        if self._options.hooks:
            self._hooks.install()
            self.watch_running_loop()
            watch_frameworks(self._on_framework_error)
        if self.reporter.advisor is not None:
            self.reporter.advisor.start()

    def watch_running_loop(self) -> None:
        """Hook the event loop that runs here, if one does and hooks are wanted."""
        if not self._options.hooks:
            return
        from fixstream.producers.hooks import watch_event_loop

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # Called before the loop runs; the middleware calls again at start-up.
        watch_event_loop(loop, self.reporter)

    def close(self) -> None:
        """Take the hooks out and close the sink."""
        self._hooks.remove()
        forget()
        if self.reporter.advisor is not None:
            self.reporter.advisor.close()
        self.reporter.sink.close()

    def _on_framework_error(self, error: Exception) -> None:
        self.reporter.report_exception(error, Sighting(source=EventSource.MIDDLEWARE))


_lock = threading.Lock()
_installation: Installation | None = None
_nowhere: ErrorReporter | None = None
"""What takes the reporter's place where the settings are wrong: they are not read again."""


def init(
    service: str | None = None,
    *,
    sink: EventSink | None = None,
    **options: Unpack[InitKeywords],
) -> Installation:
    """Switch capture on for this process.

    Args:
        service: The service's name; None reads it from the environment.
        sink: Where events go; None publishes to the Kafka that the environment names.
        **options: As `InitOptions`; what they leave open comes from `FIXSTREAM_PRODUCERS_*`.

    Raises:
        Misconfigured: A setting is wrong, or no service's name is given anywhere.
    """
    global _installation, _nowhere  # noqa: PLW0603 -- one installation a process is the point
    with _lock:
        _nowhere = None
        if _installation is None:
            _installation = _made(service, sink, InitOptions(**options))
            _installation.install()
        return _installation


def watch_running_loop() -> None:
    """Hook the running event loop of an installation that wants hooks; else nothing."""
    if _installation is not None:
        _installation.watch_running_loop()


def shut_down() -> None:
    """Undo `init`: hooks out, sink flushed and closed. Without `init` it does nothing."""
    global _installation, _nowhere  # noqa: PLW0603
    with _lock:
        installation, _installation = _installation, None
        _nowhere = None
    if installation is not None:
        installation.close()


def current_reporter(service: str | None = None) -> ErrorReporter:
    """The reporter that `init` made; without one, `init(service)` is called without hooks.

    It never raises, since requests depend on it: where settings are missing or wrong, the host's
    log says so once and the reporter counts and drops.
    """
    global _nowhere  # noqa: PLW0603
    installation = _installation
    if installation is not None:
        return installation.reporter
    if _nowhere is not None:
        return _nowhere
    try:
        return init(service, hooks=False, logging=False).reporter
    except FixstreamError as error:
        host_log.warn_once("error capture is off", reason=str(error))
        _nowhere = _reporter_to_nowhere()
        return _nowhere


def _reporter_to_nowhere() -> ErrorReporter:
    sink = MemorySink(max_events=0)
    return ErrorReporter(sink, ReporterConfig(capture=CaptureConfig(service="unnamed")))


def capture_exception(error: BaseException | None = None) -> str | None:
    """Report an exception that the host handles itself; None takes the one being handled.

    Returns:
        The event's id, or None when nothing was reported.
    """
    if error is None:
        error = sys.exception()
    if error is None:
        return None
    return current_reporter().report_exception(error, Sighting(source=EventSource.LOGGING))


def _made(service: str | None, sink: EventSink | None, options: InitOptions) -> Installation:
    settings = load_settings(ProducerSettings)
    service = service or settings.service
    if not service:
        raise Misconfigured("FIXSTREAM_SERVICE: the service's name is not set, nor given to init()")
    environment = options.environment or settings.environment
    release = options.release or settings.release
    _refuse_too_long(service=service, environment=environment, release=release or "")
    config = ReporterConfig(
        capture=CaptureConfig(
            service=service,
            environment=environment,
            release=release,
            in_app_modules=settings.in_app_modules,
        ),
        sample_rate=settings.sample_rate if options.sample_rate is None else options.sample_rate,
        ignore=(*settings.ignore, *options.ignore),
        ignore_messages=(*settings.ignore_messages, *options.ignore_messages),
        ignore_loggers=(*settings.ignore_loggers, *options.ignore_loggers),
        before_send=options.before_send,
        max_body_bytes=_body_limit(settings, options),
        storm=StormConfig(burst=settings.storm_burst, per_second=settings.storm_per_second),
    )
    if sink is None:
        sink = KafkaSink(load_settings(KafkaSettings), settings.sink_config())
        sink.resume()
    advisor = None
    if settings.predictions if options.predictions is None else options.predictions:
        from fixstream.producers.listening import make_advisor

        advisor = make_advisor(load_settings(KafkaSettings), service)
    return Installation(ErrorReporter(sink, config, advisor=advisor), options)


def _body_limit(settings: ProducerSettings, options: InitOptions) -> int:
    wanted = settings.max_body_bytes if options.max_body_bytes is None else options.max_body_bytes
    if not 0 <= wanted <= limits.MAX_ATTRIBUTE_CHARS:
        raise Misconfigured(f"max_body_bytes: not between 0 and {limits.MAX_ATTRIBUTE_CHARS}")
    return wanted


def _refuse_too_long(**names: str) -> None:
    for field, name in names.items():
        if len(name) > limits.MAX_ID_CHARS:
            raise Misconfigured(
                f"FIXSTREAM_{field.upper()}: over {limits.MAX_ID_CHARS} characters long"
            )
