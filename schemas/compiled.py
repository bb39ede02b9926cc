"""Avro's binary encoding, specialised to each record once at import.

A chain of closures a record, built from its newest schema and its class, that goes straight from
the record to bytes and back, without a dict between: three times as fast as a general library for
records as small as ours, and strict where libraries are lenient (negative lengths, symbols counted
from the end). Other versions of a schema are the library's business, see `codec`.

A record's writer raises `Misfit` on a value that does not fit. Readers raise IndexError or EOFError
where the bytes end too early, and ValueError or OverflowError on bytes that cannot be.
"""

from __future__ import annotations

import struct
import types
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, get_args, get_type_hints

Append = Callable[[bytes], None]
Write = Callable[[Any, Append], None]
"""Appends a value's bytes."""
Read = Callable[[bytes, int], tuple[Any, int]]
"""Reads a value at a position; returns it with the position behind it."""

_MISFITS = (TypeError, ValueError, KeyError, AttributeError, OverflowError, struct.error)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FLOAT = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")
_MIN_LONG, _MAX_LONG = -(2**63), 2**63 - 1
_MAX_SHIFT = 63
_CONTINUES = 0x80


class Misfit(ValueError):
    """A value that does not fit its field; `path` names the field, `examples.weight`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def _long_bytes(number: int) -> bytes:
    """A number as a zig-zag varint."""
    if not _MIN_LONG <= number <= _MAX_LONG:
        raise OverflowError
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number >= _CONTINUES:
        out.append(number & 0x7F | _CONTINUES)
        number >>= 7
    out.append(number)
    return bytes(out)


# Lengths and counts are small nearly always.
_SMALL = tuple(_long_bytes(number) for number in range(8192))


def _length_bytes(length: int) -> bytes:
    return _SMALL[length] if length < len(_SMALL) else _long_bytes(length)


def _read_long(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < _CONTINUES:
        return (byte >> 1) ^ -(byte & 1), at
    number = byte & 0x7F
    shift = 7
    while byte & _CONTINUES:
        if shift > _MAX_SHIFT:
            raise OverflowError
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    if number >> 64:
        raise OverflowError
    return (number >> 1) ^ -(number & 1), at


def _write_text(value: Any, append: Append) -> None:
    data = value.encode()
    append(_length_bytes(len(data)) + data)


def _read_raw(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _read_long(data, at)
    raw = data[at : at + length]
    if len(raw) != length:  # Of a negative length too.
        raise EOFError
    return raw, at + length


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    length = data[at]
    if length & 0x81:  # More than one byte long, or negative.
        raw, at = _read_raw(data, at)
        return raw.decode(), at
    at += 1
    end = at + (length >> 1)
    if end > len(data):
        raise EOFError
    return data[at:end].decode(), end


def _write_optional_text(value: Any, append: Append) -> None:
    if value is None:
        append(b"\x00")
    else:
        data = value.encode()
        append(b"\x02" + _length_bytes(len(data)) + data)


def _read_optional_text(data: bytes, at: int) -> tuple[str | None, int]:
    branch = data[at]
    if branch == 0:
        return None, at + 1
    if branch != 2:
        raise ValueError
    return _read_text(data, at + 1)


def _write_bytes(value: Any, append: Append) -> None:
    if not isinstance(value, bytes):
        raise TypeError
    append(_length_bytes(len(value)))
    append(value)


def _write_bool(value: Any, append: Append) -> None:
    if not isinstance(value, bool):
        raise TypeError
    append(b"\x01" if value else b"\x00")


def _read_bool(data: bytes, at: int) -> tuple[bool, int]:
    byte = data[at]
    if byte > 1:
        raise ValueError
    return byte == 1, at + 1


def _write_long(value: Any, append: Append) -> None:
    if not isinstance(value, int):
        raise TypeError
    append(_long_bytes(value))


def _write_int(value: Any, append: Append) -> None:
    if not -(2**31) <= value < 2**31:
        raise OverflowError
    _write_long(value, append)


def _read_int(data: bytes, at: int) -> tuple[int, int]:
    number, at = _read_long(data, at)
    if not -(2**31) <= number < 2**31:
        raise OverflowError
    return number, at


def _packed(form: struct.Struct) -> tuple[Write, Read]:
    def write(value: Any, append: Append) -> None:
        append(form.pack(value))

    def read(data: bytes, at: int) -> tuple[float, int]:
        end = at + form.size
        if end > len(data):
            raise EOFError
        return form.unpack_from(data, at)[0], end

    return write, read


def _write_time(value: Any, append: Append) -> None:
    # Subtraction refuses a naive time, where a library would take it for local time.
    append(_long_bytes((value - _EPOCH) // _MICROSECOND))


def _read_time(data: bytes, at: int) -> tuple[datetime, int]:
    micros, at = _read_long(data, at)
    return _EPOCH + timedelta(microseconds=micros), at


_SIMPLE: dict[str, tuple[Write, Read]] = {
    "string": (_write_text, _read_text),
    "bytes": (_write_bytes, _read_raw),
    "boolean": (_write_bool, _read_bool),
    "int": (_write_int, _read_int),
    "long": (_write_long, _read_long),
    "float": _packed(_FLOAT),
    "double": _packed(_DOUBLE),
    "timestamp-micros": (_write_time, _read_time),
}


def compiled(schema: Any, record_type: type) -> tuple[Write, Read]:
    """The writer and the reader of a record.

    Args:
        schema: The record's newest schema, parsed JSON.
        record_type: Its class, with the same fields.
    """
    return _Compiler().compile(schema, record_type)


class _Compiler:
    """Builds the pairs for one schema; named types are built where they are defined."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[Write, Read]] = {}

    def compile(self, schema: Any, hint: Any) -> tuple[Write, Read]:
        """The writer and the reader for a schema (parsed JSON) and the Python type beside it.

        Raises:
            KeyError: The schema uses a part of Avro that our records do not.
        """
        if isinstance(schema, list):
            (inner,) = (item for item in get_args(hint) if item is not types.NoneType)
            return _optional(*self.compile(schema[1], inner))
        if isinstance(schema, str):
            return _SIMPLE.get(schema) or self._named[schema]
        if "logicalType" in schema:
            return _SIMPLE[schema["logicalType"]]
        if schema["type"] == "array":
            return _array(*self.compile(schema["items"], get_args(hint)[0]))
        if schema["type"] == "map":
            return _map(*self.compile(schema["values"], get_args(hint)[1]))
        build = {"enum": _enum, "record": self._record}[schema["type"]]
        self._named[schema["name"]] = built = build(schema, hint)
        return built

    def _record(self, schema: Any, record_type: type) -> tuple[Write, Read]:
        hints = get_type_hints(record_type)
        names = [field["name"] for field in schema["fields"]]
        pairs = [self.compile(field["type"], hints[field["name"]]) for field in schema["fields"]]
        return _record(record_type, names, pairs)


