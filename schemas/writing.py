"""Records to Avro bodies, straight from their fields, by writers made once from the schema.

fastavro's writer wants a dict for each record and tries the branches of each nullable field; that
cost the processor a fifth of its time. Reading is still fastavro's, and the tests hold what is
written here to both other libraries. Made for the schemas that this part ships: of unions it takes
`null` with one other type only, and it refuses what none of them has.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from fixstream.schemas.errors import SchemaConflict

Write = Callable[[Any], bytes]
"""Gives the bytes of one value.

On a value that does not fit its type it raises TypeError, ValueError, AttributeError, KeyError,
OverflowError or struct.error.
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUM_KNOWN = 8192
_MAX_REMEMBERED = 1024
# The lowest 14 bits of a number as bytes of a variable-length integer: more follow; or the last.
_PAIRS = tuple(bytes((n & 0x7F | 0x80, n >> 7 | 0x80)) for n in range(1 << 14))
_ENDS = tuple(bytes((n,)) if n < 0x80 else bytes((n & 0x7F | 0x80, n >> 7)) for n in range(1 << 14))


def _varint(number: int) -> bytes:
    pieces = b""
    while number > 0x3FFF:
        pieces += _PAIRS[number & 0x3FFF]
        number >>= 14
    return pieces + _ENDS[number]


_KNOWN = tuple(_varint(number << 1) for number in range(_NUM_KNOWN))
_KNOWN_AFTER_BRANCH = tuple(b"\x02" + number for number in _KNOWN)


def _long(value: int) -> bytes:
    if 0 <= value < _NUM_KNOWN:
        return _KNOWN[value]
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("over 64 bits")
    return _varint((value << 1) ^ (value >> 63))


def _text(value: str) -> bytes:
    data = value.encode()
    size = len(data)
    return (_KNOWN[size] if size < _NUM_KNOWN else _long(size)) + data


def _text_or_null(value: str | None) -> bytes:
    if value is None:
        return b"\x00"
    data = value.encode()
    size = len(data)
    return (_KNOWN_AFTER_BRANCH[size] if size < _NUM_KNOWN else b"\x02" + _long(size)) + data


def _bytes(value: bytes) -> bytes:
    return _long(len(value)) + value


def _flag(value: object) -> bytes:
    return b"\x01" if value else b"\x00"


def _micros(value: datetime) -> bytes:
    since = value - _EPOCH  # Raises TypeError for a time without a zone.
    return _long((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


_PLAIN: dict[str, Write] = {
    "string": _text,
    "long": _long,
    "int": _long,
    "boolean": _flag,
    "bytes": _bytes,
    "float": struct.Struct("<f").pack,
    "double": struct.Struct("<d").pack,
}


def record_writer(schema: dict[str, Any]) -> Write:
    """What writes records with this schema, as fastavro parsed it.

    Raises:
        SchemaConflict: It has a type that none of our records has.
    """
    return _record(schema, {})


def _writer(schema: Any, named: dict[str, Write]) -> Write:
    if isinstance(schema, list):
        return _nullable(schema, named)
    if isinstance(schema, str):
        found = _PLAIN.get(schema) or named.get(schema)
        if found is None:
            raise SchemaConflict(f"no record of ours has the type {schema}")
        return found
    if schema.get("logicalType") == "timestamp-micros":
        return _micros
    build = _COMPOSED.get(schema["type"])
    return _writer(schema["type"], named) if build is None else build(schema, named)


def _record(schema: dict[str, Any], named: dict[str, Write]) -> Write:
    fields = schema["fields"]
    values_of = attrgetter(*(field["name"] for field in fields))
    writers = tuple(_writer(field["type"], named) for field in fields)
    if len(writers) < 2:
        raise SchemaConflict(f"{schema['name']} has fewer than two fields")
    # Where null may not stand, joining this None raises TypeError.
    nulls: tuple[Any, ...] = tuple(
        b"\x00" if isinstance(field["type"], list) else None for field in fields
    )

    def write(record: Any) -> bytes:
        # Most optional fields are null, and a call for each would cost more than all the rest.
        return b"".join(
            [
                null if value is None else one(value)
                for one, null, value in zip(writers, nulls, values_of(record), strict=True)
            ]
        )

    kept = _remembering(write) if schema["name"].endswith(".Label") else write
    named[schema["name"]] = kept
    return kept


def _remembering(write: Write) -> Write:
    """Keeps the bytes of the last records: the rules give the same few labels again and again."""
    kept: dict[int, tuple[Any, bytes]] = {}

    def remembered(record: Any) -> bytes:
        found = kept.get(id(record))
        if found is not None and found[0] is record:
            return found[1]
        data = write(record)
        if len(kept) >= _MAX_REMEMBERED:
            kept.clear()
        # With the record itself, so that its identity is not given to another one.
        kept[id(record)] = (record, data)
        return data

    return remembered


def _enum(schema: dict[str, Any], named: dict[str, Write]) -> Write:
    numbers = {symbol: _long(number) for number, symbol in enumerate(schema["symbols"])}

    def write(value: object) -> bytes:
        return numbers[str(value)]

    named[schema["name"]] = write
    return write


def _array(schema: dict[str, Any], named: dict[str, Write]) -> Write:
    one = _writer(schema["items"], named)

    def write(items: Any) -> bytes:
        if not len(items):
            return b"\x00"
        return b"".join([_long(len(items)), *map(one, items), b"\x00"])

    return write


def _map(schema: dict[str, Any], named: dict[str, Write]) -> Write:
    one = _writer(schema["values"], named)

    def write(items: Any) -> bytes:
        pairs = [_text(key) + one(value) for key, value in items.items()]
        return b"".join([_long(len(pairs)), *pairs, b"\x00"]) if pairs else b"\x00"

    return write


_COMPOSED: dict[str, Callable[[dict[str, Any], dict[str, Write]], Write]] = {
    "record": _record,
    "enum": _enum,
    "array": _array,
    "map": _map,
}


def _nullable(branches: list[Any], named: dict[str, Write]) -> Write:
    if len(branches) != 2 or branches[0] != "null":
        raise SchemaConflict("a union of ours is null and one other type")
    inner = _writer(branches[1], named)
    if inner is _text:
        return _text_or_null

    def write(value: Any) -> bytes:
        return b"\x00" if value is None else b"\x02" + inner(value)

    return write
