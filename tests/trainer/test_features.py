"""The hashed tokenizer: stable, bounded, structured."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas.errors import ArtifactRejected
from fixstream.trainer.features import (
    FIRST_SUBWORD,
    Encoded,
    ErrorText,
    HashedTokenizer,
    Special,
    TokenizerConfig,
    length_buckets,
)

TOKENIZER = HashedTokenizer(TokenizerConfig(vocab_size=1000, max_tokens=64))


def words(text: str) -> list[int]:
    """Ids of a message without the marks before it."""
    return list(TOKENIZER.encode(ErrorText(text)).token_ids[2:])


def test_the_ids_never_change_between_machines_and_versions() -> None:
    # Golden: other ids for the same text would make every stored model read gibberish.
    text = ErrorText("connection refused: errno 111", "requests.ConnectionError", "File db.py")
    encoded = HashedTokenizer().encode(text)
    assert encoded.token_ids == (
        1,
        2,
        32097,
        26378,
        15275,
        16897,
        3,
        26378,
        15275,
        2060,
        15673,
        44557,
        4,
        49504,
        41208,
        35361,
    )


def test_segments_stand_in_order_behind_their_marks() -> None:
    ids = TOKENIZER.encode(ErrorText("m", "T", "t")).token_ids
    marks = [token for token in ids if token < FIRST_SUBWORD]
    assert marks == [Special.START, Special.TYPE, Special.MESSAGE, Special.TRACE]


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        ("ConnectionPool", "connection pool"),
        ("max_retry", "max retry"),
        ("HTTPServer", "http server"),
        ("app.orders/cart", "app orders cart"),
    ],
)
def test_names_split_where_people_split_them(whole: str, parts: str) -> None:
    expected = [token for part in parts.split() for token in words(part)]
    assert words(whole) == expected


def test_long_words_of_one_stem_share_it() -> None:
    assert words("authenticate")[0] == words("authentication")[0]
    assert words("authenticate") != words("authentication")


def test_ids_and_sizes_do_not_become_words_but_status_codes_do() -> None:
    assert words("0x7ffdeadbeef1") == [Special.HEX]
    assert words("3f2a9c1d") == [Special.HEX]
    assert words("1234567") == [Special.NUMBER]
    assert words("404") != words("500")


def test_a_long_trace_keeps_its_head_and_its_tail() -> None:
    trace = "first " + "frame " * 500 + "last"
    ids = TOKENIZER.encode(ErrorText("boom", "E", trace)).token_ids
    assert len(ids) == 64
    assert words("first")[0] in ids
    assert ids[-1] == words("last")[0]
    assert Special.CUT in ids


def test_hints_are_ids_and_unknown_hints_are_masked() -> None:
    encoded = TOKENIZER.encode(ErrorText("m", domain_hint="cloud", severity_hint="nonsense"))
    assert (encoded.domain_id, encoded.severity_id) == (1, 0)


@given(
    message=st.text(max_size=400),
    error_type=st.none() | st.text(max_size=60),
    trace=st.none() | st.text(alphabet=string.printable, max_size=2000),
)
def test_any_text_gives_ids_within_bounds(
    message: str, error_type: str | None, trace: str | None
) -> None:
    encoded = TOKENIZER.encode(ErrorText(message, error_type, trace))
    assert 1 <= len(encoded.token_ids) <= 64
    assert all(0 < token < 1000 for token in encoded.token_ids)


def test_a_gigantic_text_is_read_in_part() -> None:
    encoded = TOKENIZER.encode(ErrorText("x" * 5_000_000, stack_trace="\x00\xff" * 1_000_000))
    assert len(encoded.token_ids) <= 64


def test_json_brings_the_same_tokenizer_back() -> None:
    again = HashedTokenizer.from_json(TOKENIZER.to_json())
    text = ErrorText("connection refused", "E", "File a.py")
    assert again.encode(text) == TOKENIZER.encode(text)
    assert again.config == TOKENIZER.config


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"kind":"bpe"}', '{"kind":"hashed-subword-1","vocab_size":1}']
)
def test_a_strange_description_is_rejected(text: str) -> None:
    with pytest.raises(ArtifactRejected, match=r"tokenizer\.json"):
        HashedTokenizer.from_json(text)


@given(st.lists(st.integers(1, 64), max_size=40), st.integers(64, 500))
def test_buckets_hold_every_text_once_and_keep_their_bound(lengths: list[int], bound: int) -> None:
    sequences = [Encoded((1,) * length) for length in lengths]
    buckets = length_buckets(sequences, bound)
    assert sorted(index for bucket in buckets for index in bucket) == list(range(len(lengths)))
    for bucket in buckets:
        assert max(lengths[index] for index in bucket) * len(bucket) <= bound
