"""Records to the plain dicts that Avro libraries read and write, and back.

The converters are built once from the records' type hints, so that the hot path asks no types. A
field that needs no change costs nothing but its copy.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints

Datum = dict[str, Any]
_Change = Callable[[Any], Any]


@cache
def datum_maker(record_type: type) -> Callable[[Any], Datum]:
    """What turns a record of this type into a dict.

    The result raises ValueError, TypeError or AttributeError on a time without a zone and on
    whatever is no record where one is expected.
    """
    names = tuple(field.name for field in dataclasses.fields(record_type))
    values_of = attrgetter(*names)
    changes = _changes(record_type, _writing)

    def make(record: Any) -> Datum:
        datum = dict(zip(names, values_of(record), strict=True))
        for name, change in changes:
            datum[name] = change(datum[name])
        return datum

    return make


@cache
def record_maker(record_type: type) -> Callable[[Datum], Any]:
    """What turns a dict with all fields into a record of this type; the dict is used up.

    The result raises TypeError or KeyError on fields or symbols that the record does not have.
    """
    changes = _changes(record_type, _reading)

    def make(datum: Datum) -> Any:
        for name, change in changes:
            datum[name] = change(datum[name])
        return record_type(**datum)

    return make


def _changes(
    record_type: type, change_of: Callable[[Any], _Change | None]
) -> tuple[tuple[str, _Change], ...]:
    found = ((name, change_of(hint)) for name, hint in get_type_hints(record_type).items())
    return tuple((name, change) for name, change in found if change is not None)


def _writing(hint: Any) -> _Change | None:
    """What a field of this type needs on its way out; None if its value will do."""
    if dataclasses.is_dataclass(hint):
        return datum_maker(hint)  # type: ignore[arg-type]
    if hint is datetime:
        return _zoned
    if get_origin(hint) is Mapping:
        return dict
    return _inside(hint, _writing, list)


def _reading(hint: Any) -> _Change | None:
    """What a field of this type needs on its way in; None if the library's value will do."""
    if dataclasses.is_dataclass(hint):
        return record_maker(hint)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {str(member): member for member in hint}.__getitem__
    return _inside(hint, _reading, tuple)


def _inside(
    hint: Any, change_of: Callable[[Any], _Change | None], sequence: type[Any]
) -> _Change | None:
    """The change for a nullable field or a tuple, from the one for what is inside."""
    if get_origin(hint) is tuple:
        change = change_of(get_args(hint)[0])
        return sequence if change is None else _for_each(change, sequence)
    if get_origin(hint) is types.UnionType:
        (inner,) = (item for item in get_args(hint) if item is not types.NoneType)
        change = change_of(inner)
        return None if change is None else _if_given(change)
    return None


def _for_each(change: _Change, sequence: type[Any]) -> _Change:
    return lambda items: sequence([change(item) for item in items])


def _if_given(change: _Change) -> _Change:
    return lambda value: None if value is None else change(value)


def _zoned(time: datetime) -> datetime:
    # fastavro would take a naive time for local time, and shift it without a word.
    if time.tzinfo is None:
        raise ValueError("the time has no zone")
    return time
