"""The fields of a structured line, under the names that the common loggers give them.

Known are those of Elastic's common schema, Google Cloud, pino, bunyan, winston, structlog, Python's
JSON formatters, zap, logrus, slog, log4j and logback, Serilog and .NET, Monolog, GELF, journald
and tracing for Rust; nested or with dots, in any case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_MAX_ATTRIBUTES: Final = 20
_MAX_VALUE_CHARS: Final = 500
_MAX_FIELDS: Final = 400
_MAX_DEPTH: Final = 4

_MESSAGE_KEYS: Final = (
    *("message", "msg", "@m", "@message", "fields.message", "jsonpayload.message"),
    *("jsonpayload.msg", "textpayload", "event", "short_message", "log.message", "body"),
    *("error.message", "err.message", "exception.message", "error", "err", "@mt", "state.message"),
)
_LEVEL_KEYS: Final = (
    *("level", "severity", "levelname", "lvl", "log.level", "@level", "loglevel", "level_name"),
    *("@l", "severitytext", "severity_text", "jsonpayload.level", "level.name", "priority"),
    *("levelno", "severitynumber", "s"),
)
_TIME_KEYS: Final = (
    *("time", "timestamp", "@timestamp", "ts", "t", "asctime", "datetime", "@t", "date"),
    *("eventtime", "timemillis", "instant.epochsecond", "t.$date"),
    *("_source_realtime_timestamp", "__realtime_timestamp"),
)
_STACK_KEYS: Final = (
    *("stack_trace", "stacktrace", "exc_info", "exception.stacktrace", "exception.stack_trace"),
    *("error.stack_trace", "error.stack", "err.stack", "exception.stack", "stack", "traceback"),
    *("thrown.extendedstacktrace", "exception.traceback", "errorverbose", "full_message", "@x"),
    *("jsonpayload.stack_trace", "jsonpayload.stacktrace", "error.stacktrace", "exc_text"),
    *("exception", "error.traceback", "context.exception.trace", "backtrace", "fields.stack"),
    *("fields.backtrace", "fields.error", "error", "err", "error.message", "err.message"),
)
_TYPE_KEYS: Final = (
    *("error_type", "exception.type", "error.type", "err.type", "exc_type", "exception_class"),
    *("exception.exception_class", "exception.class", "thrown.name", "error.kind", "error.class"),
    *("context.exception.class", "exception.name", "err.name", "error.name", "err.kind"),
)
_DETAIL_KEYS: Final = (
    *("exception.exception_message", "thrown.message", "context.exception.message", "error"),
    *("err", "error.message", "err.message"),
)
_KNOWN: Final = frozenset(
    (*_MESSAGE_KEYS, *_LEVEL_KEYS, *_TIME_KEYS, *_STACK_KEYS, *_TYPE_KEYS, *_DETAIL_KEYS)
)
_MIN_STACK_LINES: Final = 2


@dataclass(frozen=True, slots=True)
class LineContent:
    """What a structured line says, whatever its fields are called."""

    message: str
    level: object = None
    time: object = None
    error_type: str | None = None
    stack_trace: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)


def tells_level_and_message(content: Mapping[str, Any]) -> bool:
    """Whether pairs of names and values are a line of a log, not just words with equal signs."""
    names = {name.lower() for name in content}
    return not names.isdisjoint(_LEVEL_KEYS) and not names.isdisjoint(_MESSAGE_KEYS)


def read_fields(content: Mapping[str, Any]) -> LineContent:
    """The content of one line."""
    flat = _flattened(content)
    _spell_bytes(flat)
    frames = _structured_exception(content)
    stack = frames or _stack(flat)
    message = _first_text(flat, _MESSAGE_KEYS) or (stack or "").strip().split("\n")[-1]
    return LineContent(
        message=message,
        level=_level(flat),
        time=next((flat[key] for key in _TIME_KEYS if key in flat), None),
        error_type=_first_text(flat, _TYPE_KEYS),
        stack_trace=stack,
        others=_others(content, flat, message),
    )


def _flattened(content: Mapping[str, Any]) -> dict[str, Any]:
    """All values by their lower-case names with dots; lists of texts stay lists."""
    flat: dict[str, Any] = {}
    waiting: list[tuple[str, Mapping[str, Any], int]] = [("", content, 0)]
    while waiting and len(flat) < _MAX_FIELDS:
        prefix, inner, depth = waiting.pop(0)
        for key, value in inner.items():
            name = f"{prefix}{key}".lower()
            if not isinstance(value, dict):
                flat.setdefault(name, value)
            elif depth < _MAX_DEPTH:
                waiting.append((f"{name}.", value, depth + 1))
    return flat


def _spell_bytes(flat: dict[str, Any]) -> None:
    """A message with bytes that are no plain text, journald writes as a list of numbers."""
    message = flat.get("message")
    if isinstance(message, list) and message and set(map(type, message)) == {int}:
        try:
            flat["message"] = bytes(message).decode("utf-8", "replace")
        except ValueError:
            return  # Numbers that are no bytes.


def _level(flat: Mapping[str, Any]) -> object:
    level = next((flat[key] for key in _LEVEL_KEYS if key in flat), None)
    return int(level) if isinstance(level, str) and level.isascii() and level.isdigit() else level


def _stack(flat: Mapping[str, Any]) -> str | None:
    """The first field that holds a trace: several names are also used for plain words."""
    texts = [text for key in _STACK_KEYS if (text := _text(flat.get(key))) is not None]
    several = (text for text in texts if text.count("\n") + 1 >= _MIN_STACK_LINES)
    return next(several, None)


def _structured_exception(content: Mapping[str, Any]) -> str | None:
    """The trace of structlog's `dict_tracebacks`, laid out as Python prints one."""
    chain = content.get("exception")
    if not isinstance(chain, list) or not all(isinstance(link, dict) for link in chain):
        return None
    blocks = [_printed(link) for link in reversed(chain) if "exc_type" in link]
    between = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
    return between.join(blocks) or None


def _printed(link: Mapping[str, Any]) -> str:
    frames = link.get("frames")
    lines = ["Traceback (most recent call last):"]
    for frame in frames if isinstance(frames, list) else ():
        if isinstance(frame, dict):
            place = f'  File "{frame.get("filename")}", line {frame.get("lineno")}'
            lines.append(f"{place}, in {frame.get('name')}")
    return "\n".join([*lines, f"{link.get('exc_type')}: {link.get('exc_value')}"])


def _others(content: Mapping[str, Any], flat: Mapping[str, Any], message: str) -> dict[str, str]:
    del content
    found: dict[str, str] = {}
    details = (
        text for key in _DETAIL_KEYS if (text := _text(flat.get(key))) not in (None, message)
    )
    detail = next(details, None)
    if detail is not None:
        found["error.message"] = detail[:_MAX_VALUE_CHARS]
    for key, value in flat.items():
        if len(found) >= _MAX_ATTRIBUTES:
            break
        if key not in _KNOWN and isinstance(value, str | int | float):
            found[key] = str(value)[:_MAX_VALUE_CHARS]
    return found


def _first_text(flat: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    return next((text for key in keys if (text := _text(flat.get(key))) is not None), None)


def _text(value: object) -> str | None:
    if isinstance(value, list) and value:
        if all(isinstance(line, str) for line in value):
            value = "\n".join(value)
        elif all(isinstance(frame, dict) for frame in value):
            value = "\n".join(json.dumps(frame) for frame in value[:100])
    return value if isinstance(value, str) and value.strip() else None
