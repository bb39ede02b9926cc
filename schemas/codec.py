"""Records to bytes and back: Avro single-object encoding, and the Confluent framing beside it.

Single-object messages (`C3 01`, fingerprint, body) name their schema by its hash, so they need no
registry. Confluent-framed ones (`00`, id, body) name it by a Schema Registry's id. Whatever bytes
come in, the answer is a record or one of the dead-letter errors, whose messages never quote the
payload. Rules beyond the types (ranges, empty ids) are `validation`'s business.

`writing` writes. `reading` reads what is well-formed and of the newest version; all else is read
by fastavro, as leniently as it is: of bytes that no Avro writer makes (a flag of 2, a symbol
counted from the end, a number over its 64 or 32 bits) it may make a record all the same.
"""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import Any, Protocol, TypeVar

import fastavro
from fastavro.read import SchemaResolutionError

from fixstream.schemas.catalogue import Schema, shipped
from fixstream.schemas.conversion import record_maker
from fixstream.schemas.errors import (
    DeadLetter,
    InvalidRecord,
    TooLarge,
    Undecodable,
    UnknownSchema,
)
from fixstream.schemas.foreign import registered
from fixstream.schemas.limits import MAX_MESSAGE_BYTES
from fixstream.schemas.reading import UNUSUAL, Read, record_reader
from fixstream.schemas.records import Record
from fixstream.schemas.validation import validate
from fixstream.schemas.writing import Write, record_writer

R = TypeVar("R", bound=Record)

SINGLE_OBJECT_MARK = b"\xc3\x01"
CONFLUENT_MARK = b"\x00"
_SINGLE_OBJECT_HEADER_BYTES = 10
_CONFLUENT_HEADER_BYTES = 5

# What fastavro and the conversion raise on bytes that do not fit the schema.
_MALFORMED = (EOFError, ValueError, IndexError, KeyError, ArithmeticError, TypeError)
# What the writers raise on a record whose fields do not fit their types.
_MISTYPED = (ValueError, TypeError, AttributeError, KeyError, OverflowError, struct.error)


class SchemaIds(Protocol):
    """What knows a Schema Registry's ids; `runtime.registry.SchemaRegistry` is the real one.

    Both calls raise RetryLater where the registry does not answer.
    """

    def id_of(self, subject: str, schema: str) -> int:
        """The id of this schema (JSON text) under this subject, registered if it is new."""

    def schema_of(self, schema_id: int) -> str:
        """The schema (JSON text) with this id; raises UnknownSchema if there is none."""


