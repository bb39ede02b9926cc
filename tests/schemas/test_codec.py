"""Records come back as they went; whatever else comes in ends in one of our errors."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import avro.io
import avro.schema
import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas import codec as codec_module
from fixstream.schemas.catalogue import RECORD_TYPES, Catalogue, read_schema, shipped
from fixstream.schemas.codec import Codec, decode, encode
from fixstream.schemas.enums import LabelSource, UpdateKind
from fixstream.schemas.errors import (
    DeadLetter,
    InvalidRecord,
    TooLarge,
    Undecodable,
    UnknownSchema,
)
from fixstream.schemas.limits import MAX_MESSAGE_BYTES
from fixstream.schemas.records import (
    ErrorEvent,
    FixFeedback,
    Label,
    ModelUpdate,
    Provenance,
    Record,
    Solution,
    TriagedError,
)
from support.golden import readable
from support.records import (
    EVENT,
    FEEDBACK,
    SAMPLES,
    TRIAGED,
    UPDATE,
    WHEN,
    any_record,
    events,
    name_of,
)

HEADER_BYTES = 10
SECRET = "hunter2-payload"


class DictSchemaIds:
    """A registry in a dict, and what was asked of it."""

    def __init__(self, schemas: dict[int, str] | None = None) -> None:
        self.schemas = schemas or {}
        self.num_calls = 0

    def id_of(self, subject: str, schema: str) -> int:
        self.num_calls += 1
        self.schemas[len(self.schemas) + 1] = schema
        return len(self.schemas)

    def schema_of(self, schema_id: int) -> str:
        self.num_calls += 1
        if schema_id not in self.schemas:
            raise UnknownSchema(f"no schema has the id {schema_id}")
        return self.schemas[schema_id]


def with_schema(schema: Any, datum: Any) -> tuple[DictSchemaIds, bytes]:
    """A registry that knows this schema as id 9, and a message written with it."""
    message = io.BytesIO()
    message.write(b"\x00\x00\x00\x00\x09")
    fastavro.schemaless_writer(message, fastavro.parse_schema(schema), datum)
    return DictSchemaIds({9: json.dumps(schema)}), message.getvalue()


# Round trips.


@given(any_record)
def test_a_record_comes_back_as_it_went(record: Record) -> None:
    assert decode(encode(record), type(record)) == record


@given(any_record)
def test_both_framings_come_back(record: Record) -> None:
    confluent = Codec(DictSchemaIds())
    assert confluent.decode(confluent.encode(record), type(record)) == record
    assert confluent.decode(encode(record), type(record)) == record


@pytest.mark.parametrize("record", SAMPLES, ids=name_of)
def test_a_message_names_its_schema_first(record: Record) -> None:
    fingerprint = shipped().newest(type(record).__name__).fingerprint
    assert encode(record)[:HEADER_BYTES] == b"\xc3\x01" + fingerprint


def test_another_zone_comes_back_as_the_same_instant_in_utc() -> None:
    local = WHEN.astimezone(timezone(timedelta(hours=5, minutes=30)))
    back = decode(encode(replace(EVENT, occurred_at=local)), ErrorEvent)
    assert back.occurred_at == WHEN
    assert back.occurred_at.utcoffset() == timedelta(0)


def test_enums_and_tuples_come_back_as_such() -> None:
    back = decode(encode(UPDATE), ModelUpdate)
    assert back.kind is UpdateKind.REJECTED
    assert isinstance(back.lineage, tuple)


APACHE_SCHEMAS = {
    record_type: avro.schema.parse(shipped().newest(record_type.__name__).text)
    for record_type in RECORD_TYPES
}


@given(any_record)
def test_another_library_reads_the_same(record: Record) -> None:
    body = io.BytesIO(encode(record)[HEADER_BYTES:])
    datum = avro.io.DatumReader(APACHE_SCHEMAS[type(record)]).read(avro.io.BinaryDecoder(body))
    assert readable(datum) == readable(record)
    assert not body.read()


def as_fastavro_writes(record: Record) -> bytes:
    """The body that fastavro makes of this record."""
    body = io.BytesIO()
    schema = shipped().newest(type(record).__name__)
    fastavro.schemaless_writer(body, schema.parsed, dataclasses.asdict(record))
    return body.getvalue()


@given(any_record)
def test_what_is_written_is_what_fastavro_writes(record: Record) -> None:
    assert encode(record)[HEADER_BYTES:] == as_fastavro_writes(record)


@pytest.mark.parametrize("size", [0, 63, 64, 8191, 8192, 16383, 16384, 40_000])
def test_texts_of_all_sizes_are_written_as_fastavro_does(size: int) -> None:
    record = replace(EVENT, message="x" * size, release="y" * size)
    assert encode(record)[HEADER_BYTES:] == as_fastavro_writes(record)


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_come_back(number: int) -> None:
    back = decode(encode(replace(TRIAGED, occurrences=number)), TriagedError)
    assert back.occurrences == number


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_numbers_over_64_bits_are_refused(number: int) -> None:
    with pytest.raises(InvalidRecord, match="TriagedError"):
        encode(replace(TRIAGED, occurrences=number))


def test_labels_that_look_alike_are_told_apart() -> None:
    for confidence in (0.25, 0.5, 0.75):
        label = Label("timeout", LabelSource.RULE, confidence)
        back = decode(encode(replace(TRIAGED, category=label)), TriagedError)
        assert back.category == label


# Records that cannot be written.


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"message": 3}, "message"),
        ({"message": None}, "message"),
        ({"release": 5}, "release"),
        ({"attributes": {"key": 1}}, "attributes"),
        ({"attributes": None}, "attributes"),
        ({"source": "fax"}, "source"),
        ({"occurred_at": datetime(2026, 1, 1)}, "occurred_at"),  # noqa: DTZ001
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"message": "\ud800"}, "message"),
        ({"provenance": "somewhere"}, "provenance"),
        ({"provenance": Provenance("u", author=7)}, r"provenance\.author"),  # type: ignore[arg-type]
    ],
)
def test_a_field_of_the_wrong_type_is_named(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(InvalidRecord, match=rf"ErrorEvent\.{names}"):
        encode(replace(EVENT, **changes))


def test_a_refusal_does_not_quote_the_value() -> None:
    with pytest.raises(InvalidRecord) as refused:
        encode(replace(EVENT, message=[SECRET]))  # type: ignore[arg-type]
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_message_over_the_limit_is_not_written() -> None:
    with pytest.raises(TooLarge, match=r"ErrorEvent of 1000\d+ bytes; the limit is 1000000"):
        encode(replace(EVENT, message="x" * MAX_MESSAGE_BYTES))


# Bytes that cannot be read.


@given(any_record, st.data())
def test_a_truncated_message_is_undecodable(record: Record, data: st.DataObject) -> None:
    message = encode(record)
    end = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(Undecodable):
        decode(message[:end], type(record))


@given(any_record, st.binary(min_size=1, max_size=20))
def test_a_message_with_more_behind_it_is_undecodable(record: Record, more: bytes) -> None:
    with pytest.raises(Undecodable, match="too many"):
        decode(encode(record) + more, type(record))


@given(st.binary(max_size=200), st.sampled_from(RECORD_TYPES))
def test_random_bytes_are_refused(data: bytes, record_type: type[Record]) -> None:
    with pytest.raises(DeadLetter):
        decode(data, record_type)


@given(st.binary(max_size=300), st.sampled_from(RECORD_TYPES))
def test_a_random_body_is_a_record_or_refused(body: bytes, record_type: type[Record]) -> None:
    header = b"\xc3\x01" + shipped().newest(record_type.__name__).fingerprint
    try:
        record = decode(header + body, record_type)
    except DeadLetter:
        return
    assert isinstance(record, record_type)


@given(any_record, st.data())
def test_a_flipped_message_is_a_record_or_refused(record: Record, data: st.DataObject) -> None:
    message = bytearray(encode(record))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DeadLetter):
        assert isinstance(decode(bytes(message), type(record)), type(record))


def varint(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize(
    "body",
    [
        varint(2**62) + b"x",
        varint(-5) + b"xxxxx",
        varint(-(2**63)) + b"x",
        b"\xff" * 200_000,
        b"\x80" * 200_000 + b"\x00",
        varint(1) + b"\xff",
    ],
    ids=["huge", "negative", "most negative", "endless number", "padded number", "not UTF-8"],
)
def test_a_lying_length_is_refused_without_the_memory_it_asks_for(body: bytes) -> None:
    data = b"\xc3\x01" + shipped().newest("FixFeedback").fingerprint + body
    tracemalloc.start()
    try:
        with pytest.raises(Undecodable):
            decode(data, FixFeedback)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3_000_000


@pytest.mark.parametrize("count", [2**62, -(2**62), 2**31])
def test_a_lying_block_count_is_refused(count: int) -> None:
    """A batch that claims more examples than its bytes hold."""
    start = encode(SAMPLES[2])[: encode(SAMPLES[2]).index(b"\x04\x04e1")]
    size = varint(2**40) if count < 0 else b""
    with pytest.raises(Undecodable):
        decode(start + varint(count) + size, type(SAMPLES[2]))


def test_a_symbol_out_of_range_is_refused() -> None:
    message = encode(UPDATE)
    index = message.index(varint(6), HEADER_BYTES + 10) + 1
    assert message[index : index + 1] == varint(1)
    for symbol in (varint(4), varint(-5), varint(2**40)):
        with pytest.raises(Undecodable, match="out of range"):
            decode(message[:index] + symbol + message[index + 1 :], ModelUpdate)


def test_a_branch_that_does_not_exist_is_refused() -> None:
    message = encode(FEEDBACK)
    assert message.count(b"\x02\x04s1") == 1
    with pytest.raises(Undecodable, match="out of range"):
        decode(message.replace(b"\x02\x04s1", b"\x04\x04s1"), FixFeedback)


def test_a_time_beyond_the_calendar_is_refused() -> None:
    event = encode(EVENT)
    start = HEADER_BYTES + len(varint(len(EVENT.event_id)) + EVENT.event_id.encode())
    micros = (WHEN - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert event[start:].startswith(varint(micros))
    hostile = event[:start] + varint(2**62) + event[start + len(varint(micros)) :]
    with pytest.raises(Undecodable, match="out of range"):
        decode(hostile, ErrorEvent)


def test_a_message_over_the_limit_is_not_read() -> None:
    with pytest.raises(TooLarge, match="limit"):
        decode(bytes(MAX_MESSAGE_BYTES + 1), ErrorEvent)


def test_another_record_is_told_by_name() -> None:
    with pytest.raises(UnknownSchema, match="holds a FixFeedback, where ErrorEvent is expected"):
        decode(encode(FEEDBACK), ErrorEvent)


def test_an_unknown_fingerprint_is_told() -> None:
    with pytest.raises(UnknownSchema, match="fingerprint 0102030405060708"):
        decode(b"\xc3\x01\x01\x02\x03\x04\x05\x06\x07\x08", ErrorEvent)


# The Confluent framing.


def test_the_confluent_header_is_zero_and_the_id() -> None:
    ids = DictSchemaIds({1: "", 2: ""})
    message = Codec(ids).encode(EVENT)
    assert message[:5] == b"\x00\x00\x00\x00\x03"
    assert message[5:] == encode(EVENT)[HEADER_BYTES:]


def test_a_registry_is_asked_once_for_each_schema() -> None:
    ids = DictSchemaIds()
    codec = Codec(ids)
    for _ in range(3):
        codec.decode(codec.encode(EVENT), ErrorEvent)
        codec.decode(codec.encode(FEEDBACK), FixFeedback)
    assert ids.num_calls == 4


def test_a_confluent_message_without_a_registry_is_unknown() -> None:
    with pytest.raises(UnknownSchema, match="id 7, but no schema registry"):
        decode(b"\x00\x00\x00\x00\x07abc", ErrorEvent)


def test_an_id_that_the_registry_does_not_know_is_unknown() -> None:
    with pytest.raises(UnknownSchema, match="id 7"):
        Codec(DictSchemaIds()).decode(b"\x00\x00\x00\x00\x07abc", ErrorEvent)


def test_a_foreign_writer_with_fewer_fields_is_read() -> None:
    """Another team's producer, whose schema leaves out what has a default with us."""
    schema = {
        "type": "record",
        "name": "FixFeedback",
        "namespace": "fixstream",
        "fields": [
            {"name": "submitter", "type": "string"},
            {"name": "error_id", "type": "string"},
            {"name": "feedback_id", "type": "string"},
            {"name": "solution_worked", "type": "boolean"},
            {"name": "submitted_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "mood", "type": "string"},
        ],
    }
    datum = {
        "submitter": "9f" * 16,
        "error_id": "e1",
        "feedback_id": "k1",
        "solution_worked": True,
        "submitted_at": WHEN,
        "mood": "good",
    }
    ids, message = with_schema(schema, datum)
    expected = replace(
        FEEDBACK,
        solution_id=None,
        comment=None,
        fingerprint=None,
        error_text=None,
        fix_text=None,
        model_version=None,
    )
    assert Codec(ids).decode(message, FixFeedback) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "record",
            "name": "FixFeedback",
            "namespace": "fixstream",
            "fields": [{"name": "submitter", "type": "long"}],
        },
        {
            "type": "record",
            "name": "FixFeedback",
            "namespace": "fixstream",
            "fields": [],
        },
    ],
)
def test_a_foreign_writer_that_does_not_fit_is_unknown(schema: Any) -> None:
    ids, message = with_schema(schema, {"submitter": 1})
    with pytest.raises(UnknownSchema, match="does not fit FixFeedback"):
        Codec(ids).decode(message, FixFeedback)


