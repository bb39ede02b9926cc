"""Small charts as numbers for the templates: where bars and lines go, and what they say in words.

Pure geometry. Each chart carries a text that says the same to whoever does not see it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fixstream.inference.page_text import number

BARS_HEIGHT = 24
LINE_WIDTH = 240
LINE_HEIGHT = 72
_MARGIN = 5.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in the units of its chart; y grows downwards."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Counts over time."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One measured point of a line."""

    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A metric over the versions of a model."""

    name: str
    points: str
    """For an SVG polyline, through the points that count."""
    marks: tuple[Mark, ...]
    low: str
    high: str
    last: str
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of a metric."""

    version: int
    value: float
    kind: str
    """The update's: only what came into use is on the line."""
    is_in_force: bool


def bars(counts: Sequence[int], unit: str, width: int, height: int = BARS_HEIGHT) -> Bars:
    """A bar for each count, the highest as high as the chart.

    Args:
        counts: Oldest first; the last period is not over yet.
        unit: What a period is: `minute`, `hour`.
        width: Of the chart, in pixels.
        height: The same.
    """
    top, step = max([*counts, 1]), width / max(1, len(counts))
    made = tuple(
        Bar(round(index * step, 2), round(height - high, 2), round(step * 0.75, 2), round(high, 2))
        for index, count in enumerate(counts)
        if count > 0
        for high in (max(1.5, height * count / top),)
    )
    return Bars(width, height, made, _told(counts, unit))


def _told(counts: Sequence[int], unit: str) -> str:
    total = sum(counts)
    span = f"the last {len(counts)} {unit}s"
    if not total:
        return f"No event in {span}."
    most = max(counts)
    ago = len(counts) - 1 - max(index for index, count in enumerate(counts) if count == most)
    when = f"this {unit}" if ago == 0 else f"{ago} {unit}{'s' if ago > 1 else ''} ago"
    return f"{total:,} in {span}; most in one {unit}: {most:,}, {when}."


def line(name: str, values: Sequence[Measured], is_share: bool) -> Line | None:
    """A metric over versions; None where nothing was measured.

    Args:
        name: What is measured, for people.
        values: In the order of versions.
        is_share: Whether the scale goes from 0 to 1; else it fits the values.
    """
    values = [one for one in values if math.isfinite(one.value)]
    if not values:
        return None
    found = [one.value for one in values]
    low, high = (0.0, 1.0) if is_share else (min(found), max(found))
    span = (high - low) or 1.0
    wide = max(1, len(values) - 1)

    def place(index: int, value: float) -> tuple[float, float]:
        x = _MARGIN + (LINE_WIDTH - 2 * _MARGIN) * index / wide
        share = min(1.0, max(0.0, (value - low) / span))
        return round(x, 1), round(_MARGIN + (LINE_HEIGHT - 2 * _MARGIN) * (1 - share), 1)

    places = [place(index, one.value) for index, one in enumerate(values)]
    marks = tuple(
        Mark(x, y, one.kind, f"version {one.version}, {one.kind}: {number(one.value)}")
        for (x, y), one in zip(places, values, strict=True)
    )
    in_force = [pair for pair, one in zip(places, values, strict=True) if one.is_in_force]
    points = " ".join(f"{x},{y}" for x, y in in_force)
    return Line(
        name,
        points,
        marks,
        number(low),
        number(high),
        number(values[-1].value),
        _line_told(name, values),
    )


def _line_told(name: str, values: Sequence[Measured]) -> str:
    first, last = values[0], values[-1]
    found = [one.value for one in values]
    return (
        f"{name}: {number(first.value)} at version {first.version}, "
        f"{number(last.value)} at version {last.version}; "
        f"between {number(min(found))} and {number(max(found))}."
    )
