"""What a value may be, whichever record it stands in: the checks that `validation` composes.

Each says no and names the field; none repairs, and no message quotes a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from fixstream.schemas import limits
from fixstream.schemas.errors import InvalidRecord, TooLarge

Refusal = Callable[[Any, str], None]
"""Checks a value; the second argument is where it stands, as `TriagedError.event.service`.

Raises InvalidRecord, or TooLarge where a text or a list is over its limit.
"""

Fits = Callable[[Any], bool]
"""Tells at a glance that a value is fine. False means nothing: then the refusal looks closely."""


def _unsure(value: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Check:
    """A rule: quick to say yes, for nearly every value is fine, and exact when it says no."""

    refuse: Refusal
    fits: Fits = _unsure

    def __call__(self, value: Any, where: str) -> None:
        """Checks a value, as `Refusal` tells."""
        if not self.fits(value):
            self.refuse(value, where)


MAX_INT = 2**31 - 1
MAX_LONG = 2**63 - 1


def refuse_unless(holds: bool, where: str, rule: str) -> None:
    """Raises InvalidRecord with the place and the rule, unless the rule holds."""
    if not holds:
        raise InvalidRecord(f"{where} {rule}")


def text(max_chars: int, *, min_chars: int = 0) -> Check:
    """A text of so many characters, all of which have bytes in UTF-8."""

    def check(value: Any, where: str) -> None:
        refuse_unless(isinstance(value, str), where, "is not a text")
        refuse_unless(len(value) >= min_chars, where, "is empty")
        if len(value) > max_chars:
            raise TooLarge(f"{where} has {len(value)} characters; the limit is {max_chars}")
        refuse_unless(value.isascii() or _has_bytes(value), where, "cannot be written as UTF-8")

    def fits(value: Any) -> bool:
        return type(value) is str and min_chars <= len(value) <= max_chars and value.isascii()

    return Check(check, fits)


def _has_bytes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # Half a surrogate pair, as from JSON's "\ud83d".
        return False
    return True


def or_none(check: Check) -> Check:
    """What the check allows, and None."""

    def checked(value: Any, where: str) -> None:
        if value is not None:
            check(value, where)

    inner = check.fits
    return Check(checked, lambda value: value is None or inner(value))


def _time(value: Any, where: str) -> None:
    refuse_unless(isinstance(value, datetime), where, "is not a time")
    refuse_unless(value.tzinfo is not None, where, "has no time zone")


time = Check(_time, lambda value: type(value) is datetime and value.tzinfo is not None)
"""A time with its zone."""


def _flag(value: Any, where: str) -> None:
    refuse_unless(isinstance(value, bool), where, "is neither true nor false")


flag = Check(_flag)
"""True or False, and no number for them."""


def whole(minimum: int, maximum: int = MAX_LONG) -> Check:
    """A whole number, within 64 bits at most."""

    def check(value: Any, where: str) -> None:
        refuse_unless(isinstance(value, int), where, "is not a whole number")
        refuse_unless(minimum <= value <= maximum, where, f"is below {minimum} or too large")

    return Check(check)


def number(minimum: float = -math.inf, maximum: float = math.inf) -> Check:
    """A finite number."""

    def check(value: Any, where: str) -> None:
        refuse_unless(isinstance(value, int | float), where, "is not a number")
        refuse_unless(math.isfinite(value), where, "is not finite")
        refuse_unless(minimum <= value <= maximum, where, f"is not in {minimum}..{maximum}")

    return Check(check)


def symbol(symbols: type[StrEnum]) -> Check:
    """A symbol of a vocabulary, as a member or as plain text."""
    known = frozenset(str(member) for member in symbols)
    rule = f"is not one of {', '.join(symbols)}"

    def check(value: Any, where: str) -> None:
        refuse_unless(isinstance(value, str) and value in known, where, rule)

    return Check(check, lambda value: type(value) is symbols)


def exact_bytes(num_bytes: int) -> Check:
    """So many bytes."""

    def check(value: Any, where: str) -> None:
        is_right = isinstance(value, bytes) and len(value) == num_bytes
        refuse_unless(is_right, where, f"is not {num_bytes} bytes")

    return Check(check)


def each(check: Check, max_items: int) -> Check:
    """A tuple of what the check allows."""

    def check_all(items: Any, where: str) -> None:
        refuse_unless(isinstance(items, tuple | list), where, "is not a tuple")
        if len(items) > max_items:
            raise TooLarge(f"{where} has {len(items)} items; the limit is {max_items}")
        for index, item in enumerate(items):
            check(item, f"{where}[{index}]")

    return Check(check_all)


def mapping(check_key: Check, check: Check) -> Check:
    """A mapping of at most `MAX_ATTRIBUTES`."""
    check_keys = each(check_key, limits.MAX_ATTRIBUTES)

    def check_all(items: Any, where: str) -> None:
        refuse_unless(isinstance(items, Mapping), where, "is not a mapping")
        check_keys(list(items), f"{where} key")
        for index, value in enumerate(items.values()):
            check(value, f"{where} value [{index}]")

    def fits(items: Any) -> bool:
        if type(items) is not dict:
            return False
        return not items or (
            len(items) <= limits.MAX_ATTRIBUTES
            and all(map(check_key.fits, items))
            and all(map(check.fits, items.values()))
        )

    return Check(check_all, fits)