def foreign(extra_type: Any) -> dict[str, Any]:
    """Our FixFeedback with one more field in front."""
    schema = json.loads(shipped().newest("FixFeedback").text)
    fields = [{"name": "extra", "type": extra_type}, *schema["fields"]]
    return {**schema, "fields": fields}


FIXED = {"type": "fixed", "name": "Three", "size": 3}


@pytest.mark.parametrize("items", ["float", "boolean", FIXED, ["null", "string"]])
@pytest.mark.parametrize("count", [2**62, -(2**62), 2])
def test_a_foreign_array_that_holds_less_than_it_claims_is_refused(items: Any, count: int) -> None:
    """What is not ours is skipped, and a library skips what is not there without noticing."""
    schema = foreign({"type": "array", "items": items})
    block = varint(count) + (varint(2**40) if count < 0 else b"")
    with pytest.raises(Undecodable):
        Codec(DictSchemaIds({9: json.dumps(schema)})).decode(
            b"\x00\x00\x00\x00\x09" + block + b"\x00", FixFeedback
        )


def test_a_foreign_field_that_is_not_ours_is_left_out() -> None:
    extra_type = {
        "type": "record",
        "name": "Extra",
        "fields": [
            {"name": "nothing", "type": "null"},
            {"name": "marks", "type": {"type": "array", "items": FIXED}},
            {"name": "again", "type": {"type": "map", "values": ["null", "Three"]}},
        ],
    }
    extra = {"nothing": None, "marks": [b"abc", b"def"], "again": {"x": b"ghi", "y": None}}
    datum = {name: getattr(FEEDBACK, name) for name in FEEDBACK.__slots__}
    ids, message = with_schema(foreign(extra_type), {**datum, "extra": extra})
    assert Codec(ids).decode(message, FixFeedback) == FEEDBACK


