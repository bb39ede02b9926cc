"""The starter knowledge base: well-formed, varied, no entry said twice, nothing to scrub."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest

from fixstream.inference.starter import starter_solutions
from fixstream.schemas.codec import decode, encode
from fixstream.schemas.enums import Category, Domain
from fixstream.schemas.records import PUBLIC, Solution
from fixstream.schemas.validation import validate
from fixstream.triage.scrub import Scrubber

MIN_FIXES = 150
MIN_TEXT_CHARS, MAX_TEXT_CHARS = 400, 1200
MIN_PER_DOMAIN = 20
MIN_PER_CATEGORY = 5
MAX_SHARED_PHRASES = 0.2
"""Share of four-word phrases that two fixes may have in common."""

SYMPTOMS = (
    "connection refused",
    "getaddrinfo failed",
    "name or service not known",
    "nxdomain",
    "certificate has expired",
    "self-signed certificate",
    "hostname mismatch",
    "read timed out",
    "connecttimeout",
    "connection reset by peer",
    "database is locked",
    "no such table",
    "unique constraint failed",
    "signature verification failed",
    "signature has expired",
    "audience doesn't match",
    "keyerror",
    "'nonetype' object has no attribute",
    "jsondecodeerror",
    "no space left on device",
    "disk quota exceeded",
    "permission denied",
    "address already in use",
    "no such file or directory",
    "429",
    "502",
    "503",
    "504",
    "too many open files",
    "memoryerror",
    "oomkilled",
    "recursionerror",
    "unicodedecodeerror",
    "pydantic_core.validationerror",
    "asyncio.timeouterror",
    "deadlock detected",
    "zerodivisionerror",
    "incompleteread",
    "too many clients",
)
"""What an engineer would type, in lower case; each must stand in a title."""


@pytest.fixture(scope="module")
def fixes() -> tuple[Solution, ...]:
    return starter_solutions()


def phrases(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return frozenset(zip(words, words[1:], words[2:], words[3:], strict=False))


def shared_share(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / min(len(one), len(other))


def test_there_are_enough(fixes: tuple[Solution, ...]) -> None:
    assert len(fixes) >= MIN_FIXES


def test_each_is_a_valid_record_that_survives_the_wire(fixes: tuple[Solution, ...]) -> None:
    for fix in fixes:
        validate(fix)
        assert decode(encode(fix), Solution) == fix


def test_each_says_whose_it_is(fixes: tuple[Solution, ...]) -> None:
    for fix in fixes:
        slug = fix.solution_id.removeprefix("starter-")
        assert fix.provenance.url == f"urn:fixstream:starter:{slug}", fix.solution_id
        assert fix.provenance.author == "the fixstream authors", fix.solution_id
        assert fix.provenance.license == "Apache-2.0", fix.solution_id
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug), fix.solution_id
        assert fix.is_accepted, fix.solution_id
        assert fix.visibility == PUBLIC, fix.solution_id


def test_ids_and_titles_are_unique(fixes: tuple[Solution, ...]) -> None:
    ids = Counter(fix.solution_id for fix in fixes)
    titles = Counter(fix.title.casefold() for fix in fixes)
    assert [key for key, count in (ids + titles).items() if count > 1] == []


def test_texts_say_enough_and_not_too_much(fixes: tuple[Solution, ...]) -> None:
    wrong = {
        fix.solution_id: len(fix.text)
        for fix in fixes
        if not MIN_TEXT_CHARS <= len(fix.text) <= MAX_TEXT_CHARS
    }
    assert wrong == {}


def test_no_two_texts_say_the_same(fixes: tuple[Solution, ...]) -> None:
    known = [(fix.solution_id, phrases(fix.text)) for fix in fixes]
    alike = [
        (one_id, other_id)
        for (one_id, one), (other_id, other) in combinations(known, 2)
        if shared_share(one, other) > MAX_SHARED_PHRASES
    ]
    assert alike == []


def test_a_near_copy_would_be_noticed(fixes: tuple[Solution, ...]) -> None:
    first = fixes[0]
    copy = replace(first, text=first.text.replace("the", "a", 3))
    assert shared_share(phrases(first.text), phrases(copy.text)) > MAX_SHARED_PHRASES


def test_every_domain_and_category_is_served(fixes: tuple[Solution, ...]) -> None:
    domains = Counter(fix.domain for fix in fixes)
    categories = Counter(fix.category for fix in fixes)
    assert {d for d in Domain if domains[d] < MIN_PER_DOMAIN} == set()
    assert {c for c in Category if categories[c] < MIN_PER_CATEGORY} == {Category.UNKNOWN}


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_common_error_stands_in_a_title(symptom: str, fixes: tuple[Solution, ...]) -> None:
    assert [fix.solution_id for fix in fixes if symptom in fix.title.lower()]


def test_error_types_are_class_names(fixes: tuple[Solution, ...]) -> None:
    wrong = [
        fix.solution_id
        for fix in fixes
        if fix.error_type is not None and not re.fullmatch(r"\*?\w+(\.\w+)*", fix.error_type)
    ]
    assert wrong == []


def test_the_scrubber_finds_nothing_to_mask(fixes: tuple[Solution, ...]) -> None:
    scrubber = Scrubber()
    masked = [
        fix.solution_id
        for fix in fixes
        if (scrubber.scrub(fix.title), scrubber.scrub(fix.text)) != (fix.title, fix.text)
    ]
    assert masked == []


DESTRUCTIVE = re.compile(
    r"rm -rf|FLUSHALL|DROP TABLE|DROP DATABASE|--volumes|prune -a|force-unlock|helm uninstall",
    re.IGNORECASE,
)
WARNING = re.compile(
    r"\b(never|do not|check|make sure|only|first|cannot be undone|deletes|removes|must be)\b",
    re.IGNORECASE,
)


def test_what_destroys_data_comes_with_a_warning(fixes: tuple[Solution, ...]) -> None:
    bare = [
        (fix.solution_id, line)
        for fix in fixes
        for line in fix.text.splitlines()
        if DESTRUCTIVE.search(line) and not WARNING.search(line)
    ]
    assert bare == []
