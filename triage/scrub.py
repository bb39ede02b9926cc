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
from functools import lru_cache

from fixstream.schemas.records import ErrorEvent
from fixstream.triage.event_texts import main_texts, other_texts, with_texts
from fixstream.triage.gates import Gates
from fixstream.triage.secrets import (
    assignments,
    hashes,
    personal,
    places,
    prefixed,
    spoken,
    sql,
    values,
    vendors,
)
from fixstream.triage.secrets.model import LITERALS, NUMBERS, RUNS, Detector, Find
from fixstream.triage.secrets.places import MAX_LONE_KEY, lone_key

SCRUBBER_VERSION = "scrub-6"
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


@lru_cache(maxsize=1024)
def _written(kind: str, number: int) -> bytes:
    return f"[{kind}]".encode() if number == 1 else f"[{kind}_{number}]".encode()


class Numbering:
    """Gives the values of one event their placeholders, in order of appearance."""

    __slots__ = ("_counts", "_marks", "_repeatable")

    def __init__(self, text: bytes) -> None:
        """Starts with no value known; the numbers of placeholders in `text` are taken."""
        self._marks: dict[bytes, bytes] = {}
        self._counts: dict[str, int] = {}
        self._repeatable: list[tuple[bytes, bytes]] = []
        if b"[" in text:
            for kind, number in _MARK.findall(text):
                name = kind.decode("ascii")
                self._counts[name] = max(self._counts.get(name, 0), int(number or 1))

    def _new_mark(self, kind: str, value: bytes) -> bytes:
        number = self._counts.get(kind, 0) + 1
        self._counts[kind] = number
        known = _written(kind, number)
        self._marks[value] = known
        if len(value) >= _MIN_REPEATED and len(self._repeatable) < _MAX_REPEATED:
            self._repeatable.append((value, known))
        return known

    def replaced(self, buffer: bytes, finds: list[Find]) -> bytes:
        """Returns the buffer with the placeholders of what was found."""
        marks, pieces, position = self._marks, [], 0
        for start, end, kind, _ in finds:
            value = buffer[start:end]
            pieces.append(buffer[position:start])
            pieces.append(marks.get(value) or self._new_mark(kind, value))
            position = end
        pieces.append(buffer[position:])
        return self._without_repeats(b"".join(pieces))

    def _without_repeats(self, text: bytes) -> bytes:
        """Replaces values that are known anywhere: long and random enough to be no word."""
        for value, known in self._repeatable:
            if value in text and values.looks_random(value, _MIN_REPEATED):
                text = text.replace(value, known)
        return text


def _merged(finds: list[Find]) -> list[Find]:
    """Sorts, and joins overlapping finds; the surest names the kind."""
    finds.sort()
    result: list[Find] = []
    reached = 0
    for find in finds:
        start, end, kind, rank = find
        if start < reached:
            first, reached, last_kind, last_rank = result[-1]
            surer, surest = (kind, rank) if rank < last_rank else (last_kind, last_rank)
            reached = max(reached, end)
            result[-1] = (first, reached, surer, surest)
        else:
            result.append(find)
            reached = end
    return result


class _Family:
    """Detectors whose gates are tried in one pass."""

    def __init__(self, detectors: Iterable[Detector]) -> None:
        """Puts detectors with the same gate behind one pattern."""
        together: dict[str, list[Detector]] = {}
        for detector in detectors:
            together.setdefault(detector.gate, []).append(detector)
        self._detectors = tuple(map(tuple, together.values()))
        self._gates = Gates(together)

    def finds(self, text: bytes) -> list[Find]:
        """Returns what the detectors find whose gates `text` opens."""
        found: list[Find] = []
        for index in self._gates.open(text):
            for detector in self._detectors[index]:
                found += detector.find(text)
        return found


def _blanked(buffer: bytes, finds: list[Find]) -> bytes:
    """Returns the buffer with what was found overwritten: nothing finds it a second time."""
    blank = bytearray(buffer)
    for start, end, _, _ in finds:
        blank[start:end] = _BLANK * (end - start)
    return bytes(blank)


class Scrubber:
    """Finds and replaces. Immutable after construction; safe to share between threads."""

    def __init__(self, config: ScrubberConfig | None = None) -> None:
        """Compiles the detectors (a tenth of a second); make one and keep it."""
        self._config = config or ScrubberConfig()
        by_form = vendors.detectors()
        assigned, *calls = assignments.detectors()
        everything = (
            *by_form,
            assigned,
            *calls,
            *spoken.detectors(),
            *sql.detectors(),
            *places.detectors((*by_form, assigned)),
            *hashes.detectors(),
            prefixed.detector(),
            *personal.detectors(keep_private_ips=self._config.keep_private_ips),
        )
        self._ungated = [found for found in everything if not found.gate]
        self._leads = _Family(found for found in everything if found.leads and found.gate)
        self._others = tuple(
            _Family(found for found in everything if not found.leads and found.group == group)
            for group in (LITERALS, NUMBERS, RUNS)
        )

    def scrub(self, text: str) -> str:
        """Returns `text` without secrets; placeholders are numbered within this text."""
        try:
            buffer = text.encode("utf-8", "surrogatepass")
            clean = self._cleaned(buffer, Numbering(buffer))
            return text if clean is buffer else clean.decode("utf-8", "surrogatepass")
        except Exception:  # noqa: BLE001  Fails closed: no text may leave that was not judged.
            return FAILED if text else text

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
        numbering = Numbering(whole)
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
            buffer = numbering.replaced(buffer, finds)
        raise RuntimeError("scrubbing does not settle")

    def _finds(self, buffer: bytes) -> list[Find]:
        """Returns all finds in order, none over another.

        Forms and names come first, for they are sure and many; the others, which judge what stands
        around a value, pass over what is found by then.
        """
        finds = self._leads.finds(buffer)
        for detector in self._ungated:
            finds += detector.find(buffer)
        rest = _blanked(buffer, finds) if finds else buffer
        for family in self._others:
            finds += family.finds(rest)
        if len(buffer) <= MAX_LONE_KEY:
            finds += lone_key(buffer)
        return _merged(finds) if finds else finds
