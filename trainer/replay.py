"""Examples kept to be trained on again, so that the newest kind of error does not drown the others.

Class-balancing reservoir (after Chrysakis and Moens, "Online Continual Learning from Imbalanced
Data", 2020): a full buffer makes room in its largest class, and no group may hold more than a few
places. Every choice is a function of the seed and of how many examples came before, so a resumed
run makes the same ones. The buffer never trains and never forgets its bounds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from fixstream.trainer.examples import (
    NO_SOLUTION,
    LearningExample,
    from_tensors,
    to_tensors,
)

_MAX_OF_GROUP = 8
_PARTNER_SHARE = 0.5
"""Part of a draw that looks for partners of the new examples: same fix or same group."""


class ReplayBuffer:
    """At most `capacity` examples; `seed` decides which."""

    def __init__(self, capacity: int, seed: int) -> None:
        if capacity < 0:
            raise ValueError(f"capacity must not be negative: {capacity}")
        self.capacity = capacity
        self._seed = seed
        self._num_added = 0
        self._places: list[LearningExample] = []
        self._by_class: dict[int, list[int]] = defaultdict(list)
        self._by_key: dict[int, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, example: LearningExample) -> None:
        """Keeps the example, or another one in its stead."""
        self._num_added += 1
        if self.capacity == 0:
            return
        random = np.random.default_rng((self._seed, 1, self._num_added))
        of_group = self._by_key.get(example.group, [])
        if len(of_group) >= _MAX_OF_GROUP:
            self._replace(of_group[int(random.integers(len(of_group)))], example)
        elif len(self._places) < self.capacity:
            self._places.append(example)
            self._index(len(self._places) - 1)
        else:
            # Ties go to the class that came first, so that the choice can be repeated.
            largest = max(self._by_class.values(), key=len)
            self._replace(largest[int(random.integers(len(largest)))], example)

    def draw(
        self, count: int, partners_of: Sequence[LearningExample], step: int
    ) -> list[LearningExample]:
        """Up to `count` different examples: partners of the new ones first, then by class.

        Args:
            count: how many at most.
            partners_of: the new examples of the step.
            step: number of the step; the same step draws the same examples.
        """
        if count <= 0 or not self._places:
            return []
        random = np.random.default_rng((self._seed, 2, step))
        chosen: dict[int, None] = {}
        for example in partners_of:
            if len(chosen) >= int(count * _PARTNER_SHARE):
                break
            candidates = [p for p in self._partners(example) if p not in chosen]
            if candidates:
                chosen[candidates[int(random.integers(len(candidates)))]] = None
        classes = sorted(self._by_class)
        for _ in range(4 * count):  # A class may be drawn empty of new places: bounded tries.
            if len(chosen) >= min(count, len(self._places)):
                break
            places = self._by_class[classes[int(random.integers(len(classes)))]]
            chosen[places[int(random.integers(len(places)))]] = None
        return [self._places[place] for place in chosen]

    def class_counts(self) -> Counter[int]:
        """Number of places each class holds."""
        return Counter({key: len(places) for key, places in self._by_class.items() if places})

    def copied(self) -> ReplayBuffer:
        """A copy that later additions leave alone; the examples are shared."""
        copied = ReplayBuffer(self.capacity, self._seed)
        copied._num_added = self._num_added
        copied._places = list(self._places)
        copied._by_class = _copied(self._by_class)
        copied._by_key = _copied(self._by_key)
        return copied

    def state_tensors(self) -> dict[str, Tensor]:
        """The buffer as tensors; the order of the places is part of it."""
        index = {
            f"{name}.{part}": tensor
            for name, table in (("by_class", self._by_class), ("by_key", self._by_key))
            for part, tensor in _table_tensors(table).items()
        }
        return {
            **to_tensors(self._places),
            **index,
            "num_added": torch.tensor([self._num_added]),
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The reverse of `state_tensors`; a smaller capacity keeps the first places."""
        self._places = from_tensors(tensors)
        self._num_added = int(tensors["num_added"][0])
        self._by_class = _table(tensors, "by_class")
        self._by_key = _table(tensors, "by_key")
        if len(self._places) > self.capacity:
            self._places = self._places[: self.capacity]
            self._by_class, self._by_key = defaultdict(list), defaultdict(list)
            for place in range(len(self._places)):
                self._index(place)

    def _partners(self, example: LearningExample) -> Sequence[int]:
        same_fix = self._by_key.get(example.solution, [])
        return same_fix or self._by_key.get(example.group, [])

    def _replace(self, place: int, example: LearningExample) -> None:
        for table, key in self._entries(place):
            table[key].remove(place)
            if not table[key]:
                del table[key]
        self._places[place] = example
        self._index(place)

    def _index(self, place: int) -> None:
        for table, key in self._entries(place):
            table[key].append(place)

    def _entries(self, place: int) -> list[tuple[dict[int, list[int]], int]]:
        example = self._places[place]
        entries = [(self._by_class, _class_key(example)), (self._by_key, example.group)]
        if example.solution != NO_SOLUTION:
            entries.append((self._by_key, example.solution))
        return entries


def _class_key(example: LearningExample) -> int:
    """All heads' classes as one number; an unknown label is a class of its own."""
    key = 0
    for index, weight in zip(example.classes, example.weights, strict=True):
        key = key * 32 + (index + 1 if weight > 0 else 0)
    return key


def _copied(table: Mapping[int, list[int]]) -> defaultdict[int, list[int]]:
    return defaultdict(list, {key: list(places) for key, places in table.items()})


def _table_tensors(table: Mapping[int, list[int]]) -> dict[str, Tensor]:
    return {
        "keys": torch.tensor(list(table), dtype=torch.int64),
        "sizes": torch.tensor([len(places) for places in table.values()], dtype=torch.int64),
        "places": torch.tensor([p for places in table.values() for p in places], dtype=torch.int64),
    }


def _table(tensors: Mapping[str, Tensor], name: str) -> defaultdict[int, list[int]]:
    places: list[int] = tensors[f"{name}.places"].tolist()
    table: defaultdict[int, list[int]] = defaultdict(list)
    first = 0
    for key, size in zip(
        tensors[f"{name}.keys"].tolist(), tensors[f"{name}.sizes"].tolist(), strict=True
    ):
        table[key] = places[first : first + size]
        first += size
    return table
