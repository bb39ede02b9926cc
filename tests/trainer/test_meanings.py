"""What words mean, and that the paths count it."""

from __future__ import annotations

import numpy as np
import pytest

from fixstream.trainer.examples import LearningExample, from_tensors, to_tensors
from fixstream.trainer.features import ErrorText, HashedTokenizer
from fixstream.trainer.meanings import MOST, meanings_of_word, numbers
from fixstream.trainer.wide import Target, WidePath, grams

TOKENIZER = HashedTokenizer()
NUM_BUCKETS = 2**16


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("password", "Kerberos"),
        ("encrypted", "encrypting"),
        ("authenticated", "AuthenticationError"),
        ("corrupted", "losing"),
        ("sha256", "cipher"),
        ("policies", "policy"),
    ],
)
def test_words_of_one_meaning_share_it(word: str, other: str) -> None:
    assert meanings_of_word(word) & meanings_of_word(other)


@pytest.mark.parametrize("word", ["", "xyzzy", "12", "errno-17", "日本"])
def test_most_words_mean_nothing_known(word: str) -> None:
    assert meanings_of_word(word) == 0


def test_a_compound_has_the_meanings_of_its_parts() -> None:
    whole = meanings_of_word("LoginTimeout")
    assert whole == meanings_of_word("login") | meanings_of_word("timeout")
    assert len(list(numbers(whole))) == 2


def test_all_meanings_have_room_in_a_checkpoint() -> None:
    found = TOKENIZER.encode(ErrorText("password crash deadlock outage", "NullPointerException"))
    example = LearningExample(found, (0, 0, 0), (1.0, 0.0, 0.0), group=1)
    assert from_tensors(to_tensors([example])) == [example]
    assert max(numbers(found.meanings[1])) < MOST


def test_an_example_of_old_has_no_meanings() -> None:
    example = LearningExample(
        TOKENIZER.encode(ErrorText("password")), (0, 0, 0), (1.0, 0.0, 0.0), group=1
    )
    tensors = to_tensors([example])
    del tensors["meanings"]
    assert from_tensors(tensors)[0].encoded.meanings == (0, 0)


def test_the_title_is_told_from_the_rest() -> None:
    of_title, of_all = TOKENIZER.encode(ErrorText("password\nit hangs")).meanings
    assert of_title == meanings_of_word("password")
    assert of_all == of_title | meanings_of_word("hangs")


def test_a_label_of_one_word_teaches_of_the_others() -> None:
    path = WidePath.fresh(NUM_BUCKETS)
    labels = {"password ignored": 2, "ambari wizard": 3, "kerberos ignored": 2, "camel wizard": 3}
    for text, truth in labels.items():
        gram = grams(TOKENIZER.encode(ErrorText(text)), NUM_BUCKETS)
        path.count([gram])
        path.learn([gram], [{"domain": Target(truth, 1.0)}])
    new = [grams(TOKENIZER.encode(ErrorText(text)), NUM_BUCKETS) for text in ("ldap", "elephant")]
    said = path.logits(new)["domain"]
    margins = said[:, 2] - said[:, 3]
    assert margins[0] > margins[1] + 0.5
    assert len(np.unique(new[0].ids)) == len(new[0].ids)
