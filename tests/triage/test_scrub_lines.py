"""Secrets go and all else stays in lines as services write them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from fixstream.triage.scrub import FAILED, Scrubber
from support.scrub_lines import KEPT_LINES, PLANTED_LINES
from support.secret_values import Values

SCRUBBER = Scrubber()
SEEDS = (1, 8, 15)


class Line(NamedTuple):
    """A text and the lines of the secret in it."""

    text: str
    secrets: tuple[str, ...]


def _texts(lines: str, seed: int) -> list[str]:
    forms = (line.replace(r"\\", "\x00") for line in lines.strip("\n").split("\n"))
    forms = (form.replace(r"\n", "\n").replace("\x00", "\\") for form in forms)
    return [Values(seed).fill(form) for form in forms]


def _planted(seed: int) -> list[Line]:
    lines: list[Line] = []
    for text in _texts(PLANTED_LINES, seed):
        before, rest = text.split("«")
        secret, after = rest.split("»")
        parts = tuple(part for part in secret.split("\n") if part)
        lines.append(Line(before + secret + after, parts))
    return lines


def _survives(line: Line, clean: str) -> bool:
    """A short secret may be a word of the text too: then one less has to be left."""
    return clean == FAILED or any(
        clean.count(part) >= line.text.count(part) for part in line.secrets
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_secrets_are_gone(seed: int) -> None:
    lines = _planted(seed)
    left = [line.text for line in lines if _survives(line, SCRUBBER.scrub(line.text))]
    assert len(lines) > 450
    assert left == []


@pytest.mark.parametrize("seed", SEEDS)
def test_lines_without_a_secret_stay(seed: int) -> None:
    texts = _texts(KEPT_LINES, seed)
    assert len(texts) > 550
    assert [text for text in texts if SCRUBBER.scrub(text) != text] == []


def test_scrubbing_again_changes_nothing() -> None:
    for lines in (_planted(2), _planted(3)):
        for start in range(0, len(lines), 5):
            clean = SCRUBBER.scrub("\n".join(line.text for line in lines[start : start + 5]))
            assert FAILED not in clean
            assert SCRUBBER.scrub(clean) == clean
