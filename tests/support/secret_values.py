"""Invents values in the documented forms of issuers, from a seeded stream.

A form is text with fields such as `{A36}`: thirty-six characters of the alphabet `A`. So no value
stands in the source, and no scanner takes this file for a leak.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections.abc import Callable

_LOWER = string.ascii_lowercase + string.digits
_ALPHABETS = {
    "A": string.ascii_letters + string.digits,
    "a": string.ascii_letters,
    "B": string.ascii_letters + string.digits + "+/",
    "W": string.ascii_letters + string.digits + "-_",
    "L": _LOWER,
    "U": string.ascii_uppercase + string.digits,
    "H": "0123456789abcdef",
    "X": "0123456789ABCDEF",
    "D": string.digits,
    "T": string.ascii_uppercase + "234567",
    "P": string.ascii_letters + string.digits + "!%*#@^",
}
_FIELD = re.compile(r"\{([AaBWLUHXDTP])(\d+)\}|\{(G|JWT|BASIC)\}")


class Values:
    """A seeded stream of invented values."""

    def __init__(self, seed: int) -> None:
        """Starts the stream."""
        self._random = random.Random(seed)
        self._special: dict[str, Callable[[], str]] = {
            "G": self.uuid,
            "JWT": self.jwt,
            "BASIC": self.basic,
        }

    def some(self, alphabet: str, size: int) -> str:
        """Returns `size` characters that begin with neither a mark nor a zero."""
        chars = _ALPHABETS[alphabet]
        firsts = [char for char in chars if char.isalnum() and char != "0"]
        return (
            self._random.choice(firsts)
            + "".join(self._random.choices(chars, k=size - 2))
            + self._random.choice(firsts)
        )

    def uuid(self) -> str:
        """Returns a random UUID."""
        digits = "".join(self._random.choices("0123456789abcdef", k=32))
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-9{digits[17:20]}-{digits[20:]}"

    def jwt(self) -> str:
        """Returns a signed token."""
        parts = (
            json.dumps({"alg": "RS256", "kid": self.some("A", 8)}),
            json.dumps({"sub": self.some("D", 9), "exp": 1893456000}),
            self.some("A", 48),
        )
        return ".".join(
            base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts
        )

    def basic(self) -> str:
        """Returns base64 of a user and a password."""
        return base64.b64encode(f"svc-app:{self.some('A', 11)}".encode()).decode()

    def fill(self, form: str) -> str:
        """Returns the form with its fields filled."""

        def value(field: re.Match[str]) -> str:
            special = field[3]
            return self._special[special]() if special else self.some(field[1], int(field[2]))

        return _FIELD.sub(value, form)

    def choice(self, options: tuple[str, ...]) -> str:
        """Returns one of the options."""
        return self._random.choice(options)
