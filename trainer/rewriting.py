"""What there is to decide when a fix is rewritten for an error, and the text that comes of it.

Slots are the names of the fix that the error does not have; candidates are the names of the error
that the fix does not have. A decision keeps a slot or puts a candidate in all its places. The first
line of a fix is its title: it is read but never rewritten, for it says which fix this is. Nothing
here is learnt.

Shape letters as in `decoder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fixstream.trainer.decoder import KEEP, NUM_RELATIONS, NUM_SLOT_SIGNS, DecoderInput
from fixstream.trainer.features import Encoded, Special, Tokenizer
from fixstream.trainer.network import ErrorLearningModel, pack
from fixstream.trainer.precision import Precision
from fixstream.trainer.words import Word, is_masked, may_replace, places_of, words_of

MAX_TOKENS = 256
"""Of either text so much is read; what comes later in a fix stands as it is."""
MAX_SLOTS = 32
MAX_CANDIDATES = 32
_CONTEXT_WORDS = 4
_FEWEST_CONTEXT_CHARS = 3


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text as the network reads it, with the tokens of each word."""

    text: str
    words: tuple[Word, ...]
    encoded: Encoded
    tokens: tuple[tuple[int, int], ...]
    """First and next token of each word."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A fix before it is rewritten: S slots, C candidates, and what is known of them."""

    error: ReadText
    fix: ReadText
    slots: tuple[tuple[int, ...], ...]
    """Places of each slot among the words of the fix."""
    candidates: tuple[tuple[int, ...], ...]
    """Places of each candidate among the words of the error."""
    relations: Tensor  # [S, C, R]
    slot_signs: Tensor  # [S, P]
    allowed: Tensor  # [S, C]

    def slot(self, index: int) -> str:
        """The name that stands in a slot now."""
        return self.fix.words[self.slots[index][0]].text

    def candidate(self, index: int) -> str:
        """The name that a candidate is."""
        return self.error.words[self.candidates[index][0]].text


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of one slot."""

    slot: int
    candidate: int | None
    """None keeps it."""
    probability: float


def draft(error_text: str, fix_text: str, tokenizer: Tokenizer) -> Draft | None:
    """Lays out what there is to decide; None where there is nothing.

    Args:
        error_text: message of the error, scrubbed.
        fix_text: title, newline and text of the fix, scrubbed.
        tokenizer: the network's.
    """
    error, fix = (_read(text, tokenizer) for text in (error_text, fix_text))
    names, said = places_of(fix.words), places_of(error.words)
    title_end = fix_text.find("\n") + 1
    slots = [
        places
        for name, places in names.items()
        if name not in said and fix.words[places[-1]].start >= title_end
    ]
    candidates = [
        places
        for name, places in said.items()
        if name not in names and not is_masked(error_text, error.words[places[0]])
    ][:MAX_CANDIDATES]
    allowed = [[_may_stand(fix, one, error, other) for other in candidates] for one in slots]
    kept = [index for index, row in enumerate(allowed) if any(row)][:MAX_SLOTS]
    if not kept:
        return None
    chosen = tuple(slots[index] for index in kept)
    fits = np.array([allowed[index] for index in kept])
    relations = _relations(fix, chosen, error, candidates, fits)
    return Draft(
        error,
        fix,
        chosen,
        tuple(candidates),
        torch.from_numpy(relations),
        torch.from_numpy(_slot_signs(fix, chosen, title_end, fits, relations)),
        torch.from_numpy(fits),
    )


def decoder_inputs(
    drafts: Sequence[Draft], network: ErrorLearningModel, precision: Precision
) -> list[DecoderInput]:
    """Reads both texts of each draft by the encoder, whose weights learn nothing from this."""
    rows = [one.encoded for each in drafts for one in (each.error, each.fix)]
    packed = pack(rows).to(network.device)
    with torch.no_grad(), precision.autocast(network.device):
        states = network.read(packed).cpu()  # The decoder is too small for any other device.
    ends = torch.cumsum(packed.lengths, 0).tolist()
    of_row: dict[int, Tensor] = {}
    for place, row in enumerate(packed.order.tolist()):
        of_row[row] = states[ends[place] - int(packed.lengths[place]) : ends[place]]
    return [
        DecoderInput(
            error=_word_states(each.error, of_row[2 * index]),
            fix=_word_states(each.fix, of_row[2 * index + 1]),
            error_kinds=torch.tensor([int(word.kind) for word in each.error.words]),
            fix_kinds=torch.tensor([int(word.kind) for word in each.fix.words]),
            slots=_shares(each.slots, len(each.fix.words)),
            candidates=_shares(each.candidates, len(each.error.words)),
            relations=each.relations,
            slot_signs=each.slot_signs,
            allowed=each.allowed,
        )
        for index, each in enumerate(drafts)
    ]


def decide(logits: Tensor) -> list[Choice]:
    """One choice a slot, in the order of the slots; no candidate is taken twice.

    The surest slot chooses first; equal ones choose in their order.

    Args:
        logits: [S, 1 + C] as the decoder gives them.
    """
    shares = torch.softmax(logits.detach().float(), dim=1).tolist()
    order = sorted(range(len(shares)), key=lambda slot: (-max(shares[slot][1:]), slot))
    taken: set[int] = set()
    choices: dict[int, Choice] = {}
    for slot in order:
        row = shares[slot]
        free = [column for column in range(len(row)) if column == KEEP or column not in taken]
        best = max(free, key=lambda column: (row[column], -column))
        if best != KEEP:
            taken.add(best)
        choices[slot] = Choice(slot, None if best == KEEP else best - 1, row[best])
    return [choices[slot] for slot in range(len(shares))]


def rewritten(text: str, words: Sequence[Word], names: dict[str, str], first: int = 0) -> str:
    """A text with other names in the place of some of its words.

    Args:
        text: the text that the words stand in.
        words: in order.
        names: what to write for which name.
        first: what begins before this character stands as it is.
    """
    parts = []
    end = 0
    for word in words:
        if word.text in names and word.is_name and word.start >= first:
            parts += [text[end : word.start], names[word.text]]
            end = word.end
    return "".join([*parts, text[end:]])


def _read(text: str, tokenizer: Tokenizer) -> ReadText:
    ids = [int(Special.START), int(Special.MESSAGE)]
    words: list[Word] = []
    tokens: list[tuple[int, int]] = []
    limit = min(MAX_TOKENS, tokenizer.max_tokens)
    for word in words_of(text):
        pieces = tokenizer.word_ids(word.text)
        if len(ids) + len(pieces) > limit:
            break
        if pieces:
            words.append(word)
            tokens.append((len(ids), len(ids) + len(pieces)))
            ids += pieces
    return ReadText(text, tuple(words), Encoded(tuple(ids)), tuple(tokens))


def _word_states(read: ReadText, states: Tensor) -> Tensor:
    """[words, D] the mean of each word's tokens."""
    return torch.stack([states[first:after].mean(dim=0) for first, after in read.tokens])


