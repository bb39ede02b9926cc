"""What is remembered of words, and that it stays bounded."""

from __future__ import annotations

from fixstream.triage.words import MAX_KEPT_CHARS, Words


def test_a_word_is_made_once() -> None:
    made: list[str] = []

    def make(word: str) -> str:
        made.append(word)
        return word.upper()

    words = Words(make, 4)
    assert [words["a"], words["b"], words["a"]] == ["A", "B", "A"]
    assert made == ["a", "b"]


def test_neither_many_words_nor_long_ones_stay() -> None:
    words = Words(str.upper, 4)
    for number in range(100):
        assert words[f"w{number}"] == f"W{number}"
        assert len(words) <= 4
    long = "x" * (MAX_KEPT_CHARS + 1)
    assert words[long] == long.upper()
    assert long not in words
