"""Puts the lines of one record back together: a trace over many lines is one record.

A line that shows by its layout that a record begins does begin one; a line that does not belongs to
the record before it. Where nothing shows a beginning (a bare trace on standard error), the lines
of the trace stay together and others stand alone. Pure: no clock and no file.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from fixstream.producers.tail.line_formats import LogLine

MAX_LINES: Final = 2000
MAX_CHARS: Final = 200_000
MAX_STREAMS: Final = 64

_TRACE_BEGINS = re.compile(
    r"(?:Traceback \(most recent call last\):|Exception in thread |Unhandled exception|panic: |"
    r"fatal error: |thread '[^']*' panicked|Uncaught |PHP Fatal error|==\d+==ERROR: |"
    r"(?:[a-zA-Z_$][\w$]{0,80}\.){1,20}[A-Z][\w$]{0,80}(?:Exception|Error|Throwable)(?::|$))"
)
_CONTINUES = re.compile(
    r"\s|$|Caused by: |Suppressed: |\.\.\. \d+ more|goroutine \d+ \[|created by |"
    r"The above exception was the direct cause|During handling of the above exception|"
    r"Stack trace:|\[signal SIG|stack backtrace:|\[stacktrace\]|==\d+==|SUMMARY: |"
    r"at [\w$.<>]+\(|#\d+ |[\w./*()-]+\(.*\)$|note: "
)
_LOOKED_AT_CHARS: Final = 1000
"""Of a line: the patterns would take quadratic time on a hostile one."""
_EXCEPTION_LINE = re.compile(r"[A-Za-z_$][\w.$]*(?::|$)")
_MESSAGE_FOLLOWS = re.compile(r"thread '[^']*' (?:\(\d+\) )?panicked at .*:$")
_CHAIN = ("The above exception was the direct cause", "During handling of the above exception")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """The lines of one record, and where they stand in their file."""

    line: LogLine
    """The first line: level, time and fields."""
    text: str
    """All lines."""
    first_byte: int
    next_byte: int


@dataclass(slots=True)
class _Open:
    line: LogLine
    first_byte: int
    next_byte: int
    lines: list[str] = field(default_factory=list)
    num_chars: int = 0
    is_partial: bool = False
    """Whether the next line is the rest of the last one."""
    has_trace: bool = False
    awaits_exception: bool = False
    """Whether the line that names the exception is still to come, as in Python after the frames."""
    awaits_message: bool = False
    """Whether the next line is what the exception says, as in Rust behind the place."""
    is_after_chain: bool = False
    """Whether the last line with text announced another trace of the same chain."""


class RecordAssembler:
    """Takes the lines of one file in order; gives each record when the next one begins."""

    def __init__(self) -> None:
        self._open: _Open | None = None

    @property
    def first_open_byte(self) -> int | None:
        """Where the record begins that is not complete yet; None when there is none."""
        return self._open.first_byte if self._open else None

    def add(self, line: LogLine, first_byte: int, next_byte: int) -> LogRecord | None:
        """The record that this line completes by beginning another, if it does."""
        current = self._open
        if current is not None and self._belongs(current, line):
            self._append(current, line, next_byte)
            return None
        self._open = _Open(line, first_byte, next_byte)
        self._append(self._open, line, next_byte)
        return _closed(current)

    def finish(self) -> LogRecord | None:
        """The record that is open, taken as complete."""
        current, self._open = self._open, None
        return _closed(current)

    def _belongs(self, current: _Open, line: LogLine) -> bool:
        if current.is_partial or (current.awaits_message and not line.begins):
            return True
        is_full = len(current.lines) >= MAX_LINES or current.num_chars >= MAX_CHARS
        if line.begins or is_full:
            return False
        start = line.text[:_LOOKED_AT_CHARS]
        if current.awaits_exception and _EXCEPTION_LINE.match(start):
            return True
        if _TRACE_BEGINS.match(start):
            return current.is_after_chain or _may_have_logged_a_trace(current)
        if _CONTINUES.match(start):
            return True
        # Where records have a layout, what has none is the rest of a message.
        return current.line.begins and not line.is_wrapped

    def _append(self, current: _Open, line: LogLine, next_byte: int) -> None:
        text = line.text
        if current.is_partial and current.lines:
            current.lines[-1] += text
        else:
            current.lines.append(text)
        current.num_chars += len(text) + 1
        current.next_byte = next_byte
        current.is_partial = line.is_partial
        current.has_trace = current.has_trace or bool(_TRACE_BEGINS.match(text[:_LOOKED_AT_CHARS]))
        if text.startswith("Traceback"):
            current.awaits_exception = True
        elif text and not text[0].isspace():
            current.awaits_exception = False
        current.awaits_message = bool(_MESSAGE_FOLLOWS.match(text[:_LOOKED_AT_CHARS]))
        if text.strip():
            current.is_after_chain = text.startswith(_CHAIN)


class StreamAssembler:
    """A `RecordAssembler` for each stream of one file, such as a container's two outputs."""

    def __init__(self) -> None:
        self._streams: OrderedDict[str, RecordAssembler] = OrderedDict()

    @property
    def open_at(self) -> dict[str, int]:
        """Where the records begin that are not complete yet, by stream."""
        found = {name: one.first_open_byte for name, one in self._streams.items()}
        return {name: first_byte for name, first_byte in found.items() if first_byte is not None}

    def add(self, line: LogLine, first_byte: int, next_byte: int) -> list[LogRecord]:
        """The records that this line completes."""
        assembler = self._streams.get(line.stream)
        if assembler is None:
            assembler = self._streams[line.stream] = RecordAssembler()
        self._streams.move_to_end(line.stream)
        done = [assembler.add(line, first_byte, next_byte)]
        if len(self._streams) > MAX_STREAMS:
            _, oldest = self._streams.popitem(last=False)
            done.append(oldest.finish())
        return [record for record in done if record is not None]

    def finish(self) -> list[LogRecord]:
        """The records that are open, taken as complete, in the order of their beginnings."""
        done = [assembler.finish() for assembler in self._streams.values()]
        self._streams.clear()
        found = [record for record in done if record is not None]
        return sorted(found, key=lambda record: record.first_byte)


def _may_have_logged_a_trace(current: _Open) -> bool:
    # After a line of little weight a trace is another's: what standard error got in between.
    is_weighty = current.line.level not in {"debug", "info"}
    return current.line.begins and is_weighty and not current.has_trace


def _closed(current: _Open | None) -> LogRecord | None:
    if current is None:
        return None
    text = "\n".join(current.lines).rstrip()
    if not text:
        return None
    return LogRecord(current.line, text, current.first_byte, current.next_byte)