@pytest.mark.parametrize(
    ("extra_type", "why"),
    [
        ({"type": "array", "items": "null"}, "items take no bytes"),
        ({"type": "array", "items": {**FIXED, "size": 0}}, "items take no bytes"),
        ({"type": "map", "values": {"type": "array", "items": "null"}}, "items take no bytes"),
        (
            {"type": "array", "items": {"type": "record", "name": "Empty", "fields": []}},
            "items take no bytes",
        ),
        (["null", "FixFeedback"], "nests in itself"),
        ({"type": "array", "items": "FixFeedback"}, "nests in itself"),
    ],
)
def test_a_foreign_schema_that_could_be_endless_is_unknown(extra_type: Any, why: str) -> None:
    ids = DictSchemaIds({9: json.dumps(foreign(extra_type))})
    with pytest.raises(UnknownSchema, match=f"schema id 9 has .*{why}"):
        Codec(ids).decode(b"\x00\x00\x00\x00\x09" + b"\x00" * 50, FixFeedback)


@pytest.mark.parametrize(
    "text", ["{", '{"type": "record"}', '"string"', '{"type": "nonsense"}', ""]
)
def test_a_registry_with_nonsense_in_it_is_unknown(text: str) -> None:
    with pytest.raises(UnknownSchema, match="schema id 9"):
        Codec(DictSchemaIds({9: text})).decode(b"\x00\x00\x00\x00\x09abc", ErrorEvent)


