"""Pairs of an error and a text about it, in which a name's place is told by the word before it."""

from __future__ import annotations

import random
from functools import lru_cache

import torch

from fixstream.trainer.features import HashedTokenizer, TokenizerConfig
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.network import ModelConfig
from fixstream.trainer.rewriter import Rewriter
from fixstream.trainer.rewriter_learning import RewriterLearning
from fixstream.trainer.substitution import TextPair

_KINDS = (
    (
        "role '{a}' is missing on server {b} port {n}",
        "A role is not there.\nOn server {b} port {n} run create role {a}; see `pg_hba.conf`.",
    ),
    (
        "volume {a} of host {b} is full after {n} writes",
        "A volume is full.\nFree space in volume {a} of host {b}; {n} writes went to `syslog.1`.",
    ),
    (
        "topic {a} is unknown to broker {b}, waited {n} ms",
        "A topic does not exist.\nCreate topic {a}, and let broker {b} take it within {n} ms.",
    ),
)
_STEPS = 100
SMALL_MODEL = ModelConfig(
    vocab_size=4000,
    embedding_dim=32,
    hidden_dim=32,
    num_heads=2,
    num_layers=1,
    max_sequence_length=128,
    solution_dim=8,
    wide_buckets=256,
    memory_places=0,
)
TOKENIZER = HashedTokenizer(TokenizerConfig(vocab_size=4000, max_tokens=128))
ERROR = "role 'billing_ro' is missing on server node-7.prod port 6432"
FIX = (
    "A role is not there.\n"
    "On server node-1.test port 5432 run create role orders_rw; see `pg_hba.conf`."
)
ADAPTED = (
    "A role is not there.\n"
    "On server node-7.prod port 6432 run create role billing_ro; see `pg_hba.conf`."
)


def text_pair(number: int) -> TextPair:
    """Pair number `number` of an endless stream; the names are its own."""
    chance = random.Random(number)
    names = {
        "a": f"{chance.choice(('orders', 'users', 'items', 'carts'))}_{chance.randrange(90)}",
        "b": f"node-{chance.randrange(90)}.{chance.choice(('prod', 'test', 'stage'))}",
        "n": chance.randrange(1000, 9999),
    }
    error, about = _KINDS[number % len(_KINDS)]
    return TextPair(error.format(**names), about.format(**names))


@lru_cache(maxsize=1)
def taught_model() -> TrainedModel:
    """A tiny model whose decoder has seen enough pairs to be sure; its network is as it began."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # These products are too small to be shared.
    try:
        return _taught_model()
    finally:
        torch.set_num_threads(num_threads)


def _taught_model() -> TrainedModel:
    model = TrainedModel.fresh(SMALL_MODEL, TOKENIZER)
    model.rewriter = Rewriter.fresh(SMALL_MODEL.embedding_dim, seed=0)
    learning = RewriterLearning(model.rewriter)
    for step in range(_STEPS):
        learning.learn([text_pair(number) for number in range(step * 6, step * 6 + 6)], model, step)
    return model
