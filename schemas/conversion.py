"""The plain dicts that Avro libraries read, made into records.

The converters are built once from the records' type hints, so that the hot path asks no types. A
field that needs no change costs nothing but its copy.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

Datum = dict[str, Any]
_Change = Callable[[Any], Any]


@cache
def record_maker(record_type: type) -> Callable[[Datum], Any]:
    """What turns a dict with all fields into a record of this type; the dict is used up.

    The result raises TypeError or KeyError on fields or symbols that the record does not have.
    """
    changes = _changes(record_type)

    def make(datum: Datum) -> Any:
        for name, change in changes:
            datum[name] = change(datum[name])
        return record_type(**datum)

    return make


def _changes(record_type: type) -> tuple[tuple[str, _Change], ...]:
    found = ((name, _change(hint)) for name, hint in get_type_hints(record_type).items())
    return tuple((name, change) for name, change in found if change is not None)


def _change(hint: Any) -> _Change | None:
    """What a field of this type needs; None if the library's value will do."""
    if dataclasses.is_dataclass(hint):
        return record_maker(hint)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {str(member): member for member in hint}.__getitem__
    if get_origin(hint) is tuple:
        change = _change(get_args(hint)[0])
        return tuple if change is None else _for_each(change)
    if get_origin(hint) is types.UnionType:
        (inner,) = (item for item in get_args(hint) if item is not types.NoneType)
        change = _change(inner)
        return None if change is None else _if_given(change)
    return None


def _for_each(change: _Change) -> _Change:
    return lambda items: tuple([change(item) for item in items])


def _if_given(change: _Change) -> _Change:
    return lambda value: None if value is None else change(value)