# Older and newer versions.


@pytest.fixture
def two_versions(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """An installation in which FixFeedback had an older version without `comment`."""
    newest = json.loads(shipped().newest("FixFeedback").text)
    older = {
        **newest,
        "fields": [field for field in newest["fields"] if field["name"] != "comment"],
    }
    catalogue = Catalogue(
        [
            read_schema("fix_feedback.v1.avsc", json.dumps(older)),
            read_schema("fix_feedback.v2.avsc", json.dumps(newest)),
        ]
    )
    monkeypatch.setattr(codec_module, "shipped", lambda: catalogue)
    return catalogue


def test_a_message_of_an_older_version_is_read(two_versions: Catalogue) -> None:
    older, newest = two_versions.versions("FixFeedback")
    message = io.BytesIO()
    message.write(b"\xc3\x01" + older.fingerprint)
    datum = {name: getattr(FEEDBACK, name) for name in FEEDBACK.__slots__ if name != "comment"}
    fastavro.schemaless_writer(message, older.parsed, datum)
    codec = Codec()
    assert codec.decode(message.getvalue(), FixFeedback) == replace(FEEDBACK, comment=None)
    assert codec.encode(FEEDBACK)[2:HEADER_BYTES] == newest.fingerprint


@given(events)
def test_decoding_as_another_record_never_succeeds(event: ErrorEvent) -> None:
    for other in (TriagedError, Solution):
        with pytest.raises(UnknownSchema):
            decode(encode(event), other)
