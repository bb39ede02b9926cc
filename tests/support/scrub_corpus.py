"""A seeded corpus of texts with planted secrets and of texts that have to stay.

It falls in two by the names of issuers, syntaxes and forms: what a developer looks at while
changing rules (`seen`), and what is only scored (`held_out`). Which half a name is in follows from
its hash, so that nobody chooses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from support import kept_forms, secret_forms
from support.secret_values import Values


class Planted(NamedTuple):
    """A text and the secret in it."""

    name: str
    text: str
    secret: str
    at: int
    """Where the secret begins, in characters."""


def is_held_out(name: str) -> bool:
    """Tells which half the cases of this name belong to."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def _planted(name: str, around: str, secret: str) -> Planted:
    text = around.format(secret)
    return Planted(name, text, secret, around.format("\x00").index("\x00"))


def own_forms(values: Values) -> Iterator[Planted]:
    """Yields each issuer's form in each text around it."""
    for name, form in secret_forms.OWN_FORMS.items():
        for around in secret_forms.AROUND_OWN_FORMS:
            yield _planted(f"form {name}", around, values.fill(form))


def named_values(values: Values, num_each: int = 4) -> Iterator[Planted]:
    """Yields values without a form that their name or place tells."""
    for name, (around, form) in secret_forms.NAMED_VALUES.items():
        for _ in range(num_each):
            filled = values.fill(
                around.replace("{}", "\x01").replace("{{", "\x02").replace("}}", "\x03")
            )
            filled = filled.replace("{", "{{").replace("}", "}}")
            filled = filled.replace("\x01", "{}").replace("\x02", "{{").replace("\x03", "}}")
            yield _planted(f"named {name}", filled, values.fill(form))


_BARE_NEEDS = str.maketrans(dict.fromkeys("!%*#@^+/=", "x"))


def assignments(values: Values, num_each: int = 24) -> Iterator[Planted]:
    """Yields telling names in the syntaxes of code and configuration."""
    for name, syntax in secret_forms.STRONG_SYNTAXES.items():
        for _ in range(num_each):
            key = values.choice(secret_forms.STRONG_NAMES)
            value = values.fill(values.choice(secret_forms.VALUES))
            if not any(quoted in syntax for quoted in ('"{value}', "'{value}")):
                value = value.translate(_BARE_NEEDS)
            around = syntax.replace("{value}", "{{}}").format(name=key)
            around = (
                around.replace("{}", "\x01")
                .replace("{", "{{")
                .replace("}", "}}")
                .replace("\x01", "{}")
            )
            yield _planted(f"syntax {name}", around, value)


def personal(_: Values) -> Iterator[Planted]:
    """Yields what identifies people."""
    for name, (around, value) in secret_forms.PERSONAL.items():
        yield _planted(f"personal {name}", around, value)


def all_planted(seed: int) -> list[Planted]:
    """Returns all cases with secrets."""
    values = Values(seed)
    return [
        case for make in (own_forms, named_values, assignments, personal) for case in make(values)
    ]


def kept_texts(seed: int, num_each: int = 3) -> list[tuple[str, str]]:
    """Returns family and text of what has to stay; forms with fields filled `num_each` times."""
    values = Values(seed)
    texts: dict[str, str] = {}
    for family, forms in kept_forms.KEPT_FORMS.items():
        for form in forms:
            for _ in range(num_each):
                texts.setdefault(values.fill(form).replace("{{", "{").replace("}}", "}"), family)
    return [(family, text) for text, family in texts.items()]


def survives(case: Planted, clean: str) -> bool:
    """Tells whether the secret is still there, in whole or to its greater part.

    Short secrets are words too, and may stand elsewhere in the text: then one less has to be left.
    """
    if clean.count(case.secret) >= case.text.count(case.secret):
        return True
    rest = case.secret[len(case.secret) // 3 :]
    return len(rest) >= 6 and clean.count(rest) >= case.text.count(rest)


class Score(NamedTuple):
    """How many of how many."""

    num_found: int
    num_all: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.num_found / self.num_all


def recall(scrub: Callable[[str], str], cases: list[Planted]) -> Score:
    """Scores planted secrets that are gone."""
    return Score(sum(not survives(case, scrub(case.text)) for case in cases), len(cases))
