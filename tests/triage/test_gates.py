"""Gates name all patterns that occur, in order."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from fixstream.triage.gates import Gates

PATTERNS = ("b", "a", r"a\b", "ab", "ba+", "^a", "b$", r"[^\n]{3}c", "cc?")
GATES = Gates(PATTERNS)


@given(st.text("abc \n", max_size=40))
def test_it_names_all_that_occur_in_order(text: str) -> None:
    expected = [
        index
        for index, pattern in enumerate(PATTERNS)
        if re.search(pattern.replace("$", r"\Z"), text)
    ]
    assert GATES.open(text.encode()) == expected
