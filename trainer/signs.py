"""What an error shows besides its words: whose it is, what the rules claim, how long its parts are.

Each sign is one hashed number, as words are, so that a path can count or weigh it. Some signs are
pairs: a long text means another thing in one service than in the next. Lengths are in coarse steps,
for what tells is whether there is a trace at all and whether somebody wrote one line or fifty. The
module counts nothing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.claims import Claims
from fixstream.trainer.features import FIRST_SUBWORD, Encoded, Special

_MIX = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_STEPS_A_DOUBLING = 1.5
_NUMBERS = (Special.NUMBER, Special.HEX)
_MARKERS = (Special.TYPE, Special.MESSAGE, Special.BODY, Special.TRACE)


def signs(encoded: Encoded) -> NDArray[np.uint64]:
    """The well-mixed hashes of an error's signs, the same number for every error."""
    return _signs(encoded.token_ids, encoded.service_id, encoded.claims)


@lru_cache(maxsize=4096)
def _signs(token_ids: tuple[int, ...], service: int, claims: Claims) -> NDArray[np.uint64]:
    error_type, lengths = _parts(token_ids)
    title, body, trace, numbers = map(_step, lengths)
    category, _, severity = claims
    found = (
        (service,),
        (error_type,),
        (title,),
        (body,),
        (trace,),
        (numbers,),
        (service, body),
        (service, trace),
        (service, category),
        (service, severity),
        (service, error_type),
        (body, trace),
        (body, title),
    )
    return np.array([_hashed(kind, *sign) for kind, sign in enumerate(found)], np.uint64)


def _parts(token_ids: tuple[int, ...]) -> tuple[int, tuple[int, int, int, int]]:
    """A hash of the error type, and how many tokens title, body, trace and numbers have."""
    error_type = field = 0
    lengths = dict.fromkeys(_MARKERS, 0)
    numbers = 0
    for token in token_ids:
        if token in lengths:
            field = token
        elif field and (token >= FIRST_SUBWORD or token in _NUMBERS):
            lengths[Special(field)] += 1
            numbers += token in _NUMBERS
            if field == Special.TYPE:
                error_type = _hashed(error_type, token)
    title, body, trace = (lengths[m] for m in (Special.MESSAGE, Special.BODY, Special.TRACE))
    return error_type, (title, body, trace, numbers)


def _step(count: int) -> int:
    return int(np.log2(1 + count) * _STEPS_A_DOUBLING)


def _hashed(*numbers: int) -> int:
    mixed = 0
    for number in numbers:
        mixed = ((mixed ^ number) + 1) * _MIX & _MASK
        mixed ^= mixed >> 32
    return mixed
