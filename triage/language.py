"""Guesses the language of an error that has no trace, by the words in `languages.toml`.

Refuses to choose where the words of several languages stand: then the answer is None.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fixstream.triage.gates import Gates

_MAX_CHARS = 600
"""The runtime's own words stand at the beginning."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The compiled words."""

    by_type: dict[str, str]
    by_package: tuple[tuple[str, str], ...]
    sayings: Gates
    languages: tuple[str, ...]
    """For each saying, whose it is."""


@cache
def _words() -> _Words:
    text = resources.files(__package__).joinpath("languages.toml").read_text("utf-8")
    entries = tomllib.loads(text)
    said = [
        (name, saying) for name, entry in entries.items() for saying in entry.get("sayings", ())
    ]
    return _Words(
        by_type={kind: name for name, entry in entries.items() for kind in entry.get("types", ())},
        by_package=tuple(
            (start, name) for name, entry in entries.items() for start in entry.get("packages", ())
        ),
        sayings=Gates(saying for _, saying in said),
        languages=tuple(name for name, _ in said),
    )


def language_of(error_type: str | None, message: str) -> str | None:
    """Returns the language whose runtime speaks so, or None."""
    words = _words()
    if error_type:
        for start, language in words.by_package:
            if error_type.startswith(start):
                return language
        known = words.by_type.get(error_type.rsplit(".", 1)[-1])
        if known is not None:
            return known
    said = words.sayings.open(message[:_MAX_CHARS].encode("utf-8", "surrogatepass"))
    languages = {words.languages[index] for index in said}
    return languages.pop() if len(languages) == 1 else None
