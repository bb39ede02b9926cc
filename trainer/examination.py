"""What a model answers to the held-out examples, and what its answers cost.

It reads a model that nobody changes meanwhile, and decides nothing: that is the gate's part.
"""

from __future__ import annotations

import time

import numpy as np

from fixstream.trainer.features import cropped, length_buckets
from fixstream.trainer.gate import FEWEST_TIMED, Answers, Cost, ValidationSet
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.network import HEADS
from fixstream.trainer.rewriter import PREFIX as DECODER
from fixstream.trainer.wide import Floats

_MAX_TOKENS_AT_ONCE = 1024
"""Few, for it is done beside the training, in the same memory."""


def answers_of(model: TrainedModel, validation: ValidationSet, max_tokens: int) -> Answers:
    """The model's answers to the members, each cut to so many tokens."""
    members = [cropped(member.encoded, max_tokens) for member in validation.members]
    probabilities: dict[str, Floats] = {
        head: np.zeros((len(members), len(classes)), np.float32) for head, classes in HEADS.items()
    }
    for bucket in length_buckets(members, _MAX_TOKENS_AT_ONCE):
        found = model.probabilities([members[index] for index in bucket])
        for head, rows in found.items():
            probabilities[head][list(bucket)] = rows
    choices = {
        head: mixture.choices(probabilities[head]) for head, mixture in model.mixture.heads.items()
    }
    return validation.score(probabilities, choices)


def costed_answers(
    model: TrainedModel, validation: ValidationSet, max_tokens: int
) -> tuple[Answers, Cost]:
    """`answers_of`, and what they cost: CPU time of this thread, for each of them."""
    started = time.thread_time()
    answers = answers_of(model, validation, max_tokens)
    seconds = (time.thread_time() - started) / max(len(validation.members), 1)
    weights = model.tensors().items()
    size = sum(tensor.nbytes for name, tensor in weights if not name.startswith(DECODER))
    is_measured = len(validation.members) >= FEWEST_TIMED
    return answers, Cost(size, seconds if is_measured else 0.0)
