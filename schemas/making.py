"""Frozen records made from all their fields at once, for the paths that every event takes.

The `__init__` of a frozen dataclass sets each field through `object.__setattr__`, which for an
event of 19 fields takes longer than to read the fields from bytes. Here a twin of the record's
layout that is not frozen is filled, and becomes the record by its class before anyone else sees
it. What comes out is the same as from `__init__` with all fields given; no default is filled in
and nothing is checked. Records with a `__post_init__` are refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


def maker(record_type: type[R]) -> Callable[..., R]:
    """What makes records of this frozen dataclass with slots, of all fields by position.

    Raises:
        TypeError: The type is not of that kind. The result raises it on too few or many values.
    """
    names = [field.name for field in dataclasses.fields(record_type)]  # type: ignore[arg-type]
    if list(getattr(record_type, "__slots__", ())) != names or hasattr(
        record_type, "__post_init__"
    ):
        raise TypeError(f"{record_type.__name__} is not a plain record with slots")
    twin: Any = dataclasses.make_dataclass(f"{record_type.__name__}Draft", names, slots=True)

    def make(*values: Any) -> R:
        record = twin(*values)
        record.__class__ = record_type
        return record  # type: ignore[no-any-return]

    return make
