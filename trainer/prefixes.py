"""Names of a checkpoint's tensors: each part's stand under its own prefix. Nothing is copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

V = TypeVar("V")


def prefixed(prefix: str, values: Mapping[str, V]) -> dict[str, V]:
    """The values with the prefix before each name."""
    return {prefix + name: value for name, value in values.items()}


def under(prefix: str, values: Mapping[str, V]) -> dict[str, V]:
    """The reverse of `prefixed`: those whose names begin with the prefix, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }
