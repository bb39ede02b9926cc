"""Typed access to an API's JSON beyond `line_fields`: lists of objects, and times as numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fixstream.producers.crawl.failures import HostFailed
from fixstream.producers.line_fields import LineFields
from fixstream.schemas.errors import InvalidRecord

MAX_CHARS = 1_000_000
"""Texts are cut for their records later; this only bounds what is looked at."""


def objects_in(content: Any, host: str) -> list[Any]:
    """The items of an answer that has to be a list; each still has to be checked.

    Raises:
        HostFailed: It is something else.
    """
    if not isinstance(content, list):
        raise HostFailed(f"{host} sent a {type(content).__name__} where a list belongs")
    return content


def fields_of(item: Any) -> LineFields:
    """The fields of one item.

    Raises:
        InvalidRecord: It is no object.
    """
    if not isinstance(item, dict):
        raise InvalidRecord(f"an item is a {type(item).__name__}, not an object")
    return LineFields(item)


def required_id(fields: LineFields, name: str) -> int:
    """A whole number above zero; raises InvalidRecord."""
    value = fields.whole_number(name)
    if value is None or value <= 0:
        raise InvalidRecord(f"{name} is missing or no id")
    return value


def required_time(fields: LineFields, name: str) -> datetime:
    """A time that has to be there, as ISO 8601; raises InvalidRecord."""
    when = fields.time(name)
    if when is None:
        raise InvalidRecord(f"{name} is missing")
    return when


def web_address(fields: LineFields, name: str) -> str:
    """An address that a browser may be sent to; empty where there is none. Raises InvalidRecord."""
    address = fields.text(name, MAX_CHARS) or ""
    return address if address.startswith(("https://", "http://")) else ""


def epoch_time(seconds: int | None, name: str) -> datetime:
    """A time from whole seconds since 1970; raises InvalidRecord."""
    if seconds is None:
        raise InvalidRecord(f"{name} is missing")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidRecord(f"{name} is no time") from None


def texts_in(value: Any) -> tuple[str, ...]:
    """The short texts of a list such as tags; what is no text is left out."""
    if not isinstance(value, list):
        return ()
    return tuple(text for text in value if isinstance(text, str) and 0 < len(text) <= 100)
