"""Tallies: how often each class was the truth where a sign stood, for signs that are no words.

Two paths come of them. "rules": the claim that the rules make of the text, which counts as much as
a few answers until people have said how often just this claim is right. "signs": whose error it is
and what shape it has (`signs.py`). Each sign is judged as naive Bayes would judge it, but believed
for a part only, for the signs of one error say much the same. Counts fade, since rules and services
change. The module knows no texts.

Shape legend: B errors, N signs of one error, S places, K classes of one head, C classes of all
heads side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.claims import NO_SIGN, claimed, num_claims
from fixstream.trainer.features import Encoded
from fixstream.trainer.network import HEADS
from fixstream.trainer.signs import signs
from fixstream.trainer.wide import COLUMNS, NUM_COLUMNS, Floats, Target

NUM_PLACES = 2**15
"""Signs are told apart by so many hashes."""
_KEEP_CLAIM = 0.998
"""An answer counts half after some 350 others with the same claim."""
_KEEP_SIGN = 0.9995
"""Signs are many and seen rarely: half after some 1,400."""
_BACK_OFF = 2.0
"""How many answers the common shares of the classes are worth beside those of one claim."""
_SIGN_BACK_OFF = 3.0
_SIGN_SHARE = 0.3
"""How far one sign is believed beside the others of the same error."""
_CLAIM_WEIGHT = 10.0
"""How many answers a rule's own confidence is worth."""
_LEAST_SHARES = 2.0
"""A claim means at least twice an even share for its class, however unsure the rule is."""
_HEADS = tuple(HEADS)


class Tallies:
    """Fading counts by claim and by sign."""

    def __init__(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self._signs: Floats = np.array(state["signs"], dtype=np.float32)  # [S, C]
        self._common: Floats = np.array(state["common"], dtype=np.float32)  # [C]
        self._claims: dict[str, Floats] = {
            head: np.array(state[f"claims.{head}"], dtype=np.float32) for head in HEADS
        }  # [claims, K]
        shapes = {name: array.shape for name, array in self.state().items()}
        if shapes != _shapes():
            raise ValueError("the tallies' arrays are of another size")

    @classmethod
    def fresh(cls) -> Tallies:
        """Tallies that believe what the rules say of themselves, and know no sign."""
        state = {name: np.zeros(shape, np.float32) for name, shape in _shapes().items()}
        for columns in COLUMNS.values():
            state["common"][columns] = 0.5 / (columns.stop - columns.start)
        for head, classes in HEADS.items():
            state[f"claims.{head}"] = _believed(len(classes))
        return cls(state)

    def state(self) -> dict[str, Floats]:
        """The live arrays by name."""
        claims = {f"claims.{head}": counts for head, counts in self._claims.items()}
        return {"signs": self._signs, "common": self._common, **claims}

    def logits(self, encoded: Sequence[Encoded]) -> dict[str, dict[str, Floats]]:
        """Log shares: path -> head -> [B, K]."""
        by_sign = self._signs[np.stack([_places(one) for one in encoded])]  # [B, N, C]
        found: dict[str, dict[str, Floats]] = {"rules": {}, "signs": {}}
        for place, head in enumerate(_HEADS):
            common = self._common[COLUMNS[head]]
            shares = common / common.sum()
            claims = self._claims[head][[one.claims[place] for one in encoded]]
            found["rules"][head] = _log_shares(claims, shares, _BACK_OFF)
            told = _log_shares(by_sign[:, :, COLUMNS[head]], shares, _SIGN_BACK_OFF)
            log_common = np.log(shares)
            found["signs"][head] = log_common + _SIGN_SHARE * (told - log_common).sum(axis=1)
        return found

    def add(self, encoded: Encoded, targets: Mapping[str, Target]) -> None:
        """Counts the labels of one error; a rule's claim tells nothing of a sign."""
        places = np.unique(_places(encoded))
        for place, head in enumerate(_HEADS):
            target = targets[head]
            if target.weight <= 0.0:
                continue
            weight = min(target.weight, 1.0)
            column = COLUMNS[head].start + target.index
            self._common[COLUMNS[head]] *= _KEEP_SIGN
            self._common[column] += weight
            if encoded.claims[place] != NO_SIGN:
                row = self._claims[head][encoded.claims[place]]
                row *= _KEEP_CLAIM
                row[target.index] += weight
            if not target.is_claimed:
                self._signs[places, COLUMNS[head]] *= _KEEP_SIGN
                self._signs[places, column] += weight


def _places(encoded: Encoded) -> NDArray[np.int64]:
    return (signs(encoded) % np.uint64(NUM_PLACES)).astype(np.int64)


def _log_shares(counts: Floats, common: Floats, back_off: float) -> Floats:
    """Of counts [..., K], drawn towards the common shares [K] where they are few."""
    smoothed = counts + back_off * common
    return np.asarray(np.log(smoothed / smoothed.sum(axis=-1, keepdims=True)), np.float32)


def _shapes() -> dict[str, tuple[int, ...]]:
    claims = {f"claims.{head}": (num_claims(len(c)), len(c)) for head, c in HEADS.items()}
    return {"signs": (NUM_PLACES, NUM_COLUMNS), "common": (NUM_COLUMNS,), **claims}


def _believed(num_classes: int) -> Floats:
    """[claims, K] what each claim counts before anybody has answered."""
    counts = np.zeros((num_claims(num_classes), num_classes), np.float32)
    for claim in range(1, len(counts)):
        index, confidence = claimed(claim)
        share = max(confidence, min(_LEAST_SHARES / num_classes, 0.9))
        counts[claim] = _CLAIM_WEIGHT * (1.0 - share) / (num_classes - 1)
        counts[claim, index] = _CLAIM_WEIGHT * share
    return counts