class Codec:
    """Encodes and decodes every record; safe to share between threads.

    Without `schema_ids` it writes single-object messages and reads those only. With it, it writes
    Confluent-framed messages and reads both. Labels' confidences travel as 32-bit floats, so they
    come back rounded.
    """

    def __init__(self, schema_ids: SchemaIds | None = None) -> None:
        self._schema_ids = schema_ids
        self._writers: dict[int, Schema] = {}
        self._headers: dict[str, bytes] = {}

    def prepare(self, record_type: type) -> None:
        """Make now what the first `encode` of this type would make; no registry is asked."""
        _newest(record_type)

    def encode(self, record: Record) -> bytes:
        """The record as bytes, in the newest version of its schema.

        Raises:
            InvalidRecord: A field does not fit its type; the message names it.
            TooLarge: The message is over `MAX_MESSAGE_BYTES`.
            RetryLater: The Schema Registry does not answer.
        """
        record_type: type = type(record)
        schema, write = _newest(record_type)
        header = self._header(schema)
        try:
            data = header + write(record)
        except _MISTYPED:
            raise _refusal(record) from None
        if len(data) > MAX_MESSAGE_BYTES:
            raise TooLarge(_over_limit(schema.record, len(data)))
        return data

    def decode(self, data: bytes, record_type: type[R]) -> R:
        """The record in these bytes, whichever version of its schema they were written with.

        Raises:
            Undecodable: The bytes are no message of ours, end too early or too late.
            UnknownSchema: They name a schema that is not known here, or another record's.
            TooLarge: They are over `MAX_MESSAGE_BYTES`.
            RetryLater: The Schema Registry does not answer.
        """
        if len(data) > MAX_MESSAGE_BYTES:
            raise TooLarge(_over_limit("message", len(data)))
        schema, start = self._writer(data)
        name = record_type.__name__
        if schema.record != name:
            raise UnknownSchema(f"the message holds a {schema.record}, where {name} is expected")
        kind: type = record_type
        newest, read = _reader(kind)
        if schema is newest and (plain := _well_formed(read, data, start)) is not None:
            return plain  # type: ignore[no-any-return]
        try:
            datum, end = _read(data, start, schema, newest)
            record: R = record_maker(record_type)(datum)  # type: ignore[arg-type]
        except SchemaResolutionError:
            raise UnknownSchema(f"the message's schema does not fit {name}") from None
        except _MALFORMED as error:
            raise Undecodable(f"{name}: {_malformed(error)}") from None
        if end != len(data):
            raise Undecodable(f"{name}: {len(data) - end} bytes too many")
        return record

    def body_start(self, data: bytes, record_type: type[R]) -> int | None:
        """Where the body of a message starts; None where it is not of the newest schema version.

        Raises:
            RetryLater: The Schema Registry does not answer.
        """
        try:
            schema, start = self._writer(data)
        except DeadLetter:
            return None
        kind: type = record_type
        return start if schema is _newest(kind)[0] else None

    def _header(self, schema: Schema) -> bytes:
        if self._schema_ids is None:
            return SINGLE_OBJECT_MARK + schema.fingerprint
        header = self._headers.get(schema.record)
        if header is None:
            schema_id = self._schema_ids.id_of(schema.full_name, schema.text)
            header = CONFLUENT_MARK + schema_id.to_bytes(4, "big")
            self._headers[schema.record] = header
        return header

    def _writer(self, data: bytes) -> tuple[Schema, int]:
        """The schema that the message was written with, and where its body starts."""
        if data[:2] == SINGLE_OBJECT_MARK and len(data) >= _SINGLE_OBJECT_HEADER_BYTES:
            mark = data[2:_SINGLE_OBJECT_HEADER_BYTES]
            schema = shipped().with_fingerprint(bytes(mark))
            if schema is None:
                raise UnknownSchema(f"no schema has the fingerprint {bytes(mark).hex()}")
            return schema, _SINGLE_OBJECT_HEADER_BYTES
        if data[:1] == CONFLUENT_MARK and len(data) >= _CONFLUENT_HEADER_BYTES:
            schema_id = int.from_bytes(data[1:_CONFLUENT_HEADER_BYTES], "big")
            return self._schema_with(schema_id), _CONFLUENT_HEADER_BYTES
        raise Undecodable(f"{len(data)} bytes without a header of ours")

    def _schema_with(self, schema_id: int) -> Schema:
        if self._schema_ids is None:
            raise UnknownSchema(f"schema id {schema_id}, but no schema registry is configured")
        schema = self._writers.get(schema_id)
        if schema is None:
            schema = registered(schema_id, self._schema_ids.schema_of(schema_id))
            self._writers[schema_id] = schema
        return schema


def encode(record: Record) -> bytes:
    """The record as a single-object message; see `Codec.encode`."""
    return _single_object().encode(record)


def decode(data: bytes, record_type: type[R]) -> R:
    """The record in a single-object message; see `Codec.decode`."""
    return _single_object().decode(data, record_type)


@cache
def _newest(record_type: type) -> tuple[Schema, Write]:
    schema = shipped().newest(record_type.__name__)
    return schema, record_writer(schema.parsed)


@cache
def _reader(record_type: type) -> tuple[Schema, Read]:
    schema = shipped().newest(record_type.__name__)
    return schema, record_reader(schema.parsed, record_type)


@cache
def _single_object() -> Codec:
    return Codec()


def _well_formed(read: Read, data: bytes, start: int) -> Any:
    """The record in a message that is plainly one; None where fastavro has to judge."""
    try:
        record, end = read(data, start)
    except UNUSUAL:
        return None
    return record if end == len(data) else None


def _read(data: bytes, start: int, writer: Schema, reader: Schema) -> tuple[Any, int]:
    """The dict that the message holds, and where it ends."""
    body = io.BytesIO(data)
    body.seek(start)
    datum = fastavro.schemaless_reader(body, writer.parsed, None)
    if writer is not reader:
        # The first pass has shown that the items claimed are all there. Fitting one schema to
        # another skips fields, and skipping does not notice the end of the bytes.
        body.seek(start)
        datum = fastavro.schemaless_reader(body, writer.parsed, reader.parsed)
    return datum, body.tell()


def _malformed(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the message ends too early"
    if isinstance(error, UnicodeDecodeError):
        return "a text is not UTF-8"
    if isinstance(error, IndexError):
        return "a symbol or branch is out of range, or a number ends too early"
    return "a value is out of range"


def _refusal(record: Record) -> DeadLetter:
    """Why the library did not write the record."""
    # The library's own message quotes the value, which may be a secret, and not always the field.
    try:
        validate(record)
    except DeadLetter as error:
        return error
    return InvalidRecord(f"{type(record).__name__}: a value does not fit its type")


def _over_limit(what: str, num_bytes: int) -> str:
    return f"{what} of {num_bytes} bytes; the limit is {MAX_MESSAGE_BYTES}"
