"""Scores the scrubber on a corpus that it was not written to: recall, and what it leaves alone.

The held-out half is for scoring only: who changes rules looks at the other one.
"""

from __future__ import annotations

import pytest

from fixstream.triage.scrub import Scrubber
from support import scrub_corpus
from support.scrub_corpus import is_held_out, recall, survives

SEED = 20261122
SCRUBBER = Scrubber()
PLANTED = scrub_corpus.all_planted(SEED)
KEPT = scrub_corpus.kept_texts(SEED)


@pytest.mark.parametrize("held_out", [False, True], ids=["seen", "held out"])
@pytest.mark.parametrize("family", ["form", "named", "syntax", "personal"])
def test_planted_secrets_are_gone(family: str, held_out: bool) -> None:
    cases = [
        case
        for case in PLANTED
        if case.name.startswith(family) and is_held_out(case.name) is held_out
    ]
    found = recall(SCRUBBER.scrub, cases)
    assert len(cases) > 20
    assert found.share >= (0.95 if held_out else 0.98), _first_left(cases) if not held_out else ""


def _first_left(cases: list[scrub_corpus.Planted]) -> list[str]:
    return [case.text for case in cases if survives(case, SCRUBBER.scrub(case.text))][:10]


@pytest.mark.parametrize("held_out", [False, True], ids=["seen", "held out"])
def test_what_an_engineer_needs_stays(held_out: bool) -> None:
    texts = [text for _, text in KEPT if is_held_out(text) is held_out]
    lost = [text for text in texts if SCRUBBER.scrub(text) != text]
    assert len(texts) > 300
    assert len(lost) < 0.01 * len(texts), lost if not held_out else ""


def test_all_planted_texts_come_out_stable() -> None:
    for case in PLANTED[::7]:
        clean = SCRUBBER.scrub(case.text)
        assert SCRUBBER.scrub(clean) == clean, case.name


def test_the_score_counts_what_survives() -> None:
    cases = PLANTED[:50]
    assert recall(lambda text: text, cases).num_found == 0
    assert recall(lambda _: "", cases).share == 1.0
