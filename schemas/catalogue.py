"""The Avro schemas that ever shipped: one self-contained file a record and version.

A version that shipped stays for ever, because messages written with it may still stand in a topic.
This module reads its own resources and nothing else; whether the versions fit each other is
`compatibility`'s question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, get_args

import fastavro
from fastavro.schema import fingerprint

from fixstream.schemas.errors import SchemaConflict
from fixstream.schemas.records import Record

NAMESPACE = "fixstream"
RECORD_TYPES: tuple[type[Record], ...] = get_args(Record)

_FILE_NAME = re.compile(r"(?P<record>[a-z_]+)\.v(?P<version>[1-9][0-9]*)\.avsc")


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of one record's schema."""

    record: str
    """The record's class name, `ErrorEvent`."""
    version: int
    text: str = field(repr=False)
    """JSON, in one line, with docs and defaults."""
    parsed: dict[str, Any] = field(repr=False, compare=False)
    """As fastavro wants it."""
    fingerprint: bytes
    """CRC-64-AVRO of the parsing canonical form, 8 bytes, little-endian."""

    @property
    def full_name(self) -> str:
        """Name with namespace."""
        return f"{NAMESPACE}.{self.record}"


class Catalogue:
    """All versions of all schemas, by record and by fingerprint."""

    def __init__(self, schemas: Iterable[Schema]) -> None:
        """Files the schemas.

        Raises:
            SchemaConflict: Two have one fingerprint, or a version is there twice or missing.
        """
        self._by_fingerprint: dict[bytes, Schema] = {}
        self._versions: dict[str, list[Schema]] = {}
        for schema in sorted(schemas, key=lambda schema: (schema.record, schema.version)):
            self._add(schema)

    def _add(self, schema: Schema) -> None:
        # The canonical form leaves out `default`, `logicalType` and `doc`. Two versions that
        # differ in nothing else look alike in a message, so a reader would pick the wrong one.
        other = self._by_fingerprint.setdefault(schema.fingerprint, schema)
        if other is not schema:
            raise SchemaConflict(
                f"{schema.record} v{schema.version} and {other.record} v{other.version}"
                " have one fingerprint: they differ in defaults, logical types or docs only"
            )
        versions = self._versions.setdefault(schema.record, [])
        if schema.version != len(versions) + 1:
            raise SchemaConflict(
                f"{schema.record} v{schema.version} comes after v{len(versions)}:"
                " versions count from 1 without gaps"
            )
        versions.append(schema)

    def records(self) -> list[str]:
        """The names of all records."""
        return list(self._versions)

    def versions(self, record: str) -> list[Schema]:
        """All versions of one record, oldest first."""
        return list(self._versions[record])

    def newest(self, record: str) -> Schema:
        """The version that is written today."""
        return self._versions[record][-1]

    def with_fingerprint(self, fingerprint: bytes) -> Schema | None:
        """The schema with this fingerprint, None if it is not one of ours."""
        return self._by_fingerprint.get(fingerprint)


def read_schema(file_name: str, text: str) -> Schema:
    """Reads one `.avsc`.

    Args:
        file_name: Like `error_event.v1.avsc`; names the record and the version.
        text: The file's content.

    Raises:
        SchemaConflict: It is no Avro schema, or it is not the one that its name promises.
    """
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        raise SchemaConflict(f"{file_name} is not named <record>.v<version>.avsc")
    record = "".join(word.capitalize() for word in match["record"].split("_"))
    try:
        schema = json.loads(text)
        parsed = fastavro.parse_schema(schema)
        mark = fingerprint_of(schema)
    except (ValueError, KeyError, fastavro.schema.SchemaParseException) as error:
        raise SchemaConflict(f"{file_name} is not a valid Avro schema: {error}") from error
    if not isinstance(parsed, dict) or parsed.get("name") != f"{NAMESPACE}.{record}":
        raise SchemaConflict(f"{file_name} does not define the record {NAMESPACE}.{record}")
    return Schema(record, int(match["version"]), json.dumps(schema), parsed, mark)


def fingerprint_of(schema: Any) -> bytes:
    """CRC-64-AVRO of a schema's parsing canonical form, as 8 bytes, little-endian."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    # fastavro's hex digits are in little-endian order already, as single-object encoding wants.
    return bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))


@cache
def shipped() -> Catalogue:
    """The schemas of this installation, read once.

    Raises:
        SchemaConflict: They contradict each other; the installation is broken.
    """
    folder = resources.files("fixstream.schemas") / "avro"
    return Catalogue(
        read_schema(file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir()
    )
