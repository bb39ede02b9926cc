"""Golden bytes: what was written once is read for ever, by us and by other Avro libraries."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import fastavro
import pytest

from fixstream.schemas.catalogue import Schema, shipped
from fixstream.schemas.codec import decode, encode
from fixstream.schemas.records import Record
from support.golden import FOLDER, path_of, readable
from support.records import SAMPLES, name_of

MESSAGES = sorted(FOLDER.glob("*.bin"))
HEADER_BYTES = 10


def schema_of(message: Path) -> Schema:
    record, version = message.stem.split(".v")
    return shipped().versions(record)[int(version) - 1]


def expected(message: Path) -> Any:
    return json.loads(message.with_suffix(".json").read_text(encoding="utf-8"))


def assert_holds(found: Any, wanted: Any) -> None:
    """All that is wanted is found; records may have further fields, all empty."""
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            assert_holds(found[name], value)
        assert not [name for name in found if name not in wanted and found[name]]
    elif isinstance(wanted, list):
        for one, other in zip(found, wanted, strict=True):
            assert_holds(one, other)
    else:
        assert found == wanted


def sample_of(message: Path) -> Record:
    (sample,) = (each for each in SAMPLES if type(each).__name__ == schema_of(message).record)
    return sample


def test_every_version_of_every_record_has_a_golden_message() -> None:
    versions = {
        f"{schema.record}.v{schema.version}"
        for record in shipped().records()
        for schema in shipped().versions(record)
    }
    assert {message.stem for message in MESSAGES} == versions


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_a_record_is_written_to_the_newest_golden_bytes(sample: Record) -> None:
    newest = shipped().newest(type(sample).__name__)
    assert encode(sample) == path_of(sample, newest.version, "bin").read_bytes()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda path: path.stem)
def test_we_read_it(message: Path) -> None:
    record = decode(message.read_bytes(), type(sample_of(message)))
    # Later versions may have added fields, which then stand at their defaults.
    assert_holds(readable(record), expected(message))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda path: path.stem)
def test_fastavro_reads_it(message: Path) -> None:
    body = io.BytesIO(message.read_bytes()[HEADER_BYTES:])
    datum = fastavro.schemaless_reader(body, schema_of(message).parsed, None)
    assert readable(datum) == expected(message)
    assert not body.read()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda path: path.stem)
def test_apache_avro_reads_it(message: Path) -> None:
    data = message.read_bytes()
    schema = avro.schema.parse(schema_of(message).text)
    body = io.BytesIO(data[HEADER_BYTES:])
    datum = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(body))
    assert readable(datum) == expected(message)
    assert not body.read()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda path: path.stem)
def test_apache_avro_computes_the_same_fingerprint(message: Path) -> None:
    # The canonical form turns `{"type": "long"}` into `"long"`. Java and fastavro do; Apache's
    # Python library forgets it once a logical type was taken out, so it gets the plain form.
    plain = schema_of(message).text.replace(
        '{"type": "long", "logicalType": "timestamp-micros"}', '"long"'
    )
    schema = avro.schema.parse(plain)
    assert message.read_bytes()[2:HEADER_BYTES] == schema.fingerprint("CRC-64-AVRO")
