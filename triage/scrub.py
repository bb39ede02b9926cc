"""Removes secrets and personal data from the texts of an event.

Each becomes a typed placeholder such as `[aws_key]`; the same value gets the same placeholder
within an event, another value of that kind gets `[aws_key_2]`. What an engineer needs stays: class
names, files and lines, error codes, hosts, commit ids, versions, ids.

Fails closed: a text that cannot be judged is replaced as a whole. Keeps no text between calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fixstream.schemas.records import ErrorEvent
from fixstream.triage.event_texts import main_texts, other_texts, with_texts
from fixstream.triage.gates import Gates
from fixstream.triage.secrets import (
    assignments,
    personal,
    places,
    prefixed,
    spoken,
    sql,
    values,
    vendors,
)
from fixstream.triage.secrets.model import Detector, Find
from fixstream.triage.secrets.places import MAX_LONE_KEY, lone_key

SCRUBBER_VERSION = "scrub-2"
"""Written into every event; grows with every change of what is found."""

FAILED = "[scrub_failed]"
"""Stands for a whole text that could not be judged."""

_BORDER_BYTE = b"\x1e"
_BORDER = "\n\x1e\n"
"""Stands between the texts of an event; no detector reaches over it."""
_BLANK = b"\x1f"
_MAX_PASSES = 8
_MAX_REPEATED = 32
_MIN_REPEATED = 8
_MARK = re.compile(rb"\[([a-z][a-z0-9]*(?:_[a-z0-9]+)*?)(?:_(\d{1,6}))?\]")


@dataclass(frozen=True, slots=True)
class ScrubberConfig:
    """What to find."""

    keep_private_ips: bool = False
    """Leave addresses of private networks (10/8, 192.168/16, fd00::/8, ...) in the text."""


class Numbering:
    """Gives the values of one event their placeholders, in order of appearance."""

    def __init__(self) -> None:
        """Starts with no value known."""
        self._marks: dict[bytes, bytes] = {}
        self._counts: dict[str, int] = {}
        self._repeatable: list[tuple[bytes, bytes]] = []

    def reserve(self, text: bytes) -> None:
        """Keeps the numbers that placeholders already in `text` have."""
        if b"[" not in text:
            return
        for kind, number in _MARK.findall(text):
            name = kind.decode("ascii")
            self._counts[name] = max(self._counts.get(name, 0), int(number or 1))

    def mark(self, kind: str, value: bytes) -> bytes:
        """Returns the placeholder for `value`."""
        known = self._marks.get(value)
        if known is None:
            number = self._counts.get(kind, 0) + 1
            self._counts[kind] = number
            known = f"[{kind}]".encode() if number == 1 else f"[{kind}_{number}]".encode()
            self._marks[value] = known
            if len(value) >= _MIN_REPEATED and len(self._repeatable) < _MAX_REPEATED:
                self._repeatable.append((value, known))
        return known

    def without_repeats(self, text: bytes) -> bytes:
        """Replaces values that are known anywhere: long and random enough to be no word."""
        for value, known in self._repeatable:
            if value in text and values.looks_random(value, _MIN_REPEATED):
                text = text.replace(value, known)
        return text


def _merged(finds: Iterable[Find]) -> list[Find]:
    """Joins overlapping finds; the surest names the kind."""
    result: list[Find] = []
    for find in sorted(finds):
        if result and find.start < result[-1].end:
            last = result[-1]
            surer = find if find.rank < last.rank else last
            result[-1] = Find(last.start, max(last.end, find.end), surer.kind, surer.rank)
        else:
            result.append(find)
    return result


class _Family:
    """Detectors whose gates are tried in one pass."""

    def __init__(self, detectors: Iterable[Detector]) -> None:
        """Puts detectors with the same gate or signs behind one pattern."""
        together: dict[str, list[Detector]] = {}
        for detector in detectors:
            together.setdefault(detector.gate or detector.signs, []).append(detector)
        self._detectors = tuple(map(tuple, together.values()))
        self._gates = Gates(together)

    def open(self, text: bytes) -> list[Detector]:
        """Returns the detectors that may find something in `text`."""
        return [detector for index in self._gates.open(text) for detector in self._detectors[index]]


def _blanked(buffer: bytes, finds: list[Find]) -> bytes:
    """Returns the buffer with what was found overwritten: nothing finds it a second time."""
    blank = bytearray(buffer)
    for find in finds:
        blank[find.start : find.end] = _BLANK * (find.end - find.start)
    return bytes(blank)


class Scrubber:
    """Finds and replaces. Immutable after construction; safe to share between threads."""

    def __init__(self, config: ScrubberConfig | None = None) -> None:
        """Compiles the detectors (a tenth of a second); make one and keep it."""
        self._config = config or ScrubberConfig()
        by_form = vendors.detectors()
        assigned = assignments.detector()
        by_place = (
            assigned,
            *spoken.detectors(),
            *sql.detectors(),
            *places.detectors((*by_form, assigned)),
            prefixed.detector(),
        )
        about_people = personal.detectors(keep_private_ips=self._config.keep_private_ips)
        everything = (*by_form, *by_place, *about_people)
        # A set each: in one for all, the states of the search multiply with what a text opens.
        self._families = (
            _Family(by_form),
            _Family(found for found in by_place if found.gate),
            _Family(found for found in about_people if found.gate),
            _Family(found for found in everything if not found.gate),
        )

    def scrub(self, text: str) -> str:
        """Returns `text` without secrets; placeholders are numbered within this text."""
        return self.scrub_texts([text])[0]

    def scrub_event(self, event: ErrorEvent) -> ErrorEvent:
        """Returns the event with all its texts scrubbed under one numbering.

        Ids (event, trace, span), service and times stay as they are.
        """
        clean = self.scrub_texts([*main_texts(event), *other_texts(event)])
        return with_texts(event, clean, language=event.language, scrubber=SCRUBBER_VERSION)

    def scrub_texts(self, texts: list[str]) -> list[str]:
        """Returns the texts scrubbed under one numbering; the same list if nothing was found."""
        try:
            return self._replaced(texts)
        except Exception:  # noqa: BLE001  Fails closed: no text may leave that was not judged.
            return [FAILED if text else text for text in texts]

    def _replaced(self, texts: list[str]) -> list[str]:
        """Scrubs the texts as one buffer, or one by one where their borders would not survive."""
        whole = _BORDER.join(texts).encode("utf-8", "surrogatepass")
        numbering = Numbering()
        numbering.reserve(whole)
        if whole.count(_BORDER_BYTE) == len(texts) - 1:
            clean = self._cleaned(whole, numbering)
            if clean is whole:
                return texts
            parts = clean.decode("utf-8", "surrogatepass").split(_BORDER)
            if len(parts) == len(texts):
                return parts
        buffers = [text.encode("utf-8", "surrogatepass") for text in texts]
        return [
            self._cleaned(buffer, numbering).decode("utf-8", "surrogatepass") for buffer in buffers
        ]

    def _cleaned(self, buffer: bytes, numbering: Numbering) -> bytes:
        """Repeats until nothing is found, so that scrubbing again changes nothing.

        Raises:
            RuntimeError: It does not settle.
        """
        for _ in range(_MAX_PASSES):
            finds = self._finds(buffer)
            if not finds:
                return buffer
            buffer = numbering.without_repeats(_replace(buffer, finds, numbering))
        raise RuntimeError("scrubbing does not settle")

    def _finds(self, buffer: bytes) -> list[Find]:
        """Returns all finds in order, none over another.

        Forms and names come first, for they are sure and many; the others, which judge what stands
        around a value, pass over what is found by then.
        """
        opened = [detector for family in self._families for detector in family.open(buffer)]
        finds = [find for found in opened if found.leads for find in found.find(buffer)]
        rest = _blanked(buffer, finds) if finds else buffer
        for detector in opened:
            if not detector.leads:
                finds.extend(detector.find(rest))
        if len(buffer) <= MAX_LONE_KEY:
            finds += lone_key(buffer)
        return _merged(finds) if finds else finds


def _replace(buffer: bytes, finds: list[Find], numbering: Numbering) -> bytes:
    pieces: list[bytes] = []
    position = 0
    for find in finds:
        pieces.append(buffer[position : find.start])
        pieces.append(numbering.mark(find.kind, buffer[find.start : find.end]))
        position = find.end
    pieces.append(buffer[position:])
    return b"".join(pieces)
