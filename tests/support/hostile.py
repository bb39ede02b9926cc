"""Exceptions that misbehave, as some in other people's applications do."""

from __future__ import annotations


class RaisesInStr(Exception):
    """Cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no string for you")


class ReturnsNoString(Exception):
    """Its `__str__` breaks the protocol."""

    def __str__(self) -> str:
        return 42  # type: ignore[return-value]  # noqa: PLE0307


class RecursesInStr(Exception):
    """Its `__str__` never ends."""

    def __str__(self) -> str:
        return str(self)


class CannotBeMarked(Exception):
    """Takes no attributes."""

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("__tr"):
            raise AttributeError(name)


class OddModule(Exception):
    """Its `__module__` is no string."""


OddModule.__module__ = 7  # type: ignore[assignment]


def raised(error: BaseException) -> BaseException:
    """The error with a traceback."""
    try:
        raise error  # noqa: TRY301
    except BaseException as caught:  # noqa: BLE001
        return caught


def cyclic_causes() -> BaseException:
    """Two exceptions that caused each other."""
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    return raised(first)


def self_containing_group() -> BaseException:
    """A group whose members were caused by the group."""
    members = [ValueError(str(number)) for number in range(12)]
    group = ExceptionGroup("round", members)
    for member in members:
        member.__cause__ = group
    return raised(group)


def deep_recursion() -> BaseException:
    """A RecursionError with its thousand frames."""

    def down(number: int) -> int:
        return down(number + 1) + 1

    try:
        down(0)
    except RecursionError as error:
        return error
    raise AssertionError("the recursion ended")


def without_source() -> BaseException:
    """Raised in code that has no file."""
    try:
        exec(compile("def f():\n    raise LookupError('nowhere')\nf()", "<generated>", "exec"), {})  # noqa: S102
    except LookupError as error:
        return error
    raise AssertionError("nothing was raised")
