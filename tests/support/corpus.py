"""Fixes and errors made of invented words, drawn as natural language draws them.

The right fix of each error is known, and has rivals: many fixes share a component's name, and all
share common words. Also a plain BM25 with fields, to compare with.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

NUM_WORDS = 4_000
SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
NUM_COMPONENTS = 25


@dataclass(frozen=True)
class MadeFix:
    """A fix: a title, and a text."""

    solution_id: str
    title: str
    text: str


@dataclass(frozen=True)
class MadeError:
    """An error message (a first line and more), and the id of its fix."""

    message: str
    right: str


class Corpus:
    """`fixes`, and `errors` that each have one of them."""

    def __init__(self, seed: int, num_fixes: int, num_errors: int) -> None:
        self._random = random.Random(seed)
        spell = self._random.choice
        self._words = sorted(
            {
                "".join(spell(SYLLABLES) for _ in range(spell((2, 3, 3, 4))))
                for _ in range(NUM_WORDS)
            }
        )
        self._random.shuffle(self._words)
        self._weights = list(
            itertools.accumulate(1 / (rank + 8) for rank in range(len(self._words)))
        )
        self._components = self._drawn(NUM_COMPONENTS)
        self.fixes = [self._fix(number) for number in range(num_fixes)]
        self.errors = [self._error(self._random.choice(self.fixes)) for _ in range(num_errors)]

    def _drawn(self, num: int) -> list[str]:
        return self._random.choices(self._words, cum_weights=self._weights, k=num)

    def _fix(self, number: int) -> MadeFix:
        component = self._random.choice(self._components)
        title = [component, *self._drawn(6)]
        text = [*self._drawn(40), *self._random.sample(title, 3)]
        self._random.shuffle(text)
        return MadeFix(f"fix-{number:05}", " ".join(title), " ".join(text))

    def _error(self, fix: MadeFix) -> MadeError:
        """A third of the title among other words, and a body about something else."""
        chance = self._random.random
        said = [word for word in fix.title.split() if chance() < 0.3]
        said += self._drawn(3)
        self._random.shuffle(said)
        body = [*self._random.sample(fix.text.split(), 3), *self._drawn(25)]
        self._random.shuffle(body)
        number = self._random.randrange(10_000, 99_999)
        return MadeError(f"{' '.join(said)} {number}\n{' '.join(body)}", fix.solution_id)


class FieldedBm25:
    """BM25 as it is commonly set up (k1 1.2, b 0.75) with titles counted three times."""

    def __init__(self, fixes: Sequence[MadeFix]) -> None:
        self._ids = [fix.solution_id for fix in fixes]
        bags = [_bag(fix.title, fix.text) for fix in fixes]
        lengths = [sum(bag.values()) for bag in bags]
        mean = sum(lengths) / len(lengths)
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for index, (bag, length) in enumerate(zip(bags, lengths, strict=True)):
            norm = 1.2 * (0.25 + 0.75 * length / mean)
            for word, count in bag.items():
                self._postings[word].append((index, count * 2.2 / (count + norm)))

    def search(self, message: str, limit: int) -> list[str]:
        """The ids of the best fixes, best first."""
        title, _, body = message.partition("\n")
        scores: dict[int, float] = defaultdict(float)
        for word, weight in _bag(title, body).items():
            postings = self._postings.get(word, [])
            rarity = math.log1p((len(self._ids) - len(postings) + 0.5) / (len(postings) + 0.5))
            for index, share in postings:
                scores[index] += weight * rarity * share
        best = sorted(scores, key=lambda index: -scores[index])[:limit]
        return [self._ids[index] for index in best]


def reciprocal_rank(found: Sequence[str], right: str) -> float:
    """One over the place of the right one; 0 where it is missing."""
    return 1 / (1 + found.index(right)) if right in found else 0.0


def _bag(title: str, body: str) -> Counter[str]:
    bag = Counter(re.findall(r"\w+", body.lower()))
    for word in re.findall(r"\w+", title.lower()):
        bag[word] += 3
    return bag