def _shares(places: Sequence[Sequence[int]], num_words: int) -> Tensor:
    shares = torch.zeros(len(places), num_words)
    for row, each in enumerate(places):
        shares[row, list(each)] = 1.0 / len(each)
    return shares


def _may_stand(fix: ReadText, slot: Sequence[int], error: ReadText, name: Sequence[int]) -> bool:
    return may_replace(fix.words[slot[0]], error.words[name[0]])


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """The words around all places of one name."""

    before: frozenset[str]
    after: frozenset[str]
    near: frozenset[str]

    @classmethod
    def of(cls, read: ReadText, places: Sequence[int]) -> _Surroundings:
        said = [word.text.lower() for word in read.words]
        near = {
            word
            for place in places
            for word in said[max(place - _CONTEXT_WORDS, 0) : place + _CONTEXT_WORDS + 1]
            if len(word) >= _FEWEST_CONTEXT_CHARS
        }
        return cls(
            frozenset(said[place - 1] for place in places if place > 0),
            frozenset(said[place + 1] for place in places if place + 1 < len(said)),
            frozenset(near),
        )


def _relations(
    fix: ReadText,
    slots: Sequence[Sequence[int]],
    error: ReadText,
    candidates: Sequence[Sequence[int]],
    allowed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """[S, C, R] how alike a slot and a candidate stand in their texts, each from 0 to 1."""
    ours = [_Surroundings.of(fix, places) for places in slots]
    theirs = [_Surroundings.of(error, places) for places in candidates]
    title_end = len(error.text.partition("\n")[0])
    found = np.zeros((len(slots), len(candidates), NUM_RELATIONS), np.float32)
    for row, column in zip(*np.nonzero(allowed), strict=True):
        slot, name = fix.words[slots[row][0]], error.words[candidates[column][0]]
        here, there = ours[row], theirs[column]
        found[row, column] = (
            slot.kind == name.kind,
            bool(here.before & there.before),
            bool(here.after & there.after),
            min(len(here.near & there.near), 3) / 3,
            _shape(slot.text) == _shape(name.text),
            _likeness(slot.text, name.text),
            slot.is_quoted and name.is_quoted,
            1 / allowed[row].sum(),
            name.start < title_end,
            min(len(candidates[column]), 3) / 3,
        )
    return found


def _slot_signs(
    fix: ReadText,
    slots: Sequence[Sequence[int]],
    title_end: int,
    allowed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    relations: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """[S, P] what speaks for keeping a slot, or against it, whichever candidate it is."""
    found = np.zeros((len(slots), NUM_SLOT_SIGNS), np.float32)
    for row, places in enumerate(slots):
        word = fix.words[places[0]]
        found[row] = (
            word.start < title_end,
            min(len(places), 3) / 3,
            word.is_quoted,
            min(int(allowed[row].sum()), 4) / 4,
            fix.text[word.start - 1 : word.start] == "`"
            or fix.text[word.end : word.end + 1] == "`",
            relations[row, :, 1:4].max(),
        )
    return found


def _shape(name: str) -> str:
    """Runs of letters and digits as one sign each: `db-7.prod` is `a-0.a`."""
    signs = ["0" if c.isdigit() else "a" if c.isalpha() else c for c in name]
    return "".join(sign for place, sign in enumerate(signs) if signs[place - 1 : place] != [sign])


def _likeness(one: str, other: str) -> float:
    """Dice's coefficient of the pairs of letters."""
    ours, theirs = (
        {text[i : i + 2].lower() for i in range(len(text) - 1)} for text in (one, other)
    )
    total = len(ours) + len(theirs)
    return 2 * len(ours & theirs) / total if total else 0.0
