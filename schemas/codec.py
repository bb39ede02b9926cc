"""Records to bytes and back: Avro single-object encoding, and the Confluent framing beside it.

Single-object messages (`C3 01`, fingerprint, body) name their schema by its hash, so they need no
registry. Confluent-framed ones (`00`, id, body) name it by a Schema Registry's id. Whatever bytes
come in, the answer is a record or one of the dead-letter errors, whose messages never quote the
payload. Rules beyond the types (ranges, empty ids) are `validation`'s business.
"""

from __future__ import annotations

import io
import json
import re
from functools import cache
from typing import Any, Protocol, TypeVar

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, UnknownType

from fixstream.schemas.catalogue import Schema, fingerprint_of, shipped
from fixstream.schemas.conversion import datum_maker, record_maker
from fixstream.schemas.errors import InvalidRecord, TooLarge, Undecodable, UnknownSchema
from fixstream.schemas.limits import MAX_MESSAGE_BYTES
from fixstream.schemas.records import Record

R = TypeVar("R", bound=Record)

SINGLE_OBJECT_MARK = b"\xc3\x01"
CONFLUENT_MARK = b"\x00"
_SINGLE_OBJECT_HEADER_BYTES = 10
_CONFLUENT_HEADER_BYTES = 5

# What fastavro and the conversion raise on bytes that do not fit the schema.
_MALFORMED = (EOFError, ValueError, IndexError, KeyError, OverflowError, TypeError)
# What they raise on a record whose fields do not fit their types.
_MISTYPED = (ValueError, TypeError, AttributeError, KeyError, OverflowError)
_FIELD = re.compile(r"on field (\w+)")


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

    def encode(self, record: Record) -> bytes:
        """The record as bytes, in the newest version of its schema.

        Raises:
            InvalidRecord: A field does not fit its type.
            TooLarge: The message is over `MAX_MESSAGE_BYTES`.
            RetryLater: The Schema Registry does not answer.
        """
        record_type: type = type(record)
        schema = shipped().newest(record_type.__name__)
        message = io.BytesIO()
        message.write(self._header(schema))
        try:
            fastavro.schemaless_writer(message, schema.parsed, datum_maker(record_type)(record))
        except _MISTYPED as error:
            raise InvalidRecord(_mistyped(schema, error)) from None
        data = message.getvalue()
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
        newest = shipped().newest(name)
        body = io.BytesIO(data)
        body.seek(start)
        try:
            datum = fastavro.schemaless_reader(
                body, schema.parsed, None if schema is newest else newest.parsed
            )
            record: R = record_maker(record_type)(datum)  # type: ignore[arg-type]
        except SchemaResolutionError:
            raise UnknownSchema(f"the message's schema does not fit {name}") from None
        except _MALFORMED as error:
            raise Undecodable(f"{name}: {_malformed(error)}") from None
        if body.tell() != len(data):
            raise Undecodable(f"{name}: {len(data) - body.tell()} bytes too many")
        return record

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
            schema = _foreign(schema_id, self._schema_ids.schema_of(schema_id))
            self._writers[schema_id] = schema
        return schema


def encode(record: Record) -> bytes:
    """The record as a single-object message; see `Codec.encode`."""
    return _single_object().encode(record)


def decode(data: bytes, record_type: type[R]) -> R:
    """The record in a single-object message; see `Codec.decode`."""
    return _single_object().decode(data, record_type)


@cache
def _single_object() -> Codec:
    return Codec()


def _foreign(schema_id: int, text: str) -> Schema:
    """A registry's schema: one of ours if its fingerprint says so, else as it is."""
    try:
        schema = json.loads(text)
        parsed: Any = fastavro.parse_schema(schema)
        mark = fingerprint_of(schema)
    except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType):
        raise UnknownSchema(f"schema id {schema_id} is not a valid Avro schema") from None
    ours = shipped().with_fingerprint(mark)
    if ours is not None:
        return ours
    if not isinstance(parsed, dict) or parsed["type"] != "record":
        raise UnknownSchema(f"schema id {schema_id} is no record")
    record = str(parsed["name"]).rpartition(".")[2]
    return Schema(record, 0, text, parsed, mark)


def _malformed(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the message ends too early"
    if isinstance(error, UnicodeDecodeError):
        return "a text is not UTF-8"
    if isinstance(error, IndexError):
        return "a symbol or branch is out of range"
    return "a value is out of range"


def _mistyped(schema: Schema, error: Exception) -> str:
    # The library's message quotes the value, which may be a secret: only the field's name goes on.
    field = _FIELD.search(str(error))
    where = f"{schema.record}.{field[1]}" if field else schema.record
    if isinstance(error, UnicodeEncodeError):
        return f"{where}: a text cannot be written as UTF-8"
    return f"{where}: a value does not fit its type"


def _over_limit(what: str, num_bytes: int) -> str:
    return f"{what} of {num_bytes} bytes; the limit is {MAX_MESSAGE_BYTES}"
