"""One format for every log line, whoever wrote it: ours, Faust's, uvicorn's, librdkafka's.

Lines go to standard error, so that standard output stays free for a command's results. Values
under secret-sounding keys, and user names and passwords inside addresses, are masked here as the
last line of defence; this is no licence to log payloads.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from itertools import pairwise

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from fixstream.runtime.settings import LogSettings, load_settings

MASK = "***"

_SECRET_WORDS = frozenset(
    {"password", "passwd", "pwd", "passphrase", "secret", "token", "authorization", "cookie"}
    | {"credential", "credentials", "apikey"}
)
_SECRET_PAIRS = frozenset(
    {("api", "key"), ("private", "key"), ("access", "key"), ("secret", "key")}
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}")

# They come with handlers of their own; through ours they look like everybody else.
_LOUD_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "faust", "mode")
# Below warning these tell about each request or each poll.
_CHATTY_LOGGERS = ("aiokafka", "httpx", "httpcore", "kafka")


def configure_logging(service: str, settings: LogSettings | None = None) -> None:
    """Sends every log line of this process to standard error, in one format.

    May be called again: the last call wins. Give uvicorn `log_config=None` and Faust's worker
    `override_logging=False`, so that they leave the root logger alone.

    Args:
        service: Which of our services this is; stands in each line under `component`.
        settings: Level and format; None takes the defaults.
    """
    settings = settings or load_settings(LogSettings)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(service, settings))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level)
    for name in _LOUD_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A structlog processor: masks what looks like a secret, nested mappings included."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: object) -> object:
    if _is_secret(key):
        return MASK
    if isinstance(value, str):
        return _BEARER.sub(rf"\1 {MASK}", _USER_INFO.sub(MASK, value))
    if isinstance(value, Mapping):
        return {name: _redacted(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", item) for item in value]
    return value


def _is_secret(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    return not _SECRET_WORDS.isdisjoint(words) or any(
        pair in _SECRET_PAIRS for pair in pairwise(words)
    )


def _shared_processors() -> list[Processor]:
    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(service: str, settings: LogSettings) -> logging.Formatter:
    is_console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())

    def add_component(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        # Not `service`: in our lines that names the service whose error it is about.
        event.setdefault("component", service)
        return event

    last: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if is_console
        else structlog.processors.JSONRenderer(default=str)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_component,
            # As text first, so that the masking sees it too.
            structlog.processors.format_exc_info,
            redact,
            last,
        ],
    )
