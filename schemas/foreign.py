"""A Schema Registry's schema, made sure of before any message is read with it.

Whoever may write to a registry chooses these schemas, so one that would let a small message ask for
endless work is refused. Whether a schema fits ours shows when a message is read.
"""

from __future__ import annotations

import json
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from fixstream.schemas.catalogue import Schema, fingerprint_of, shipped
from fixstream.schemas.errors import UnknownSchema

_PRIMITIVES = {
    **dict.fromkeys(("boolean", "int", "long", "float", "double", "bytes", "string"), False),
    "null": True,
}
"""Whether their values take no bytes."""


def registered(schema_id: int, text: str) -> Schema:
    """A registry's schema: one of ours if its fingerprint says so, else as it is.

    Args:
        schema_id: Its id, for the messages of errors.
        text: Its JSON.

    Raises:
        UnknownSchema: It is no schema of a record, or one that no message is read with.
    """
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
    try:
        _is_empty(parsed, dict(_PRIMITIVES))
    except _Endless as error:
        raise UnknownSchema(f"schema id {schema_id} has {error}") from None
    record = str(parsed["name"]).rpartition(".")[2]
    return Schema(record, 0, text, parsed, mark)


class _Endless(Exception):
    """What a few bytes could make endless."""


def _is_empty(schema: Any, known: dict[str, bool]) -> bool:
    """Whether the values of a parsed schema take no bytes.

    Args:
        schema: As fastavro parses it: types are defined before they are named.
        known: The answer for each type that was seen to its end; grows.

    Raises:
        _Endless: A record nests in itself, and fastavro would overflow its stack on a deep one; or
            items of an array take no bytes, so it could claim any number of them.
    """
    if isinstance(schema, str):
        if schema not in known:
            raise _Endless("a record that nests in itself")
        return known[schema]
    are_empty = [_is_empty(part, known) for part in _parts(schema)]
    if isinstance(schema, list):
        return False  # The branch's number takes a byte.
    kind = schema["type"]
    if kind == "array" and are_empty[0]:
        raise _Endless("an array whose items take no bytes")
    is_empty = all(are_empty) if "fields" in schema else kind == "null" or schema.get("size") == 0
    if "name" in schema:
        known[schema["name"]] = is_empty
    return is_empty


def _parts(schema: Any) -> list[Any]:
    """The schemas right inside a schema."""
    if isinstance(schema, list):
        return schema
    items = [schema[key] for key in ("items", "values") if key in schema]
    return items + [field["type"] for field in schema.get("fields", ())]
