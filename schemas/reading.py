"""Avro bodies to records, straight into their fields, by readers made once from the schema.

The counterpart of `writing`. fastavro makes a dict for each record first, and that with its
conversion cost the processor a tenth of its time. These readers take well-formed bodies only, and
refuse whatever is not plainly that: the caller then asks fastavro, whose answer counts. So they
never decide what is undecodable, and what they do take reads as fastavro reads it.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, get_args, get_type_hints

from fixstream.schemas.errors import SchemaConflict
from fixstream.schemas.making import maker

Read = Callable[[bytes, int], tuple[Any, int]]
"""Gives the value that starts at a place in the bytes, and the place behind it.

A text that ends too early comes out short, with a place behind the end of the bytes: whoever calls
compares the last place with the length. On anything else that is not well-formed it raises one of
`UNUSUAL`.
"""

UNUSUAL = (IndexError, ValueError, ArithmeticError, TypeError, AttributeError, struct.error)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_MAX_SHIFT = 63
"""Of the tenth byte of a number, the last one that 64 bits have."""


def _raw(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length number before its sign is taken apart."""
    byte = data[at]
    number, shift = byte & 0x7F, 7
    while byte & 0x80:
        if shift > _MAX_SHIFT:
            raise OverflowError
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift += 7
    if number >> 64:
        raise OverflowError
    return number, at + 1


def _long(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    number, at = _raw(data, at)
    return (number >> 1) ^ -(number & 1), at


def _int(data: bytes, at: int) -> tuple[int, int]:
    value, at = _long(data, at)
    if not -(1 << 31) <= value < 1 << 31:
        raise OverflowError
    return value, at


def read_size(data: bytes, at: int) -> tuple[int, int]:
    """A length that is not negative, and the place behind it."""
    number, at = _raw(data, at)
    if number & 1:
        raise ValueError
    return number >> 1, at


def _text(data: bytes, at: int) -> tuple[str, int]:
    size = data[at]
    if size & 0x81:
        size, at = read_size(data, at)
    else:
        size >>= 1
        at += 1
    end = at + size
    return data[at:end].decode(), end


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = read_size(data, at)
    return data[at : at + size], at + size


def _flag(data: bytes, at: int) -> tuple[bool, int]:
    byte = data[at]
    if byte > 1:
        raise ValueError
    return byte == 1, at + 1


def _micros(data: bytes, at: int) -> tuple[datetime, int]:
    number, at = _long(data, at)
    return _EPOCH + timedelta(0, number // _SECOND, number % _SECOND), at


def _packed(form: struct.Struct) -> Read:
    def read(data: bytes, at: int) -> tuple[float, int]:
        return form.unpack_from(data, at)[0], at + form.size

    return read


_PLAIN: dict[str, Read] = {
    "string": _text,
    "long": _long,
    "int": _int,
    "boolean": _flag,
    "bytes": _bytes,
    "float": _packed(struct.Struct("<f")),
    "double": _packed(struct.Struct("<d")),
}


def record_reader(schema: dict[str, Any], record_type: type) -> Read:
    """What reads records of this type, written with this schema, as fastavro parsed it.

    Raises:
        SchemaConflict: It has a type that none of our records has, or other fields.
    """
    return _record(schema, record_type, {})


def field_reader(schema: Any, hint: Any, named: dict[str, Any]) -> Read:
    """What reads one field, nullable or not; `named` gathers the types that later fields name."""
    is_nullable, one = _field(schema, hint, named)
    if not is_nullable:
        return one

    def read(data: bytes, at: int) -> tuple[Any, int]:
        branch = data[at]
        if not branch:
            return None, at + 1
        if branch != 2:
            raise ValueError
        return one(data, at + 1)

    return read


def _reader(schema: Any, hint: Any, named: dict[str, Any]) -> Read:
    if isinstance(schema, str):
        found = _PLAIN.get(schema)
        return found if found is not None else _composed(named[schema], hint, named)
    if schema.get("logicalType") == "timestamp-micros":
        return _micros
    return _composed(schema, hint, named)


def _composed(schema: dict[str, Any], hint: Any, named: dict[str, Any]) -> Read:
    kind = schema["type"]
    if kind == "record":
        return _record(schema, hint, named)
    if kind == "enum":
        named[schema["name"]] = schema
        return _enum(schema["symbols"], hint)
    if kind == "array":
        return _array(_reader(schema["items"], get_args(hint)[0], named))
    if kind == "map":
        return _map(_reader(schema["values"], get_args(hint)[1], named))
    return _reader(kind, hint, named)


def _record(schema: dict[str, Any], record_type: type, named: dict[str, Any]) -> Read:
    named[schema["name"]] = schema
    hints = get_type_hints(record_type)
    names = [field.name for field in dataclasses.fields(record_type)]
    if [field["name"] for field in schema["fields"]] != names:
        raise SchemaConflict(f"{schema['name']} and {record_type.__name__} have other fields")
    fields = [_field(field["type"], hints[field["name"]], named) for field in schema["fields"]]
    make: Callable[..., Any] = maker(record_type)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        values: list[Any] = []
        for is_nullable, one in fields:
            if is_nullable:
                branch = data[at]
                at += 1
                if not branch:
                    values.append(None)
                    continue
                if branch != 2:
                    raise ValueError
            value, at = one(data, at)
            values.append(value)
        return make(*values), at

    return read


def _field(schema: Any, hint: Any, named: dict[str, Any]) -> tuple[bool, Read]:
    """Whether null may stand there, and what reads anything else."""
    if not isinstance(schema, list):
        return False, _reader(schema, hint, named)
    if len(schema) != 2 or schema[0] != "null":
        raise SchemaConflict("a union of ours is null and one other type")
    return True, _reader(schema[1], get_args(hint)[0], named)


def _enum(symbols: list[str], hint: Any) -> Read:
    is_kind = isinstance(hint, type) and issubclass(hint, StrEnum)
    members = [hint(symbol) if is_kind else symbol for symbol in symbols]

    def read(data: bytes, at: int) -> tuple[Any, int]:
        byte = data[at]
        if byte & 0x81:
            raise ValueError
        return members[byte >> 1], at + 1

    return read


def _array(one: Read) -> Read:
    def read(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        count, at = read_size(data, at)
        if not count:
            return (), at
        items = []
        for _ in range(count):
            item, at = one(data, at)
            items.append(item)
        if data[at]:
            raise ValueError  # A second block, which no writer of ours makes.
        return tuple(items), at + 1

    return read


def _map(one: Read) -> Read:
    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        count, at = read_size(data, at)
        if not count:
            return {}, at
        items = {}
        for _ in range(count):
            key, at = _text(data, at)
            items[key], at = one(data, at)
        if data[at]:
            raise ValueError
        return items, at + 1

    return read
