"""Unlabelled errors of the past, laid out for pre-training: each as a whole, and in parts.

Errors belong to one family when they have one fingerprint, were confirmed as duplicates, or say the
same. Texts come here scrubbed; labels do not come here at all. The module draws nothing and trains
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fixstream.trainer.examples import NO_SOLUTION, stable_hash
from fixstream.trainer.features import Encoded, ErrorText, Tokenizer, cropped


@dataclass(frozen=True, slots=True)
class PastError:
    """One error of a history, scrubbed."""

    event_id: str
    text: ErrorText
    fingerprint: str
    duplicate_of: str | None = None
    """Id of an earlier error that somebody confirmed to be the same."""
    fix: str | None = None
    """Text of what solved it, scrubbed."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One error as ids, whole and in parts, each cropped to what the network trains on."""

    whole: Encoded
    title: Encoded
    rest: Encoded | None
    """Body and trace; None where the title is all there is."""
    fix: Encoded | None
    family: int
    fix_id: int = NO_SOLUTION
    """Hash of the fix's text: errors with one fix attract each other."""
    words: str = ""
    """The text as a sentence encoder reads it."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that is trained on, in the order in which it came."""

    passages: tuple[Passage, ...]
    num_repeats: int
    """Errors whose tokens were there already; they are left out."""

    @property
    def vocabulary(self) -> list[int]:
        """Every token id that occurs in a whole text, ascending."""
        return sorted({token for one in self.passages for token in one.whole.token_ids})

    def families(self) -> dict[int, list[int]]:
        """Places of the passages of each family that has more than one."""
        members: dict[int, list[int]] = {}
        for place, passage in enumerate(self.passages):
            members.setdefault(passage.family, []).append(place)
        return {family: places for family, places in members.items() if len(places) > 1}


def corpus_of(errors: Iterable[PastError], tokenizer: Tokenizer, max_tokens: int) -> Corpus:
    """Lays errors out for pre-training.

    Args:
        errors: scrubbed; their hints are not looked at.
        tokenizer: the network's.
        max_tokens: longer texts lose their middle.
    """
    families = _Families()
    kept: dict[tuple[int, ...], Passage] = {}
    num_repeats = 0
    for error in errors:
        passage = _passage(error, tokenizer, max_tokens, families.of(error))
        same = kept.setdefault(passage.whole.token_ids, passage)
        if same is not passage:
            num_repeats += 1
            families.join(same.family, passage.family)
    passages = tuple(replace(one, family=families.root(one.family)) for one in kept.values())
    return Corpus(passages, num_repeats)


def _passage(error: PastError, tokenizer: Tokenizer, max_tokens: int, family: int) -> Passage:
    def encoded(text: ErrorText) -> Encoded:
        return cropped(tokenizer.encode(text), max_tokens)

    message, trace = error.text.message, error.text.stack_trace
    title, _, body = message.strip().partition("\n")
    rest = ErrorText(body, stack_trace=trace)
    return Passage(
        whole=encoded(ErrorText(message, error.text.error_type, trace)),
        title=encoded(ErrorText(title, error.text.error_type)),
        rest=encoded(rest) if body.strip() or trace else None,
        fix=encoded(ErrorText(error.fix)) if error.fix else None,
        family=family,
        fix_id=stable_hash(error.fix) if error.fix else NO_SOLUTION,
        words="\n".join(part for part in (error.text.error_type, message, trace) if part),
    )


class _Families:
    """Sets that grow together (union-find); a family's number is that of its first member."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._by_name: dict[tuple[str, str], int] = {}

    def of(self, error: PastError) -> int:
        names = [("event", error.event_id), ("group", error.fingerprint)]
        if error.duplicate_of:
            names.append(("event", error.duplicate_of))
        numbers = [self._number(name) for name in names]
        for number in numbers[1:]:
            self.join(numbers[0], number)
        return self.root(numbers[0])

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parent[second] = first

    def root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def _number(self, name: tuple[str, str]) -> int:
        if name not in self._by_name:
            self._by_name[name] = len(self._parent)
            self._parent.append(len(self._parent))
        return self._by_name[name]


def crop(encoded: Encoded, first_share: float, share: float) -> Encoded:
    """A stretch of a text, behind its start token.

    Args:
        encoded: the whole text.
        first_share: where in the room that is left the stretch begins, 0 to 1.
        share: how much of the text it holds, 0 to 1; at least one token.
    """
    start, *ids = encoded.token_ids
    length = max(1, round(len(ids) * share))
    first = round((len(ids) - length) * first_share)
    return replace(encoded, token_ids=(start, *ids[first : first + length]))
