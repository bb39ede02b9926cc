"""Records to bytes and back: Avro single-object encoding, and the Confluent framing beside it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from fixstream.schemas.records import Record

R = TypeVar("R", bound=Record)


class SchemaIds(Protocol):
    """What knows a Schema Registry's ids. `registry.SchemaRegistry` is the real one."""

    def id_of(self, subject: str, schema: str) -> int:
        """The id of this schema (JSON text) under this subject, registered if it is new."""

    def schema_of(self, schema_id: int) -> str:
        """The schema (JSON text) with this id; raises UnknownSchema if there is none."""


class Codec:
    """Encodes and decodes every record."""

    def __init__(self, schema_ids: SchemaIds | None = None) -> None:
        self._schema_ids = schema_ids

    def encode(self, record: Record) -> bytes:
        """The record as bytes. Raises InvalidRecord, TooLarge."""
        raise NotImplementedError

    def decode(self, data: bytes, record_type: type[R]) -> R:
        """The record in these bytes. Raises Undecodable, UnknownSchema, InvalidRecord, TooLarge."""
        raise NotImplementedError


def encode(record: Record) -> bytes:
    """The record as single-object bytes."""
    return Codec().encode(record)


def decode(data: bytes, record_type: type[R]) -> R:
    """The record in single-object bytes."""
    return Codec().decode(data, record_type)
