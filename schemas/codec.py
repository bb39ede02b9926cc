"""Records to bytes and back: Avro single-object encoding, and the Confluent framing beside it.

Single-object messages (`C3 01`, fingerprint, body) name their schema by its hash, so they need no
registry. Confluent-framed ones (`00`, id, body) name it by a Schema Registry's id. Whatever bytes
come in, the answer is a record or one of the dead-letter errors, whose messages never quote the
payload. Rules beyond the types (ranges, empty ids) are `validation`'s business.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol, TypeVar

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, UnknownType

from fixstream.schemas.catalogue import Schema, fingerprint_of, shipped
from fixstream.schemas.compiled import Misfit, Read, Write, compiled
from fixstream.schemas.conversion import record_maker
from fixstream.schemas.errors import InvalidRecord, TooLarge, Undecodable, UnknownSchema
from fixstream.schemas.limits import MAX_MESSAGE_BYTES
from fixstream.schemas.records import Record

R = TypeVar("R", bound=Record)

SINGLE_OBJECT_MARK = b"\xc3\x01"
CONFLUENT_MARK = b"\x00"
_SINGLE_OBJECT_HEADER_BYTES = 10
_CONFLUENT_HEADER_BYTES = 5

# What the readers raise on bytes that do not fit the schema.
_MALFORMED = (EOFError, ValueError, IndexError, KeyError, OverflowError, TypeError)


class SchemaIds(Protocol):
    """What knows a Schema Registry's ids; `runtime.registry.SchemaRegistry` is the real one.

    Both calls raise RetryLater where the registry does not answer.
    """

    def id_of(self, subject: str, schema: str) -> int:
        """The id of this schema (JSON text) under this subject, registered if it is new."""

    def schema_of(self, schema_id: int) -> str:
        """The schema (JSON text) with this id; raises UnknownSchema if there is none."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one record travels."""

    schema: Schema
    header: bytes
    write: Write
    read: Read


class Codec:
    """Encodes and decodes every record; safe to share between threads.

    Without `schema_ids` it writes single-object messages and reads those only. With it, it writes
    Confluent-framed messages and reads both. Labels' confidences travel as 32-bit floats, so they
    come back rounded.
    """

    def __init__(self, schema_ids: SchemaIds | None = None) -> None:
        self._schema_ids = schema_ids
        self._plans: dict[type, _Plan] = {}
        self._writers: dict[int, Schema] = {}

    def encode(self, record: Record) -> bytes:
        """The record as bytes, in the newest version of its schema.

        Raises:
            InvalidRecord: A field does not fit its type.
            TooLarge: The message is over `MAX_MESSAGE_BYTES`.
            RetryLater: The Schema Registry does not answer.
        """
        plan = self._plan(type(record))
        if not plan.header:
            plan = self._with_header(plan, type(record))
        parts = [plan.header]
        try:
            plan.write(record, parts.append)
        except Misfit as misfit:
            raise InvalidRecord(f"{plan.schema.record}.{misfit}") from None
        data = b"".join(parts)
        if len(data) > MAX_MESSAGE_BYTES:
            raise TooLarge(_over_limit(plan.schema.record, len(data)))
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
        plan = self._plan(record_type)
        name = plan.schema.record
        if schema.record != name:
            raise UnknownSchema(f"the message holds a {schema.record}, where {name} is expected")
        record: R
        try:
            if schema is plan.schema:
                record, end = plan.read(data, start)
            else:
                record, end = _resolved(data, start, schema, plan.schema, record_type)
        except SchemaResolutionError:
            raise UnknownSchema(f"the message's schema does not fit {name}") from None
        except _MALFORMED as error:
            raise Undecodable(f"{name}: {_malformed(error)}") from None
        if end != len(data):
            raise Undecodable(f"{name}: {len(data) - end} bytes too many")
        return record

    def _plan(self, record_type: type) -> _Plan:
        plan = self._plans.get(record_type)
        if plan is None:
            schema = shipped().newest(record_type.__name__)
            # With a registry the header waits for the first message that is written, so that
            # reading never registers anything.
            is_single = self._schema_ids is None
            header = SINGLE_OBJECT_MARK + schema.fingerprint if is_single else b""
            plan = _Plan(schema, header, *_compiled(schema, record_type))
            self._plans[record_type] = plan
        return plan

    def _with_header(self, plan: _Plan, record_type: type) -> _Plan:
        assert self._schema_ids is not None
        schema_id = self._schema_ids.id_of(plan.schema.full_name, plan.schema.text)
        plan = replace(plan, header=CONFLUENT_MARK + schema_id.to_bytes(4, "big"))
        self._plans[record_type] = plan
        return plan

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
def _compiled(schema: Schema, record_type: type) -> tuple[Write, Read]:
    return compiled(json.loads(schema.text), record_type)


def _resolved(
    data: bytes, start: int, writer: Schema, reader: Schema, record_type: type
) -> tuple[Any, int]:
    """Reads another version of the schema, which the library fits to the newest."""
    body = io.BytesIO(data)
    body.seek(start)
    datum = fastavro.schemaless_reader(body, writer.parsed, reader.parsed)
    return record_maker(record_type)(datum), body.tell()  # type: ignore[arg-type]


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
    if isinstance(error, EOFError | IndexError):
        return "the message ends too early"
    if isinstance(error, UnicodeDecodeError):
        return "a text is not UTF-8"
    return "a value is out of range"


def _over_limit(what: str, num_bytes: int) -> str:
    return f"{what} of {num_bytes} bytes; the limit is {MAX_MESSAGE_BYTES}"
