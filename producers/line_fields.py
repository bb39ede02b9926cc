"""Typed access to the fields of one line of somebody's JSON, with errors that name the field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from fixstream.producers.safe_text import clean_text
from fixstream.schemas.errors import InvalidRecord


class LineFields:
    """The object of one line; every getter raises InvalidRecord that names the field."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    def text(self, name: str, max_chars: int) -> str | None:
        """A string, cleaned and cut to about `max_chars`; None when null, missing or empty."""
        value = self._content.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise InvalidRecord(f"{name} is {_kind(value)}, not a string")
        return clean_text(value, max_chars) if value.strip() else None

    def required_text(self, name: str, max_chars: int) -> str:
        """A string that has to be there."""
        text = self.text(name, max_chars)
        if text is None:
            raise InvalidRecord(f"{name} is missing")
        return text

    def choice(self, name: str, allowed: Iterable[str]) -> str | None:
        """One of the allowed words; None when null or missing."""
        text = self.text(name, 64)
        choices = [str(word) for word in allowed]
        if text is not None and text not in choices:
            raise InvalidRecord(f"{name} is none of {', '.join(choices)}")
        return text

    def time(self, name: str) -> datetime | None:
        """An ISO 8601 time, taken as UTC where it has no zone; None when null or missing."""
        text = self.text(name, 64)
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise InvalidRecord(f"{name} is no ISO 8601 time") from None
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)

    def flag(self, name: str) -> bool:
        """A boolean; False when null or missing."""
        value = self._content.get(name)
        if value is not None and not isinstance(value, bool):
            raise InvalidRecord(f"{name} is {_kind(value)}, not a boolean")
        return bool(value)

    def whole_number(self, name: str) -> int | None:
        """A 64-bit integer; None when null or missing."""
        value = self._content.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
            raise InvalidRecord(f"{name} is {_kind(value)}, not a 64-bit integer")
        return value

    def nested(self, name: str) -> LineFields | None:
        """An object; None when null or missing."""
        value = self._content.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise InvalidRecord(f"{name} is {_kind(value)}, not an object")
        return LineFields(value)


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"
