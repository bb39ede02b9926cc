"""Tallies: how often each class was the truth where a sign stood, for signs that are no words.

Two signs make two paths. "rules": the claim that the rules make of the text, which counts as much
as a few answers until people have said how often just this claim is right. "service": whose error
it is, for services differ in how grave their errors are. Counts fade, since rules and services
change. The module knows no texts.

Shape legend: S signs, K classes of one head, C classes of all heads side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.claims import NO_SIGN, NUM_SIGNS, claimed, num_claims
from fixstream.trainer.features import Encoded
from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import COLUMNS, NUM_COLUMNS, Floats, Target

_KEEP = 0.998
"""An answer counts half after some 350 others with the same sign."""
_BACK_OFF = 2.0
"""How many answers the common shares of the classes are worth beside those of one sign."""
_CLAIM_WEIGHT = 10.0
"""How many answers a rule's own confidence is worth."""
_LEAST_SHARES = 2.0
"""A claim means at least twice an even share for its class, however unsure the rule is."""
_HEADS = tuple(HEADS)


class Tallies:
    """Fading counts by sign."""

    def __init__(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self._services: Floats = np.array(state["services"], dtype=np.float32)  # [S, C]
        self._common: Floats = np.array(state["common"], dtype=np.float32)  # [C]
        self._claims: dict[str, Floats] = {
            head: np.array(state[f"claims.{head}"], dtype=np.float32) for head in HEADS
        }  # [S, K]
        shapes = {name: array.shape for name, array in self.state().items()}
        if shapes != _shapes():
            raise ValueError("the tallies' arrays are of another size")

    @classmethod
    def fresh(cls) -> Tallies:
        """Tallies that believe what the rules say of themselves, and know no service."""
        state = {name: np.zeros(shape, np.float32) for name, shape in _shapes().items()}
        for columns in COLUMNS.values():
            state["common"][columns] = 0.5 / (columns.stop - columns.start)
        for head, classes in HEADS.items():
            state[f"claims.{head}"] = _believed(len(classes))
        return cls(state)

    def state(self) -> dict[str, Floats]:
        """The live arrays by name."""
        claims = {f"claims.{head}": counts for head, counts in self._claims.items()}
        return {"services": self._services, "common": self._common, **claims}

    def logits(self, encoded: Sequence[Encoded]) -> dict[str, dict[str, Floats]]:
        """Log shares: path -> head -> [B, K]."""
        services = self._services[[one.service_id for one in encoded]]
        found: dict[str, dict[str, Floats]] = {"rules": {}, "service": {}}
        for place, head in enumerate(_HEADS):
            claims = self._claims[head][[one.claims[place] for one in encoded]]
            common = self._common[COLUMNS[head]]
            shares = common / common.sum()
            for path, counts in (("rules", claims), ("service", services[:, COLUMNS[head]])):
                smoothed = counts + _BACK_OFF * shares
                found[path][head] = np.log(smoothed / smoothed.sum(axis=1, keepdims=True))
        return found

    def add(self, encoded: Encoded, targets: Mapping[str, Target]) -> None:
        """Counts the labels of one error."""
        for place, head in enumerate(_HEADS):
            target = targets[head]
            if target.weight <= 0.0:
                continue
            weight = min(target.weight, 1.0)
            columns = COLUMNS[head]
            counts = [self._common[columns]]
            if encoded.service_id != NO_SIGN:
                counts.append(self._services[encoded.service_id, columns])
            if encoded.claims[place] != NO_SIGN:
                counts.append(self._claims[head][encoded.claims[place]])
            for row in counts:
                np.multiply(row, _KEEP, out=row)
                row[target.index] += weight


def _shapes() -> dict[str, tuple[int, ...]]:
    claims = {f"claims.{head}": (num_claims(len(c)), len(c)) for head, c in HEADS.items()}
    return {"services": (NUM_SIGNS, NUM_COLUMNS), "common": (NUM_COLUMNS,), **claims}


def _believed(num_classes: int) -> Floats:
    """[S, K] what each claim counts before anybody has answered."""
    counts = np.zeros((num_claims(num_classes), num_classes), np.float32)
    for claim in range(1, len(counts)):
        index, confidence = claimed(claim)
        share = max(confidence, min(_LEAST_SHARES / num_classes, 0.9))
        counts[claim] = _CLAIM_WEIGHT * (1.0 - share) / (num_classes - 1)
        counts[claim, index] = _CLAIM_WEIGHT * share
    return counts