def _record(
    record_type: type, names: list[str], pairs: list[tuple[Write, Read]]
) -> tuple[Write, Read]:
    values_of = attrgetter(*names)
    writers = [write for write, _ in pairs]
    # Frozen slots are set through their descriptors; __init__ would do the same, in twice the time.
    fields = [
        (read, getattr(record_type, name).__set__)
        for name, (_, read) in zip(names, pairs, strict=True)
    ]

    def write(record: Any, append: Append) -> None:
        if type(record) is not record_type:
            raise TypeError
        values = values_of(record)
        try:
            for write_field, value in zip(writers, values, strict=True):
                write_field(value, append)
        except _MISFITS:
            raise _first_misfit(names, writers, values) from None

    def read(data: bytes, at: int) -> tuple[Any, int]:
        record: Any = object.__new__(record_type)
        for read_field, set_field in fields:
            value, at = read_field(data, at)
            set_field(record, value)
        return record, at

    return write, read


def _first_misfit(names: list[str], writers: list[Write], values: tuple[Any, ...]) -> Misfit:
    """Writes the fields once more, each by itself, so that the hot path need not keep count."""
    for name, write, value in zip(names, writers, values, strict=True):
        try:
            write(value, lambda _: None)
        except Misfit as inner:
            return Misfit(f"{name}.{inner.path}", inner.reason)
        except UnicodeEncodeError:
            return Misfit(name, "a text cannot be written as UTF-8")
        except _MISFITS:
            return Misfit(name, "the value does not fit its type")
    raise AssertionError("a record was refused, but none of its fields")


def _optional(write_given: Write, read_given: Read) -> tuple[Write, Read]:
    if write_given is _write_text:
        return _write_optional_text, _read_optional_text  # Half of all our fields.

    def write(value: Any, append: Append) -> None:
        if value is None:
            append(b"\x00")
        else:
            append(b"\x02")
            write_given(value, append)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        branch = data[at]
        if branch == 0:
            return None, at + 1
        if branch != 2:
            raise ValueError
        return read_given(data, at + 1)

    return write, read


def _enum(schema: Any, enum_type: type) -> tuple[Write, Read]:
    members = tuple(enum_type(symbol) for symbol in schema["symbols"])
    marks = {member: _long_bytes(index) for index, member in enumerate(members)}

    def write(value: Any, append: Append) -> None:
        append(marks[value])

    def read(data: bytes, at: int) -> tuple[Any, int]:
        index, at = _read_long(data, at)
        if not 0 <= index < len(members):
            raise ValueError
        return members[index], at

    return write, read


def _block_count(data: bytes, at: int) -> tuple[int, int]:
    """The next block's number of items; 0 ends the sequence."""
    count, at = _read_long(data, at)
    if count < 0:
        _, at = _read_long(data, at)  # The block's size, for those who skip it.
        count = -count
    # A lying count needs no check: every item of ours takes a byte at least, so the bytes end.
    return count, at


def _array(write_item: Write, read_item: Read) -> tuple[Write, Read]:
    def write(items: Any, append: Append) -> None:
        if items:
            append(_length_bytes(len(items)))
            for item in items:
                write_item(item, append)
        append(b"\x00")

    def read(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        items: list[Any] = []
        count, at = _block_count(data, at)
        while count:
            for _ in range(count):
                item, at = read_item(data, at)
                items.append(item)
            count, at = _block_count(data, at)
        return tuple(items), at

    return write, read


def _map(write_value: Write, read_value: Read) -> tuple[Write, Read]:
    def write(mapping: Any, append: Append) -> None:
        if mapping.keys():
            append(_length_bytes(len(mapping)))
            for key, value in mapping.items():
                _write_text(key, append)
                write_value(value, append)
        append(b"\x00")

    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        mapping: dict[str, Any] = {}
        count, at = _block_count(data, at)
        while count:
            for _ in range(count):
                key, at = _read_text(data, at)
                mapping[key], at = read_value(data, at)
            count, at = _block_count(data, at)
        return mapping, at

    return write, read
