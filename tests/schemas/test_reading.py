"""What the quick reader takes reads as fastavro reads it; all else it leaves to fastavro."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas.catalogue import RECORD_TYPES, shipped
from fixstream.schemas.codec import _read, encode
from fixstream.schemas.conversion import record_maker
from fixstream.schemas.errors import SchemaConflict
from fixstream.schemas.making import maker
from fixstream.schemas.reading import UNUSUAL, record_reader
from fixstream.schemas.records import CauseEdge, ErrorEvent, FixFeedback, Label, Record
from support.records import EVENT, SAMPLES, any_record

HEADER_BYTES = 10
SCHEMAS = {kind: shipped().newest(kind.__name__) for kind in RECORD_TYPES}
READERS = {kind: record_reader(schema.parsed, kind) for kind, schema in SCHEMAS.items()}


def quickly(message: bytes, kind: type[Record]) -> Record | None:
    """The record as the quick reader has it; None where it leaves it to fastavro."""
    try:
        record, end = READERS[kind](message, HEADER_BYTES)
    except UNUSUAL:
        return None
    assert isinstance(record, kind)
    return record if end == len(message) else None


def by_fastavro(message: bytes, kind: type[Record]) -> Record:
    """The record as fastavro has it."""
    datum, end = _read(message, HEADER_BYTES, SCHEMAS[kind], SCHEMAS[kind])
    assert end == len(message)
    hashable: type = kind
    record = record_maker(hashable)(datum)
    assert isinstance(record, kind)
    return record


@given(any_record)
def test_every_message_of_ours_is_read_quickly_and_alike(record: Record) -> None:
    message = encode(record)
    found = quickly(message, type(record))
    # As text too, for 1 equals True and 0.0 equals -0.0.
    assert repr(found) == repr(by_fastavro(message, type(record)))
    assert found == record


@given(any_record, st.data())
def test_what_it_takes_of_damaged_messages_fastavro_reads_alike(
    record: Record, data: st.DataObject
) -> None:
    message = bytearray(encode(record))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(HEADER_BYTES, len(message) - 1))
        message[place] = data.draw(st.sampled_from((0, 1, 2, 3, 4, 0x7F, 0x80, 0x81, 0xFF)))
    found = quickly(bytes(message), type(record))
    if found is not None:
        assert repr(found) == repr(by_fastavro(bytes(message), type(record)))


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
def test_it_takes_no_message_that_ends_early_or_late(record: Record) -> None:
    message = encode(record)
    for size in range(HEADER_BYTES, len(message)):
        assert quickly(message[:size], type(record)) is None
    assert quickly(message + b"\x00", type(record)) is None


@pytest.mark.parametrize("number", [b"\xff" * 200_000, b"\x80" * 200_000 + b"\x00"])
def test_an_endless_number_is_left_alone_at_once(number: bytes) -> None:
    with pytest.raises(OverflowError):
        READERS[FixFeedback](number, 0)


def test_another_records_schema_is_refused() -> None:
    with pytest.raises(SchemaConflict, match="other fields"):
        record_reader(SCHEMAS[CauseEdge].parsed, FixFeedback)


# Making records.


def test_a_made_record_is_as_if_it_was_initialised() -> None:
    fields = dataclasses.fields(EVENT)
    made = maker(ErrorEvent)(*(getattr(EVENT, field.name) for field in fields))
    assert type(made) is ErrorEvent
    assert made == EVENT
    assert repr(made) == repr(EVENT)
    assert dataclasses.replace(made, service="other").service == "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.service = "other"  # type: ignore[misc]


def test_all_fields_have_to_be_given() -> None:
    with pytest.raises(TypeError):
        maker(Label)("dns", "rule")


@dataclass(frozen=True, slots=True)
class _Checked:
    number: int

    def __post_init__(self) -> None:
        """Looks at the number."""


@dataclass(frozen=True)
class _Dict:
    number: int


@pytest.mark.parametrize("kind", [_Checked, _Dict])
def test_only_plain_records_are_made(kind: type[Any]) -> None:
    with pytest.raises(TypeError, match="not a plain record"):
        maker(kind)
