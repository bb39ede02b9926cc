"""A training example as the learner holds it: ids and numbers, no text.

Texts are encoded once, on arrival; replay and the validation set keep ids only, so that no error
text lies in a checkpoint. Labels become class indices with a weight that says how much to believe
them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, TrainingExample
from fixstream.trainer.features import Encoded, ErrorText, Special, Tokenizer
from fixstream.trainer.network import HEADS
from fixstream.trainer.wide import Target

_TRUST: dict[LabelSource, float] = {
    LabelSource.OPERATOR: 1.0,
    LabelSource.FEEDBACK: 1.0,
    LabelSource.REPORTER: 1.0,
    LabelSource.CRAWLER: 0.6,
    LabelSource.RULE: 0.5,
    # Learning from one's own predictions only makes them louder.
    LabelSource.MODEL: 0.0,
}
_MAX_OCCURRENCE_WEIGHT = 3.0
NO_SOLUTION = 0
HEAD_NAMES = tuple(HEADS)


@dataclass(frozen=True, slots=True)
class LearningExample:
    """One encoded example; `classes` and `weights` stand in the order of `HEADS`."""

    encoded: Encoded
    classes: tuple[int, ...]
    weights: tuple[float, ...]
    """Per head, how much its label counts; 0 where it is not known."""
    group: int
    """Hash of the fingerprint."""
    solution: int = NO_SOLUTION
    """Hash of the solution's id."""

    def target(self, head: str) -> Target:
        """What one head should say."""
        index = HEAD_NAMES.index(head)
        return Target(self.classes[index], self.weights[index])

    def targets(self) -> Mapping[str, Target]:
        """What all heads should say."""
        return {head: self.target(head) for head in HEADS}


def learning_example(example: TrainingExample, tokenizer: Tokenizer) -> LearningExample:
    """Encodes one example of a batch."""
    labels = (example.labels.category, example.labels.domain, example.labels.severity)
    pairs = [
        _class_and_weight(label, classes)
        for label, classes in zip(labels, HEADS.values(), strict=True)
    ]
    scale = _example_weight(example)
    return LearningExample(
        encoded=tokenizer.encode(ErrorText.from_example(example)),
        classes=tuple(index for index, _ in pairs),
        weights=tuple(weight * scale for _, weight in pairs),
        group=stable_hash(example.fingerprint),
        solution=stable_hash(example.solution_id) if example.solution_id else NO_SOLUTION,
    )


def stable_hash(text: str) -> int:
    """63 bits that are the same on every machine, and never `NO_SOLUTION`."""
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 1) or 1


def cropped(encoded: Encoded, max_tokens: int) -> Encoded:
    """The head and the tail of a sequence that is longer than `max_tokens`."""
    ids = encoded.token_ids
    if len(ids) <= max_tokens:
        return encoded
    tail = (max_tokens - 1) // 3
    kept = (*ids[: max_tokens - 1 - tail], int(Special.CUT), *ids[len(ids) - tail :])
    return Encoded(kept, encoded.domain_id, encoded.severity_id)


def _class_and_weight(label: Label, classes: Sequence[str]) -> tuple[int, float]:
    if label.value not in classes:
        return 0, 0.0
    confidence = min(max(label.confidence, 0.0), 1.0)
    return classes.index(label.value), _TRUST[label.source] * confidence


def _example_weight(example: TrainingExample) -> float:
    # An error seen a thousand times matters more than one seen once, but not a thousand times.
    frequency = min(1.0 + math.log10(max(example.occurrences, 1)), _MAX_OCCURRENCE_WEIGHT)
    weight = example.weight if math.isfinite(example.weight) else 0.0
    return frequency * min(max(weight, 0.0), 10.0)


def to_tensors(examples: Sequence[LearningExample]) -> dict[str, Tensor]:
    """The examples as tensors, for a checkpoint."""
    tokens = [token for example in examples for token in example.encoded.token_ids]
    return {
        "tokens": torch.tensor(tokens, dtype=torch.int32),
        "lengths": torch.tensor([len(e.encoded.token_ids) for e in examples], dtype=torch.int32),
        "hints": torch.tensor(
            [(e.encoded.domain_id, e.encoded.severity_id) for e in examples], dtype=torch.int32
        ).view(-1, 2),
        "classes": torch.tensor([e.classes for e in examples], dtype=torch.int32).view(
            -1, len(HEADS)
        ),
        "weights": torch.tensor([e.weights for e in examples], dtype=torch.float64).view(
            -1, len(HEADS)
        ),
        "keys": torch.tensor([(e.group, e.solution) for e in examples], dtype=torch.int64).view(
            -1, 2
        ),
    }


def from_tensors(tensors: Mapping[str, Tensor]) -> list[LearningExample]:
    """The reverse of `to_tensors`; raises KeyError or ValueError where something is missing."""
    tokens: list[int] = tensors["tokens"].tolist()
    rows = zip(
        tensors["lengths"].tolist(),
        tensors["hints"].tolist(),
        tensors["classes"].tolist(),
        tensors["weights"].tolist(),
        tensors["keys"].tolist(),
        strict=True,
    )
    examples = []
    first = 0
    for length, (domain_id, severity_id), classes, weights, (group, solution) in rows:
        encoded = Encoded(tuple(tokens[first : first + length]), domain_id, severity_id)
        examples.append(LearningExample(encoded, tuple(classes), tuple(weights), group, solution))
        first += length
    if first != len(tokens):
        raise ValueError("tokens are left over")
    return examples
