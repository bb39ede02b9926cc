"""Finds the earlier error that a new one repeats, with the retrieval that finds fixes.

Every earlier error stands in a knowledge base as if it were a fix: its first line as the title, the
rest as the text, stack frames left out. Candidates are found and ranked as fixes are; what too
little ties to the error comes last. The learned similarity counts only as far as it
has earned on the duplicates that were confirmed before; a frozen sentence encoder, where there is
one, counts as it does in production. Vectors are of one model at a time; they
are made anew when the network has trained three times as much, which bounds the work to less than
two vectors for each error of the whole history.
"""

from __future__ import annotations

import copy
from array import array
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from fixstream.cli.learning_system import Answer
from fixstream.inference.earning import earned_weight, reciprocal_ranks
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.ranking import Candidate, Question, RankingWeights, rank
from fixstream.inference.served import ErrorText, Vectors
from fixstream.inference.suggest import MAX_TRIALS
from fixstream.schemas.records import ErrorEvent, Provenance, Solution
from fixstream.trainer.features import Encoded, cropped, length_buckets
from fixstream.trainer.learner import Learner
from fixstream.trainer.network import ErrorLearningModel, pack
from fixstream.trainer.sentences import Sentences, values_of
from fixstream.triage.scrub import Scrubber

NUM_CANDIDATES = 100
MAX_ERRORS = 100_000
"""Earlier errors that are held; the oldest go first."""
_MAX_TEXT_CHARS = 4_000
_GROWTH = 3.0
_MAX_TOKENS_AT_ONCE = 4096
_ERRORS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Found:
    """Earlier errors, best first."""

    hybrid: list[str]
    """As production ranks fixes."""
    by_words: list[str]
    """By the BM25 of its fields alone."""
    trial: _Trial


@dataclass(frozen=True, slots=True)
class _Trial:
    candidates: list[Candidate]
    question: Question


class _Embedding:
    """A copy of the network at one moment, for vectors that can be compared with each other."""

    def __init__(self, learner: Learner) -> None:
        self.num_steps = learner.optimizer.num_steps
        self._network: ErrorLearningModel = copy.deepcopy(learner.model.network).eval()
        self._precision = learner.model.precision

    @property
    def dim(self) -> int:
        return self._network.config.solution_dim

    def vectors(self, encoded: Sequence[Encoded]) -> Vectors:
        found = np.zeros((len(encoded), self.dim), np.float32)
        for bucket in length_buckets(encoded, _MAX_TOKENS_AT_ONCE):
            with torch.inference_mode(), self._precision.autocast():
                output = self._network(pack([encoded[index] for index in bucket]))
            found[list(bucket)] = output.embedding.float().numpy()
        return found


