"""What an update's kind says to readers of today and of the first version."""

from __future__ import annotations

import io

import fastavro
import pytest

from fixstream.schemas.catalogue import shipped
from fixstream.schemas.enums import UpdateKind


@pytest.mark.parametrize(
    ("kind", "is_servable"),
    [("promoted", True), ("rolled_back", True), ("rejected", False), ("blocked", False)],
)
def test_only_some_kinds_put_a_checkpoint_into_use(kind: str, *, is_servable: bool) -> None:
    assert UpdateKind(kind).is_servable is is_servable


def test_a_first_version_reader_loads_nothing_on_a_kind_that_it_does_not_know() -> None:
    enum = {"name": "UpdateKind", "namespace": "fixstream"}
    versions = shipped().versions("ModelUpdate")[:2]
    first, second = (
        fastavro.parse_schema({**enum, **_kind_of(schema.parsed)}) for schema in versions
    )
    body = io.BytesIO()
    fastavro.schemaless_writer(body, second, "blocked")
    body.seek(0)
    assert fastavro.schemaless_reader(body, second, first) == "rejected"


def _kind_of(parsed: dict[str, object]) -> dict[str, object]:
    fields = parsed["fields"]
    assert isinstance(fields, list)
    (kind,) = (field["type"] for field in fields if field["name"] == "kind")
    return {**kind, "name": "UpdateKind"}
