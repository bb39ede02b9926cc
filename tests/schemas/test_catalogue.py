"""The schema files: what they promise each other and the records."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from fixstream.schemas.catalogue import RECORD_TYPES, Catalogue, Schema, read_schema, shipped
from fixstream.schemas.errors import SchemaConflict
from support.records import name_of

FLOATS = {("Label", "confidence"): "float", ("RootCause", "confidence"): "float"}
INTS = {("Origin", "partition"): "int", ("OffsetRange", "partition"): "int"}

SMALL = {
    "type": "record",
    "name": "ErrorEvent",
    "namespace": "fixstream",
    "fields": [{"name": "a", "type": "long"}],
}


def definition(record: type) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(shipped().newest(record.__name__).text)
    return schema


def named_types(schema: Any) -> Iterator[dict[str, Any]]:
    """Every record and enum that is defined inside, from the outside in."""
    if isinstance(schema, list):
        for branch in schema:
            yield from named_types(branch)
    elif isinstance(schema, dict):
        if schema["type"] in ("record", "enum"):
            yield schema
        for inner in ("items", "values"):
            yield from named_types(schema.get(inner))
        for field in schema.get("fields", ()):
            yield from named_types(field["type"])


def flattened(schema: Any) -> Any:
    """The same schema with named types by their names only, wherever they are defined."""
    if isinstance(schema, list):
        return [flattened(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if schema["type"] in ("record", "enum"):
        return schema["name"]
    return {
        key: flattened(value) if key in ("items", "values") else value
        for key, value in schema.items()
    }


def avro_of(hint: Any, where: tuple[str, str]) -> Any:
    """The Avro type that a record's type hint asks for."""
    if get_origin(hint) is types.UnionType:
        (inner,) = (each for each in get_args(hint) if each is not types.NoneType)
        return ["null", avro_of(inner, where)]
    if get_origin(hint) is tuple:
        return {"type": "array", "items": avro_of(get_args(hint)[0], where)}
    if get_origin(hint) is Mapping:
        return {"type": "map", "values": avro_of(get_args(hint)[1], where)}
    simple: dict[Any, Any] = {
        str: "string",
        bool: "boolean",
        bytes: "bytes",
        int: INTS.get(where, "long"),
        float: FLOATS.get(where, "double"),
        datetime: {"type": "long", "logicalType": "timestamp-micros"},
    }
    return simple.get(hint, getattr(hint, "__name__", hint))


def types_in(record: type) -> dict[str, Any]:
    """The records and enums that a record's hints lead to, itself included."""
    found: dict[str, Any] = {}

    def visit(hint: Any) -> None:
        for argument in get_args(hint):
            visit(argument)
        if not isinstance(hint, type) or hint.__name__ in found:
            return
        if dataclasses.is_dataclass(hint) or issubclass(hint, StrEnum):
            found[hint.__name__] = hint
        if dataclasses.is_dataclass(hint):
            for inner in get_type_hints(hint).values():
                visit(inner)

    visit(record)
    return found


def default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return list(field.default) if isinstance(field.default, tuple) else field.default


def test_every_record_has_a_schema() -> None:
    assert set(shipped().records()) == {record.__name__ for record in RECORD_TYPES}


@pytest.mark.parametrize("record", RECORD_TYPES, ids=name_of)
def test_schema_and_record_agree_field_by_field(record: type) -> None:
    schemas = {schema["name"]: schema for schema in named_types(definition(record))}
    in_code = types_in(record)
    assert set(schemas) == set(in_code)
    for name, found in in_code.items():
        if issubclass(found, StrEnum):
            assert schemas[name]["symbols"] == [str(symbol) for symbol in found]
            continue
        hints = get_type_hints(found)
        for field, avro in zip(dataclasses.fields(found), schemas[name]["fields"], strict=True):
            assert avro["name"] == field.name
            assert flattened(avro["type"]) == avro_of(hints[field.name], (name, field.name))
            default = None if isinstance(avro["type"], list) else default_of(field)
            assert avro.get("default", dataclasses.MISSING) == default, (name, field.name)


@pytest.mark.parametrize("record", RECORD_TYPES, ids=name_of)
def test_every_type_and_field_is_documented(record: type) -> None:
    for schema in named_types(definition(record)):
        assert schema["doc"].endswith(".")
        for field in schema.get("fields", ()):
            assert field["doc"].endswith("."), (schema["name"], field["name"])


@pytest.mark.parametrize("record", RECORD_TYPES, ids=name_of)
def test_enums_have_a_default_symbol(record: type) -> None:
    for schema in named_types(definition(record)):
        if schema["type"] == "enum":
            assert schema["default"] in schema["symbols"]


def test_shared_types_are_the_same_in_all_newest_files() -> None:
    seen: dict[str, str] = {}
    for record in RECORD_TYPES:
        for schema in named_types(definition(record)):
            flat = {key: value for key, value in schema.items() if key != "namespace"}
            if "fields" in flat:
                flat["fields"] = [
                    {**field, "type": flattened(field["type"])} for field in flat["fields"]
                ]
            text = json.dumps(flat, sort_keys=True)
            assert seen.setdefault(schema["name"], text) == text, schema["name"]
    assert {"Label", "Provenance", "OffsetRange", "ErrorEvent"} <= set(seen)


def small(version: int, **changes: Any) -> Schema:
    return read_schema(f"error_event.v{version}.avsc", json.dumps({**SMALL, **changes}))


def test_versions_stand_in_order() -> None:
    more = [*SMALL["fields"], {"name": "b", "type": "long", "default": 0}]
    catalogue = Catalogue([small(2, fields=more), small(1)])
    assert [schema.version for schema in catalogue.versions("ErrorEvent")] == [1, 2]
    assert catalogue.newest("ErrorEvent").version == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "a", "type": "long", "default": 7},
        {"name": "a", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "a", "type": "long", "doc": "Said in other words."},
    ],
)
def test_two_schemas_with_one_fingerprint_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(SchemaConflict, match="v2 and ErrorEvent v1 have one fingerprint"):
        Catalogue([small(1), small(2, fields=[changed])])


def test_a_gap_in_the_versions_is_refused() -> None:
    with pytest.raises(SchemaConflict, match="v2 comes after v0"):
        Catalogue([small(2)])


@pytest.mark.parametrize(
    ("file_name", "text", "reason"),
    [
        ("error_event.avsc", json.dumps(SMALL), "is not named"),
        ("error_event.v0.avsc", json.dumps(SMALL), "is not named"),
        ("triaged_error.v1.avsc", json.dumps(SMALL), "does not define the record"),
        ("error_event.v1.avsc", '"string"', "does not define the record"),
        ("error_event.v1.avsc", '["null", "string"]', "does not define the record"),
        ("error_event.v1.avsc", "{", "not a valid Avro schema"),
        ("error_event.v1.avsc", '{"type": "record"}', "not a valid Avro schema"),
        ("error_event.v1.avsc", '{"type": "nonsense", "name": "x"}', "not a valid Avro schema"),
    ],
)
def test_a_bad_file_is_refused(file_name: str, text: str, reason: str) -> None:
    with pytest.raises(SchemaConflict, match=reason):
        read_schema(file_name, text)
