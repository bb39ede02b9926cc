"""What one line of a log says: its level, its text, and what wraps it.

Knows container logs (Docker's JSON, CRI), syslog (RFC 5424 and 3164), JSON lines, logfmt and the
usual plain layouts. It never refuses: a line that is none of these is text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from fixstream.producers.tail.line_fields import read_fields, tells_level_and_message

_LEVELS: Final = {
    **dict.fromkeys(
        ("trace", "trce", "debug", "dbug", "verbose", "fine", "finer", "finest", "d", "v", "dbg"),
        "debug",
    ),
    **dict.fromkeys(
        ("info", "information", "notice", "informational", "config", "i", "inf"), "info"
    ),
    **dict.fromkeys(("default", "log"), "info"),
    **dict.fromkeys(("warn", "warning", "w", "wrn"), "warning"),
    **dict.fromkeys(("error", "err", "eror", "severe", "e", "fail"), "error"),
    **dict.fromkeys(
        ("fatal", "crit", "critical", "alert", "dpanic", "panic", "f", "ftl"), "critical"
    ),
    **dict.fromkeys(("emerg", "emergency"), "emergency"),
}
ERROR_LEVELS: Final = frozenset({"error", "critical", "emergency"})

# emerg, alert, crit, err, warning, notice, info, debug
_SYSLOG_LEVELS: Final = tuple(
    "emergency critical critical error warning info info debug".split()  # noqa: SIM905
)
_BUNYAN_LEVELS: Final = {10: "debug", 20: "debug", 30: "info", 40: "warning", 50: "error"}
"""Of bunyan and pino; 60 and above is fatal."""
_MONOLOG_LEVELS: Final = dict(
    zip(
        (100, 200, 300, 400, 500, 550, 600),
        "debug info warning error critical critical emergency".split(),  # noqa: SIM905
        strict=True,
    )
)

_CRI = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) (?P<stream>stdout|stderr) "
    r"(?P<tag>[FP])(?::[\w:]*)?(?: |$)"
)
_COMPOSE = re.compile(r"(?P<name>[\w.-]{1,80}[-_]\d{1,4}) +\| ")
_RFC5424 = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<time>\S+) (?P<host>\S+) (?P<app>\S+) (?P<process>\S+) \S+ "
    r"(?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: \ufeff?|$)"
)
_LEVEL_WORD = (
    r"TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|ERR|SEVERE|CRIT(?:ICAL)?|FATAL|ALERT|PANIC|EMERG"
    r"|DBG|INF|WRN|FTL"
)
_RFC3164 = re.compile(
    r"(?:<(?P<priority>\d{1,3})>)?"
    r"(?P<time>[A-Z][a-z]{2} [ \d]\d(?: \d{4})? \d\d:\d\d:\d\d) "
    r"(?:(?P<host>[\w.:-]{0,254}[\w.-]) )?"
    r"(?P<app>[\w./@-]{1,64})(?:\[(?P<process>\d{1,10})\])?: ?"
)
# As rsyslog writes files today: RFC 3164 with a full time. Without a process in brackets only the
# precise time tells such a line from an application's own; a level is no host.
_RSYSLOG = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?P<micros>\.\d{6})?(?:Z|[+-]\d\d:\d\d)) "
    rf"(?!(?i:{_LEVEL_WORD})\b)(?:(?P<host>[\w.:-]{{0,254}}[\w.-]) (?!(?i:{_LEVEL_WORD})\b))?"
    r"(?P<app>[\w./@-]{1,64})(?:\[(?P<process>[\w.-]{1,40})\]|(?(micros)(?(host)|(?!))|(?!))): ?"
)
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_TIME = (
    rf"(?P<time>(?:\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}"
    # Apache's, Tomcat's and PHP's, Django's
    rf"|[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d {_CLOCK} \d{{4}}"
    rf"|\d\d-[A-Z][a-z]{{2}}-\d{{4}} {_CLOCK}|\d\d/[A-Z][a-z]{{2}}/\d{{4}}[ :]{_CLOCK}"
    # Which is the month depends on the country.
    rf"|\d\d?[./]\d\d?[./]\d{{4}},? {_CLOCK})(?: ?Z| ?[+-]\d\d:?\d\d| (?:UTC|GMT)\b)?)"
)
_PLAIN = re.compile(
    # A time and, within the next few words, a level: in capitals, or in brackets, or at once.
    # Ruby puts a letter before the time; without a date a level has to follow.
    rf"(?:[A-Z], )?\[?(?:{_TIME}|(?P<clock>{_CLOCK}))"
    rf"(?: (?!(?:{_LEVEL_WORD})\])[A-Z][\w/+-]{{1,30}}(?=\]))?\]?"
    rf"(?:(?:.{{0,80}}?[\s\[|(<:-](?P<level>{_LEVEL_WORD})(?![\w-]))"
    rf"|(?:.{{0,40}}?[\[(<](?:[\w.-]{{1,40}}:)?(?P<bracketed>(?i:{_LEVEL_WORD})) {{0,8}}[\])>])"
    rf"|(?: +(?:PHP (?:Parse )?)?(?P<next>(?i:{_LEVEL_WORD}))(?![\w-]))|(?(clock)(?!)))"
)
_LEVEL_FIRST = re.compile(
    # Log4j puts a thread before it, and milliseconds before that.
    r"(?:(?:\d{1,12} +)?\[[^\]\s]{1,80}\] +(?=[A-Z]{3,8} ))?"
    rf"\[?(?P<level>{_LEVEL_WORD})\]?(?::| +-| {{1,4}}(?=\S)|\s*$)"
)
_DOTNET = re.compile(
    r"(?P<level>trce|dbug|info|warn|fail|crit): [\w.`+\[\],]{1,200}\[-?\d{1,10}\]\s*$"
)
_ZONE_APART = re.compile(r" (Z$|[+-]\d\d:?\d\d$)")
_UTC_NAMED = re.compile(r" (?:UTC|GMT)$")
_NAMED_MONTH = (
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S.%f %Y",
    "%d-%b-%Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S.%f",
    "%d/%b/%Y %H:%M:%S",
    "%d/%b/%Y:%H:%M:%S",
    "%b %d %Y %H:%M:%S",
)
_MAX_TIME_CHARS = 40
YEARLESS: Final = 4
"""The year of a time whose line names none, as those of RFC 3164; it has a 29 February."""
_KLOG = re.compile(r"(?P<level>[DIWEF])(?:\d{4}){1,2} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.-]+:\d+\] ")
_COLOURS = re.compile(r"\x1b\[[\d;]{0,20}m")
_PAIR = re.compile(r'([A-Za-z_@][\w.@/-]{0,63})=("(?:[^"\\]|\\.)*"|[^\s"=]*)(?=\s|$)')


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, unwrapped."""

    text: str
    """What the application wrote; of a structured line its message."""
    begins: bool = False
    """Whether the line's layout shows that a record begins here."""
    is_partial: bool = False
    """Whether the container runtime split the line: the rest follows in the next one."""
    is_wrapped: bool = False
    """Whether syslog gave each line a beginning of its own, so that the layout says nothing."""
    level: str | None = None
    """debug, info, warning, error, critical or emergency."""
    is_level_own: bool = True
    """Whether the application said so. What a daemon writes to standard error, its traces too,
    syslog forwards as informational."""
    time: datetime | None = None
    """Without a zone where the line names none, in `YEARLESS` where it names no year."""
    error_type: str | None = None
    stack_trace: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    stream: str = ""
    """Which of several writers that share the file: a container's output, a process of syslog."""


