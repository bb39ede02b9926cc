"""JSON lines from a file, plain or gzip, with a clear word about lines that are none.

Reads one line at a time, so a file may be larger than memory.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from fixstream.schemas.errors import InvalidRecord, Misconfigured

_GZIP_MAGIC: Final = b"\x1f\x8b"
_MAX_LINE_BYTES: Final = 8 * 1024 * 1024


class BadLine(InvalidRecord):
    """One line of a file cannot be used; the message names file, line and reason."""

    def __init__(self, path: Path, line_number: int, reason: str) -> None:
        super().__init__(f"{path}, line {line_number}: {reason}")
        self.line_number = line_number
        self.reason = reason


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One line: its number, counted from 1, and its object, or what is wrong with it."""

    line_number: int
    content: Mapping[str, Any] | BadLine


def read_json_lines(path: Path) -> Iterator[JsonLine]:
    """The objects of a file of JSON lines, in order; empty lines are left out.

    A line that is no JSON object comes as its `BadLine`, so the caller decides; a file whose
    compression breaks off ends with one.

    Raises:
        Misconfigured: The file cannot be opened.
    """
    line_number = 0
    with _opened(path) as file:
        try:
            while line := file.readline(_MAX_LINE_BYTES + 1):
                line_number += 1
                if len(line) > _MAX_LINE_BYTES:
                    _skip_rest_of_line(file, line)
                    problem = BadLine(path, line_number, f"longer than {_MAX_LINE_BYTES} bytes")
                    yield JsonLine(line_number, problem)
                elif line.strip():
                    yield JsonLine(line_number, _parsed(path, line_number, line))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            problem = BadLine(path, line_number + 1, f"the gzip data is damaged: {error}")
            yield JsonLine(line_number + 1, problem)


def _opened(path: Path) -> BinaryIO:
    try:
        file = path.open("rb")
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
    try:
        is_gzip = file.read(2) == _GZIP_MAGIC
        file.seek(0)
    except OSError as error:
        file.close()
        raise Misconfigured(f"{path}: {error.strerror}") from None
    if not is_gzip:
        return file
    file.close()
    return gzip.open(path, "rb")  # type: ignore[return-value]  # a GzipFile reads like a BinaryIO


def _skip_rest_of_line(file: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = file.readline(_MAX_LINE_BYTES)


def _parsed(path: Path, line_number: int, line: bytes) -> Mapping[str, Any] | BadLine:
    try:
        content = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return BadLine(path, line_number, "not UTF-8")
    except json.JSONDecodeError as error:
        return BadLine(path, line_number, f"not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return BadLine(path, line_number, "not JSON: nested too deeply")
    if not isinstance(content, dict):
        return BadLine(path, line_number, f"a {type(content).__name__} where an object belongs")
    return content
