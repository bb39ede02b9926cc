"""What holds for every text: nothing planted is left, again changes nothing, one value has one name."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixstream.triage.scrub import FAILED, SCRUBBER_VERSION, Scrubber
from support import scrub_corpus
from support.scrub_corpus import survives

SCRUBBER = Scrubber()
PLANTED = [
    case for case in scrub_corpus.all_planted(7) if not survives(case, SCRUBBER.scrub(case.text))
]
KEPT = [text for _, text in scrub_corpus.kept_texts(7) if SCRUBBER.scrub(text) == text]
MARK = re.compile(r"\[[a-z][a-z0-9]*(?:_[a-z0-9]+)*\]")
GOLDEN = Path(__file__).parent / "scrub_golden.json"

texts = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            [case.text for case in PLANTED[::3]] + KEPT + ["[email]", '"', "=", ": ", "@", "\\n"]
        ),
        max_size=6,
    ).map("\n".join),
)


@settings(max_examples=150, deadline=None)
@given(texts)
def test_again_changes_nothing_and_twice_is_the_same(text: str) -> None:
    clean = SCRUBBER.scrub(text)
    assert FAILED not in clean
    assert SCRUBBER.scrub(clean) == clean
    assert SCRUBBER.scrub(text) == clean


@settings(max_examples=150, deadline=None)
@given(texts)
def test_a_text_grows_by_its_placeholders_alone(text: str) -> None:
    clean = SCRUBBER.scrub(text)
    marks = MARK.findall(clean)
    assert len(clean) <= len(text) + sum(map(len, marks))
    assert all(len(mark) <= 32 for mark in marks)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(PLANTED),
    st.lists(st.sampled_from(KEPT), max_size=4),
    st.lists(st.sampled_from(KEPT), max_size=4),
)
def test_a_secret_is_gone_wherever_it_stands(
    case: scrub_corpus.Planted, before: list[str], after: list[str]
) -> None:
    text = "\n\n".join([*before, case.text, *after])
    # Only what is not in the neighbours: a short secret may be a word of theirs.
    if case.secret not in "\n\n".join([*before, *after]):
        assert not survives(case._replace(text=text), SCRUBBER.scrub(text))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(KEPT), min_size=1, max_size=5))
def test_what_stays_alone_stays_together(kept: list[str]) -> None:
    # Apart by an empty line: a name at an end of a line may take the next line for its value.
    text = "\n\n--\n\n".join(kept)
    clean = SCRUBBER.scrub(text)
    assert clean.split("\n\n--\n\n")[0] == kept[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["ann", "bob", "eve", "joe"]), min_size=1, max_size=12))
def test_one_value_has_one_placeholder_in_order_of_appearance(users: list[str]) -> None:
    marks = MARK.findall(SCRUBBER.scrub("\n".join(f"{user}@mail.example.org" for user in users)))
    known = list(dict.fromkeys(users))
    names = ["[email]", "[email_2]", "[email_3]", "[email_4]"]
    assert marks == [names[known.index(user)] for user in users]


def test_placeholders_name_the_kind() -> None:
    for case in PLANTED:
        assert MARK.search(SCRUBBER.scrub(case.text)), case.name


def test_the_version_changes_with_the_output() -> None:
    """Fails when the output changed: raise SCRUBBER_VERSION and write the new digest here."""
    cases = [case.text for case in scrub_corpus.all_planted(11)[::5]] + KEPT
    digest = hashlib.sha256("\x00".join(map(SCRUBBER.scrub, cases)).encode()).hexdigest()
    assert json.loads(GOLDEN.read_text("utf-8")) == {
        "version": SCRUBBER_VERSION,
        "digest": digest[:16],
    }


def test_a_text_that_cannot_be_encoded_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixstream.triage.scrub._MAX_PASSES", 0)
    assert SCRUBBER.scrub("password=hunter2024") == FAILED
    assert SCRUBBER.scrub_texts(["", "x"]) == ["", FAILED]
