"""A training example as the learner holds it: ids and numbers, no text.

Texts are encoded once, on arrival; replay and the validation set keep ids only, so that no error
text lies in a checkpoint. Labels become class indices with a weight that says how much to believe
them.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, TrainingExample
from fixstream.trainer.features import Encoded, ErrorText, Reader
from fixstream.trainer.meanings import NO_MEANINGS
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
    claimed: tuple[bool, ...] = (False,) * len(HEADS)
    """Per head, whether only a rule gave the label."""

    def target(self, head: str) -> Target:
        """What one head should say."""
        index = HEAD_NAMES.index(head)
        return Target(self.classes[index], self.weights[index], self.claimed[index])

    def targets(self) -> Mapping[str, Target]:
        """What all heads should say."""
        return {head: self.target(head) for head in HEADS}


def learning_example(example: TrainingExample, tokenizer: Reader) -> LearningExample:
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
        claimed=tuple(label.source is LabelSource.RULE for label in labels),
    )


def without_claims(example: LearningExample, told_heads: Collection[str]) -> LearningExample:
    """The example as it teaches where people have labelled the given heads: no rule's word counts.

    Learning from rules is better than nothing, but it only teaches what the rules know already.
    """
    weights = tuple(
        0.0 if is_claimed and head in told_heads else weight
        for head, weight, is_claimed in zip(
            HEAD_NAMES, example.weights, example.claimed, strict=True
        )
    )
    return example if weights == example.weights else replace(example, weights=weights)


def stable_hash(text: str) -> int:
    """63 bits that are the same on every machine, and never `NO_SOLUTION`."""
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 1) or 1


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
    tokens = array("i")  # By and by: one long call would hold up the steps beside it.
    for example in examples:
        tokens.extend(example.encoded.token_ids)
    return {
        "tokens": torch.from_numpy(np.array(tokens, dtype=np.int32)),
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
        "claimed": torch.tensor([e.claimed for e in examples], dtype=torch.bool).view(
            -1, len(HEADS)
        ),
        "signs": torch.tensor(
            [(e.encoded.service_id, *e.encoded.claims) for e in examples], dtype=torch.int32
        ).view(-1, 1 + len(HEADS)),
        "keys": torch.tensor([(e.group, e.solution) for e in examples], dtype=torch.int64).view(
            -1, 2
        ),
        "meanings": torch.tensor([e.encoded.meanings for e in examples], dtype=torch.int64).view(
            -1, 2
        ),
        **_sentences(examples),
    }


def _sentences(examples: Sequence[LearningExample]) -> dict[str, Tensor]:
    """Embeddings as bytes, one row an example; nothing where no text has one."""
    sizes = {len(one.encoded.sentence) for one in examples} - {0}
    if not sizes:
        return {}
    rows = [one.encoded.sentence.ljust(max(sizes), b"\0") for one in examples]
    return {
        "sentences": torch.frombuffer(bytearray(b"".join(rows)), dtype=torch.uint8).view(
            len(rows), -1
        ),
        "has_sentence": torch.tensor([bool(one.encoded.sentence) for one in examples]),
    }


def from_tensors(tensors: Mapping[str, Tensor]) -> list[LearningExample]:
    """The reverse of `to_tensors`; raises KeyError or ValueError where something is missing."""
    tokens: list[int] = tensors["tokens"].tolist()
    rows = zip(
        *(tensors[name].tolist() for name in ("lengths", "hints", "signs")),
        *(tensors[name].tolist() for name in ("classes", "weights", "claimed", "keys")),
        strict=True,
    )
    examples = []
    first = 0
    sentences = iter(_sentences_of(tensors))
    meanings = iter(tensors["meanings"].tolist() if "meanings" in tensors else ())
    for length, (domain_id, severity_id), (service, *claims), *known, (group, solution) in rows:
        category, domain, severity = claims
        of_title, of_all = next(meanings, (NO_MEANINGS, NO_MEANINGS))  # Files of old have none.
        encoded = Encoded(
            tuple(tokens[first : first + length]),
            domain_id,
            severity_id,
            service,
            (category, domain, severity),
            (of_title, of_all),
            next(sentences, b""),
        )
        classes, weights, claimed = map(tuple, known)
        examples.append(LearningExample(encoded, classes, weights, group, solution, claimed))
        first += length
    if first != len(tokens):
        raise ValueError("tokens are left over")
    return examples


def _sentences_of(tensors: Mapping[str, Tensor]) -> list[bytes]:
    if "sentences" not in tensors:
        return []
    has = tensors["has_sentence"].tolist()
    rows = tensors["sentences"].numpy()
    return [row.tobytes() if is_there else b"" for row, is_there in zip(rows, has, strict=True)]