def read_line(text: str) -> LogLine:
    """Everything that one line (without its line break) tells."""
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    wrapped = _container(text)
    if wrapped is not None:
        inner = read_line(wrapped.text)
        return replace(
            inner,
            is_partial=wrapped.is_partial,
            time=_surer(inner.time, wrapped.time),
            stream=wrapped.stream + inner.stream,
        )
    if text.startswith("{"):
        structured = _json(text)
        if structured is not None:
            return structured
    return _syslog(text) or _plain(text) or _logfmt(text) or LogLine(text)


def level_of(word: object) -> str | None:
    """Our name of somebody's level: a word in any case, or a number as bunyan and pino use."""
    if isinstance(word, bool):
        return None
    if isinstance(word, int):
        return _numbered(word)
    return _LEVELS.get(word.strip().lower()) if isinstance(word, str) else None


def _numbered(level: int) -> str | None:
    if 0 <= level < len(_SYSLOG_LEVELS):
        return _SYSLOG_LEVELS[level]  # GELF and journald
    if level >= 100:
        return _MONOLOG_LEVELS.get(level // 100 * 100 if level < 500 else level)
    return _BUNYAN_LEVELS.get(level // 10 * 10, "critical")


def time_of(value: object) -> datetime | None:
    """A time from text, or from a number of seconds, milli-, micro- or nanoseconds.

    In UTC where a zone is named; without one, and in `YEARLESS`, where the text leaves it open.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _from_epoch(float(value))
    if not isinstance(value, str):
        return None
    if value.isascii() and value.isdigit() and 9 <= len(value) <= _MAX_TIME_CHARS:
        return _from_epoch(float(value))  # journald's, and others' that quote all they write
    text = _ZONE_APART.sub(r"\1", _UTC_NAMED.sub("Z", value.replace(",", ".")))
    try:
        time = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return _with_named_month(text)
    return time if time.tzinfo is None else time.astimezone(UTC)


def _surer(told: datetime | None, outer: datetime | None) -> datetime | None:
    """The line's own time; where it names no zone, rather the one that was put around it."""
    if told is None or (told.tzinfo is None and outer is not None and outer.tzinfo is not None):
        return outer
    return told


def _with_named_month(text: str) -> datetime | None:
    """The time of one of the layouts that name the month in English, whatever the locale."""
    if len(text) > _MAX_TIME_CHARS:
        return None
    for layout in _NAMED_MONTH:
        try:
            return datetime.strptime(text, layout)  # noqa: DTZ007 -- the zone is not known
        except ValueError:
            pass
        try:
            return datetime.strptime(text, f"{layout}%z").astimezone(UTC)
        except ValueError:
            continue
    try:
        return datetime.strptime(f"{YEARLESS:04} {text}", "%Y %b %d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None


def _from_epoch(number: float) -> datetime | None:
    for unit in (1.0, 1e3, 1e6, 1e9):
        if 1e8 <= number / unit < 1e11:
            return datetime.fromtimestamp(number / unit, UTC)
    return None


def _container(text: str) -> LogLine | None:
    match = _CRI.match(text)
    if match is not None:
        is_partial = match["tag"] == "P"
        return LogLine(
            text[match.end() :],
            is_partial=is_partial,
            time=time_of(match["time"]),
            stream=match["stream"],
        )
    if text.startswith('{"log":'):
        content = _object(text)
        log = content.get("log") if content else None
        if content and isinstance(log, str) and "stream" in content:
            return LogLine(
                log.removesuffix("\n"),
                is_partial=not log.endswith("\n"),
                time=time_of(content.get("time")),
                stream=str(content["stream"]),
            )
    match = _COMPOSE.match(text)
    return LogLine(text[match.end() :], stream=match["name"]) if match is not None else None


def _syslog(text: str) -> LogLine | None:
    match = _RFC5424.match(text) or _RFC3164.match(text) or _RSYSLOG.match(text)
    if match is None:
        return None
    inner = read_line(text[match.end() :])
    found = match.groupdict()
    level = inner.level
    if level is None and found.get("priority") is not None:
        level = _SYSLOG_LEVELS[int(found["priority"]) % 8]
    attributes = {**inner.attributes, "syslog.app": found["app"], "host.name": found["host"] or ""}
    return replace(
        inner,
        level=level,
        is_level_own=inner.level is not None,
        time=_surer(inner.time, time_of(found.get("time"))),
        attributes=attributes,
        is_wrapped=True,
        stream=f"{found['host']} {found['app']} {found['process']}",
    )


def _plain(text: str) -> LogLine | None:
    match = _PLAIN.match(text)
    if match is not None:
        level = level_of(match["level"] or match["bracketed"] or match["next"])
        return LogLine(text, begins=True, level=level, time=time_of(match["time"]))
    match = _KLOG.match(text) or _DOTNET.match(text) or _LEVEL_FIRST.match(text)
    if match is None:
        return None
    return LogLine(text, begins=True, level=level_of(match["level"]))


def _logfmt(text: str) -> LogLine | None:
    pairs = {key: _unquoted(value) for key, value in _PAIR.findall(text[:65_536])}
    return _structured(pairs) if tells_level_and_message(pairs) else None


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except json.JSONDecodeError:
        return value[1:-1]


def _json(text: str) -> LogLine | None:
    content = _object(text)
    if content is None:
        return None
    line = _structured(content)
    # Without a message that can be read, the whole line says more than nothing.
    return line if line.text.strip() else replace(line, text=text)


def _object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _structured(content: Mapping[str, Any]) -> LogLine:
    fields = read_fields(content)
    return LogLine(
        fields.message,
        begins=True,
        level=level_of(fields.level),
        time=time_of(fields.time),
        error_type=fields.error_type,
        stack_trace=fields.stack_trace,
        attributes=fields.others,
    )
