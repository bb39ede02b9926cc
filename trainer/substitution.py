"""Exercises for the decoder: of texts that belong together, names are swapped, to be put back.

A fix that worked for an error shares names with it. Where these are replaced by other ones, the fix
reads as one that was written for another error, and what it should say for this one is known. A
report in prose gives the same exercise: its title on the one hand, the rest of it on the other. All
randomness comes from the generator that is given. The module trains nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from fixstream.trainer.features import Tokenizer
from fixstream.trainer.pairs import TrainingPair
from fixstream.trainer.rewriting import Draft, draft, rewritten
from fixstream.trainer.words import Kind, Word, may_replace, places_of, words_of

_BORROWED_SHARE = 0.5
"""Of the new names, taken from the other texts; the rest is made up in the old one's form."""
_BLANK_SHARE = 0.1
_WORDS = """
alpha beta gamma delta east west north south blue green main edge core data cache queue
store order orders stock users items mail batch sync prod stage test dev node host app api
web job task index search event stream report audit shard zone cluster primary replica
"""
_MADE_UP = tuple(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Swapping:
    """How much is swapped."""

    untouched: float = 0.3
    """Of the texts, so many stay as they are: a fix that says it rightly must not be changed."""
    shared: float = 0.85
    """Of the names that error and text share; a fix may name what the error names as well."""
    stranger: float = 0.3
    """Of the names that only the text has: they get other ones too, which then have to be kept."""


@dataclass(frozen=True, slots=True)
class TextPair:
    """An error and a text that was written about it."""

    error: str
    about: str
    """A title, a newline and a text; the title may be empty."""

    @classmethod
    def of(cls, pair: TrainingPair) -> TextPair:
        """An error and the fix that worked for it."""
        return cls(pair.error_text, pair.fix_text)


@dataclass(frozen=True, slots=True)
class Exercise:
    """A draft and what is right: for each slot a candidate, or None to keep it."""

    draft: Draft
    targets: tuple[int | None, ...]


def told_apart(message: str, error_type: str | None) -> TextPair | None:
    """The title of a report and the rest of it; None where there is no rest."""
    title, _, rest = message.strip().partition("\n")
    if not rest.strip():
        return None
    return TextPair(f"{error_type}: {title}" if error_type else title, f"\n{rest.strip()}")


def exercise(
    pair: TextPair,
    others: Sequence[str],
    tokenizer: Tokenizer,
    chance: random.Random,
    swapping: Swapping = Swapping(),
) -> Exercise | None:
    """Swaps names of a text and says how to put them back; None where it teaches nothing.

    Args:
        pair: what belongs together.
        others: texts of other errors, to borrow names from.
        tokenizer: the network's.
        chance: draws what is swapped, and for what.
        swapping: how much is swapped.
    """
    said = places_of(words_of(pair.error))
    words = words_of(pair.about)
    strangers = [word for text in others for word in words_of(text) if word.is_name]
    swaps: dict[str, str] = {}
    back: dict[str, str] = {}
    taken = {*said, *(word.text for word in words)}
    is_touched = chance.random() >= swapping.untouched
    for name, places in places_of(words).items() if is_touched else ():
        is_shared = name in said
        if chance.random() < (swapping.shared if is_shared else swapping.stranger):
            new = _another(words[places[0]], strangers, taken, chance)
            taken.add(new)
            swaps[name] = new
            if is_shared:
                back[new] = name
    made = draft(pair.error, rewritten(pair.about, words, swaps), tokenizer)
    if made is None:
        return None
    columns = {made.candidate(index): index for index in range(len(made.candidates))}
    targets = []
    for slot in range(len(made.slots)):
        target = columns.get(back.get(made.slot(slot), ""))
        is_possible = target is not None and bool(made.allowed[slot, target])
        targets.append(target if is_possible else None)
    return Exercise(made, tuple(targets))


def _another(word: Word, strangers: Sequence[Word], taken: set[str], chance: random.Random) -> str:
    draw = chance.random()
    if draw < _BLANK_SHARE and word.kind not in (Kind.NUMBER, Kind.BLANK):
        return f"<{chance.choice(_MADE_UP)}>"
    if draw < _BLANK_SHARE + _BORROWED_SHARE:
        fitting = [one.text for one in strangers if may_replace(word, one)]
        new = chance.choice(fitting) if fitting else ""
        if new and new not in taken:
            return new
    return _made_up(word.text, chance)


def _made_up(name: str, chance: random.Random) -> str:
    """A name of the same form: runs of letters become words, digits become digits."""
    parts: list[str] = []
    place = 0
    while place < len(name):
        end = place
        while end < len(name) and name[end].isalpha():
            end += 1
        if end - place >= 3:
            parts.append(_cased(chance.choice(_MADE_UP), name[place:end]))
        elif end > place:
            parts.append(name[place:end])
        else:
            end = place + 1
            parts.append(str(chance.randrange(10)) if name[place].isdecimal() else name[place])
        place = end
    return "".join(parts)


def _cased(word: str, like: str) -> str:
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[0].isupper() else word