class EarlierErrors:
    """All earlier errors of a history, searchable."""

    def __init__(self, learner: Learner, sentences: Sentences | None = None) -> None:
        """Starts empty; `learner` gives the embedding, and is left as it is."""
        self._learner = learner
        self._knowledge = KnowledgeBase(Scrubber())
        self._tokens: OrderedDict[str, array[int]] = OrderedDict()
        self._missing: dict[str, None] = {}
        self._embedding: _Embedding | None = None
        self._sentences = sentences
        if sentences is not None:
            self._knowledge.sentences.begin(1, sentences.width)
            self._knowledge.sentences.use(1, self._knowledge.__contains__)
        self._trials: deque[list[float]] = deque(maxlen=MAX_TRIALS)

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._tokens

    @property
    def learned_weight(self) -> float:
        """What the learned similarity has earned so far."""
        return earned_weight(self._trials)

    def add(self, answer: Answer) -> str | None:
        """Makes an error findable; returns the id of one that had to go, if one had to."""
        event = answer.triage.event
        self._knowledge.put(_document(answer))
        sentence = self._sentence(answer.inquiry.text)
        if sentence is not None:
            self._knowledge.sentences.add(1, {event.event_id: ""}, sentence[None])
        self._tokens[event.event_id] = array("I", self._encode(answer.inquiry.text).token_ids)
        self._tokens.move_to_end(event.event_id)
        self._missing[event.event_id] = None
        if len(self._tokens) <= MAX_ERRORS:
            return None
        oldest, _ = self._tokens.popitem(last=False)
        self._missing.pop(oldest, None)
        self._knowledge.remove(oldest)
        return oldest

    def search(self, answer: Answer) -> Found:
        """The earlier errors that this one may repeat."""
        self._knowledge.commit()
        inquiry = answer.inquiry
        question = Question(
            inquiry.fingerprint, inquiry.terms.error_types, answer.advice.labels, {}
        )
        vector = self._vector(inquiry.text)
        sentence = self._sentence(inquiry.text)
        every = self._knowledge.search(inquiry.terms, None, NUM_CANDIDATES, vector, sentence)
        by_words = [one for one in every if one.relative_bm25 > 0]
        weight = self.learned_weight
        weights = replace(RankingWeights(), learned=weight)
        is_meant = weight > 0 or sentence is not None
        ranked = rank(every if is_meant else by_words, question, {}, weights)
        ranked.sort(key=lambda one: not one.is_grounded)
        return Found(
            [one.candidate.solution.solution_id for one in ranked],
            [
                one.solution.solution_id
                for one in sorted(by_words, key=lambda one: -one.relative_bm25)
            ],
            _Trial(every, question),
        )

    def confirm(self, found: Found, right: str) -> None:
        """Notes which one it was, so that the learned similarity can earn its weight."""
        trial = found.trial
        self._trials.append(
            reciprocal_ranks(trial.candidates, trial.question, right, RankingWeights())
        )

    def close(self) -> None:
        """Ends the index's threads."""
        self._knowledge.close()

    def _sentence(self, text: ErrorText) -> Vectors | None:
        """By the frozen encoder, where there is one; it remembers what it read last."""
        return None if self._sentences is None else values_of(self._sentences.read(text))

    def _vector(self, text: ErrorText) -> Vectors:
        embedding = self._embedding
        num_steps = self._learner.optimizer.num_steps
        if embedding is None or num_steps > embedding.num_steps * _GROWTH:
            embedding = self._embedding = _Embedding(self._learner)
            self._knowledge.learned.begin(num_steps + 1, embedding.dim)
            self._missing = dict.fromkeys(self._tokens)
            self._embed_missing(embedding)
            self._knowledge.learned.use(num_steps + 1, self._knowledge.__contains__)
        else:
            self._embed_missing(embedding)
        return np.asarray(embedding.vectors([self._encode(text)])[0], np.float32)

    def _embed_missing(self, embedding: _Embedding) -> None:
        missing = list(self._missing)
        self._missing = {}
        for start in range(0, len(missing), _ERRORS_AT_ONCE):
            keys = missing[start : start + _ERRORS_AT_ONCE]
            vectors = embedding.vectors([Encoded(tuple(self._tokens[key])) for key in keys])
            self._knowledge.learned.add(embedding.num_steps + 1, dict.fromkeys(keys, ""), vectors)

    def _encode(self, text: ErrorText) -> Encoded:
        # Without hints, for the earlier ones have none, and cut as in training.
        plain = replace(text, domain_hint=None, severity_hint=None)
        encoded = self._learner.tokenizer.encode(plain)
        return cropped(encoded, self._learner.config.max_training_tokens)


def _document(answer: Answer) -> Solution:
    event, trace = answer.triage.event, answer.triage.trace
    title, _, rest = event.message.strip().partition("\n")
    if trace is not None:
        rest = f"{rest}\n{trace.root.message}"
    labels = answer.advice.labels
    return Solution(
        solution_id=event.event_id,
        title=title[:_MAX_TEXT_CHARS],
        text=rest[:_MAX_TEXT_CHARS],
        error_type=_types(event, answer),
        domain=labels.domain.value,
        category=labels.category.value,
        fingerprint=answer.triage.fingerprint,
        provenance=Provenance(url=""),
        created_at=event.occurred_at,
    )


def _types(event: ErrorEvent, answer: Answer) -> str | None:
    trace = answer.triage.trace
    names = [event.error_type, *(one.type for one in trace.exceptions)] if trace else []
    return ",".join(dict.fromkeys(name for name in names if name)) or event.error_type
