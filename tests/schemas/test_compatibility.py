"""All versions read each other, by Avro's rules and in fact."""

from __future__ import annotations

import io
import json
from itertools import permutations
from typing import Any

import avro.io
import avro.schema
import fastavro
import pytest

from fixstream.schemas.catalogue import RECORD_TYPES, Catalogue, read_schema, shipped
from fixstream.schemas.compatibility import incompatibilities
from support.golden import path_of, readable
from support.records import SAMPLES, name_of

V1: dict[str, Any] = {
    "type": "record",
    "name": "ErrorEvent",
    "namespace": "fixstream",
    "fields": [
        {"name": "a", "type": "long"},
        {
            "name": "e",
            "type": {"type": "enum", "name": "E", "symbols": ["x", "y"], "default": "x"},
        },
    ],
}


def catalogue(*versions: dict[str, Any]) -> Catalogue:
    return Catalogue(
        read_schema(f"error_event.v{number}.avsc", json.dumps(schema))
        for number, schema in enumerate(versions, start=1)
    )


def with_field(schema: dict[str, Any], **field: Any) -> dict[str, Any]:
    return {**schema, "fields": [*schema["fields"], field]}


def test_all_shipped_versions_read_each_other() -> None:
    assert incompatibilities() == []


@pytest.mark.parametrize("record", SAMPLES, ids=name_of)
def test_old_messages_are_read_with_new_schemas_and_the_reverse(record: Any) -> None:
    """Both libraries resolve each pair of versions alike; the identical pair is there too."""
    versions = shipped().versions(type(record).__name__)
    pairs = [*permutations(versions, 2), *((each, each) for each in versions)]
    for writer, reader in pairs:
        body = path_of(record, writer.version, "bin").read_bytes()[10:]
        ours = fastavro.schemaless_reader(io.BytesIO(body), writer.parsed, reader.parsed)
        apache = avro.io.DatumReader(
            avro.schema.parse(writer.text), avro.schema.parse(reader.text)
        ).read(avro.io.BinaryDecoder(io.BytesIO(body)))
        assert readable(ours) == readable(apache)


def test_a_new_field_with_a_default_fits() -> None:
    assert incompatibilities(catalogue(V1, with_field(V1, name="b", type="long", default=0))) == []


def test_a_new_field_without_a_default_does_not() -> None:
    (found,) = incompatibilities(catalogue(V1, with_field(V1, name="b", type="long")))
    assert (found.reader_version, found.writer_version) == (2, 1)
    assert "ErrorEvent: v2 cannot read v1" in str(found)


def test_a_changed_type_fits_neither_way() -> None:
    changed = {**V1, "fields": [{"name": "a", "type": "string"}, V1["fields"][1]]}
    found = incompatibilities(catalogue(V1, changed))
    assert {(each.reader_version, each.writer_version) for each in found} == {(1, 2), (2, 1)}


def test_the_first_version_is_compared_with_the_last_too() -> None:
    """Transitive: v1 to v2 and v2 to v3 fit, v1 to v3 does not."""
    b = {"name": "b", "type": "string", "default": ""}
    v2 = with_field(V1, **b)
    v3 = {**V1, "fields": [b, V1["fields"][1]]}
    found = incompatibilities(catalogue(V1, v2, v3))
    assert {(each.reader_version, each.writer_version) for each in found} == {(1, 3), (2, 3)}


def test_a_new_symbol_fits_where_the_enum_has_a_default() -> None:
    enum = {"type": "enum", "name": "E", "symbols": ["x", "y", "z"], "default": "x"}
    newer = {**V1, "fields": [V1["fields"][0], {"name": "e", "type": enum}]}
    assert incompatibilities(catalogue(V1, newer)) == []


def test_every_record_is_compared() -> None:
    assert set(shipped().records()) == {record.__name__ for record in RECORD_TYPES}
