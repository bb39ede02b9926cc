"""The positions of followed files, kept in one small JSON file that is replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from fixstream.producers.tail.following import Position
from fixstream.runtime.whole_file import replace_file
from fixstream.schemas.errors import Misconfigured


class PositionFile:
    """Reads at the start, writes after each delivery."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Position]:
        """The saved positions by path; none when there is no file yet.

        Raises:
            Misconfigured: The file is there and is none of ours.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Misconfigured(f"{self._path}: {error.strerror}") from None
        try:
            return {path: Position(**fields) for path, fields in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError):
            problem = f"{self._path} holds no positions; remove it or name another"
            raise Misconfigured(problem) from None

    def save(self, positions: Mapping[str, Position]) -> None:
        """Replace the file; a crash leaves the old one or the new one."""
        text = json.dumps({path: asdict(position) for path, position in positions.items()})
        replace_file(self._path, text.encode())
