"""Chooses the arithmetic that a model is served in: the fastest here that answers alike.

float32 is exact; bfloat16 is fast on CPUs that have it and slow elsewhere; int8 quantises the
encoder's weights once and its activations on the fly. What is faster depends on the machine, and
what is safe on the weights: the first models are measured, and each one is compared with float32
before it serves.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import structlog
import torch
from torch import nn

from fixstream.inference import metrics
from fixstream.inference.served import ErrorText
from fixstream.trainer.model import Prediction, TrainedModel
from fixstream.trainer.precision import Precision

log = structlog.get_logger(__name__)

MIN_AGREEMENT = 0.98
"""Cosine of embeddings, and one minus the largest difference of a probability, that a faster
arithmetic has to keep on every text."""
MIN_SPEED_UP = 1.15
NUM_AGREEING = 2
"""Measurements in a row that have to name the same arithmetic before no more are made."""
HOPELESS = 2.0
MAX_TURNS = 12
MEASURING_S = 0.3


class Arithmetic(StrEnum):
    """What the encoder's matrix products are made in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


Rebuild = Callable[[], TrainedModel]
"""A second model over the same tensors, without copying them."""


def prepared(model: TrainedModel, arithmetic: Arithmetic, rebuild: Rebuild) -> TrainedModel:
    """The model in one arithmetic; `model` itself is left as it is for int8."""
    if arithmetic is Arithmetic.INT8:
        return _quantised(rebuild())
    faster = rebuild()
    faster.precision = Precision(arithmetic.value)
    return faster


@dataclass(frozen=True, slots=True)
class Choice:
    """A model in the arithmetic that was chosen for it."""

    model: TrainedModel
    arithmetic: Arithmetic
    hopeless: frozenset[Arithmetic] = frozenset()
    """What was slower than float32 by so much that it need not be measured again here."""


class Chooser:
    """Knows what is fast on this machine after the first models, and has each later one checked."""

    def __init__(self, wanted: str = "auto") -> None:
        """Has measured nothing yet.

        Args:
            wanted: `auto` measures; else the name of an Arithmetic, which is then taken as it is.
        """
        self._wanted = wanted
        self._hopeless: frozenset[Arithmetic] = frozenset()
        self._measured: list[Arithmetic] = []

    @property
    def settled(self) -> Arithmetic | None:
        """What is taken without another measurement, as long as it answers like float32."""
        last = self._measured[-NUM_AGREEING:]
        return last[0] if len(last) == NUM_AGREEING and len(set(last)) == 1 else None

    def choose(
        self,
        model: TrainedModel,
        exact: Sequence[Prediction],
        rebuild: Rebuild,
        texts: Sequence[ErrorText],
    ) -> Choice:
        """The arithmetic for one model, whose own answers to `texts` are `exact`; see `fastest`."""
        if self._wanted != "auto":
            arithmetic = Arithmetic(self._wanted)
            return Choice(prepared(model, arithmetic, rebuild), arithmetic)
        if self.settled is not None:
            return _checked(self.settled, model, exact, rebuild, texts)
        choice = fastest(model, rebuild, texts, self._hopeless)
        self._hopeless = choice.hopeless
        self._measured.append(choice.arithmetic)
        return choice


def _checked(
    arithmetic: Arithmetic,
    model: TrainedModel,
    exact: Sequence[Prediction],
    rebuild: Rebuild,
    texts: Sequence[ErrorText],
) -> Choice:
    if arithmetic is not Arithmetic.FLOAT32:
        faster = prepared(model, arithmetic, rebuild)
        agrees = agreement(exact, faster.predict(texts))
        if agrees >= MIN_AGREEMENT:
            return Choice(faster, arithmetic)
        log.warning("arithmetic not safe for this model", arithmetic=arithmetic, agreement=agrees)
    return Choice(model, Arithmetic.FLOAT32)


def fastest(
    model: TrainedModel,
    rebuild: Rebuild,
    texts: Sequence[ErrorText],
    hopeless: frozenset[Arithmetic] = frozenset(),
) -> Choice:
    """The fastest variant that agrees with float32 on all of `texts`, the last of which is timed.

    Args:
        model: In float32.
        rebuild: Makes another one over the same tensors.
        texts: At least one.
        hopeless: What earlier choices on this machine have ruled out.
    """
    exact = model.predict(texts)
    variants = {Arithmetic.FLOAT32: model}
    for arithmetic in sorted({Arithmetic.BFLOAT16, Arithmetic.INT8} - hopeless):
        variants[arithmetic] = prepared(model, arithmetic, rebuild)
    seconds = _best_seconds(variants, texts[-1:])
    chosen = Arithmetic.FLOAT32
    for arithmetic in sorted(seconds, key=lambda one: seconds[one]):
        is_faster = seconds[arithmetic] * MIN_SPEED_UP < seconds[Arithmetic.FLOAT32]
        if is_faster and agreement(exact, variants[arithmetic].predict(texts)) >= MIN_AGREEMENT:
            chosen = arithmetic
            break
    for one, taken in seconds.items():
        metrics.ARITHMETIC_SECONDS.labels(one.value).set(taken)
    times_ms = {f"{one}_ms": round(1000 * taken, 2) for one, taken in seconds.items()}
    log.info("arithmetic chosen", arithmetic=chosen.value, **times_ms)
    too_slow = {
        one for one, taken in seconds.items() if taken > HOPELESS * seconds[Arithmetic.FLOAT32]
    }
    return Choice(variants[chosen], chosen, hopeless | too_slow)


def agreement(exact: Sequence[Prediction], faster: Sequence[Prediction]) -> float:
    """How alike two models answer, 1 for equal: the worst over all texts, heads and embeddings."""
    return min(_agreement(a, b) for a, b in zip(exact, faster, strict=True))


def _agreement(exact: Prediction, faster: Prediction) -> float:
    cosine = float(np.dot(exact.embedding, faster.embedding))
    gaps = [
        abs(p - getattr(faster, head).probabilities[name])
        for head in ("category", "domain", "severity")
        for name, p in getattr(exact, head).probabilities.items()
    ]
    return min(cosine, 1.0 - float(max(gaps)))


def _best_seconds(
    variants: dict[Arithmetic, TrainedModel], texts: Sequence[ErrorText]
) -> dict[Arithmetic, float]:
    """The least time of each, measured in turns so that a busy moment hits all.

    It is this thread's time on a processor, which is all there is of it: loading has one torch
    thread. What else the machine does, and that loading stands back for it, does not count.
    """
    best = dict.fromkeys(variants, float("inf"))
    until = time.thread_time() + MEASURING_S
    for turn in range(MAX_TURNS):
        for arithmetic, variant in variants.items():
            started = time.thread_time()
            variant.predict(texts)
            best[arithmetic] = min(best[arithmetic], time.thread_time() - started)
        if turn >= 2 and time.thread_time() > until:
            break
    return best


def _quantised(model: TrainedModel) -> TrainedModel:
    with warnings.catch_warnings():
        # Torch would have us use a package of its own for this; the kernels are the same.
        warnings.simplefilter("ignore")
        torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            model.network.layers, {nn.Linear}, dtype=torch.qint8, inplace=True
        )
    return model
