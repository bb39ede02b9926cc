"""What the labels are compared with in the same pass, on the same scrubbed texts.

Linear models by scikit-learn that learn online: on hashed TF-IDF n-grams, and on the embeddings
of a frozen sentence encoder where there is one. They see every label as early as the system does,
and nothing more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fixstream.schemas.errors import Misconfigured
from fixstream.schemas.records import ErrorEvent
from fixstream.trainer.features import ErrorText
from fixstream.trainer.network import HEADS
from fixstream.trainer.sentences import Sentences, values_of

LINEAR, BALANCED, SENTENCE_LINEAR = "tfidf_linear", "tfidf_linear_balanced", "sentence_linear"
_NUM_FEATURES = 2**16
_ALPHA = 1e-5
_SENTENCE_ALPHA = 1e-4
_BALANCE_CAP = 10.0
Guess = tuple[str, float]
"""A class and its probability."""


def full_text(event: ErrorEvent) -> str:
    """All that a baseline reads of a (scrubbed) error."""
    return "\n".join(filter(None, (event.error_type, event.message, event.stack_trace)))


class HashedTfidf:
    """Rows of TF-IDF weighted words and pairs of words; frequencies grow as texts are learnt."""

    def __init__(self) -> None:
        """Starts without any text.

        Raises:
            Misconfigured: scikit-learn is not installed.
        """
        try:
            from sklearn.feature_extraction.text import HashingVectorizer
        except ImportError as error:
            raise Misconfigured(
                "the backtest's baselines need scikit-learn: install fixstream[backtest]"
            ) from error
        self._vectorizer = HashingVectorizer(
            n_features=_NUM_FEATURES, ngram_range=(1, 2), alternate_sign=False, norm=None
        )
        self._documents = np.zeros(_NUM_FEATURES)
        self._num_documents = 0

    def rows(self, texts: Sequence[str]) -> Any:
        """A sparse matrix, one row of norm one for each text."""
        from sklearn.preprocessing import normalize

        counts = self._vectorizer.transform(texts)
        idf = np.log((1 + self._num_documents) / (1 + self._documents[counts.indices])) + 1
        counts.data = (1 + np.log(counts.data)) * idf
        return normalize(counts, copy=False)

    def learn(self, rows: Any) -> None:
        """Counts in which texts each feature occurs."""
        np.add.at(self._documents, rows.indices, 1)
        self._num_documents += rows.shape[0]


class LinearBaseline:
    """One linear classifier a head: each class against all others, by stochastic descent."""

    def __init__(self, *, is_balanced: bool, alpha: float = _ALPHA) -> None:
        """Starts untrained.

        Args:
            is_balanced: weigh rare classes up to their fair share.
            alpha: how strongly weights are held near zero.
        """
        from sklearn.linear_model import SGDClassifier

        self._is_balanced = is_balanced
        self._models = {
            head: SGDClassifier(loss="log_loss", alpha=alpha, random_state=0) for head in HEADS
        }
        self._seen: dict[str, Counter[str]] = {head: Counter() for head in HEADS}

    def predict(self, head: str, rows: Any) -> list[Guess]:
        """The most probable class of each row with its probability."""
        if not self._seen[head]:
            classes = HEADS[head]
            return [(classes[0], 1.0 / len(classes))] * rows.shape[0]
        model = self._models[head]
        shares = model.predict_proba(rows)
        best = shares.argmax(axis=1)
        return [
            (str(model.classes_[place]), float(shares[row, place]))
            for row, place in enumerate(best)
        ]

    def learn(self, rows: Any, labels: Sequence[Mapping[str, str]]) -> None:
        """One pass over the rows that have a label, head by head."""
        for head, classes in HEADS.items():
            known = [row for row, one in enumerate(labels) if head in one]
            if not known:
                continue
            truths = [labels[row][head] for row in known]
            self._seen[head].update(truths)
            self._models[head].partial_fit(
                rows[known],
                truths,
                classes=sorted(classes),
                sample_weight=self._weights(head, truths),
            )

    def _weights(self, head: str, truths: Sequence[str]) -> list[float] | None:
        if not self._is_balanced:
            return None
        seen = self._seen[head]
        fair = seen.total() / len(seen)
        return [min(fair / seen[truth], _BALANCE_CAP) for truth in truths]


class LinearBaselines:
    """All linear baselines; those on n-grams share one set of features."""

    def __init__(self, sentences: Sentences | None = None) -> None:
        """Starts untrained; with an encoder there is one on its embeddings as well.

        Raises:
            Misconfigured: as `HashedTfidf`.
        """
        self._features = HashedTfidf()
        self._sentences = sentences
        self._models = {
            LINEAR: LinearBaseline(is_balanced=False),
            BALANCED: LinearBaseline(is_balanced=True),
        }
        if sentences is not None:
            self._models[SENTENCE_LINEAR] = LinearBaseline(is_balanced=False, alpha=_SENTENCE_ALPHA)
        self._rows: dict[str, Any] = {}

    def predict(self, events: Sequence[ErrorEvent]) -> dict[str, dict[str, list[Guess]]]:
        """By baseline and head, class and probability of each error."""
        rows = self._features.rows([full_text(event) for event in events])
        self._rows = {LINEAR: rows, BALANCED: rows}
        if self._sentences is not None:
            read = [self._sentences.read(ErrorText.from_event(event)) for event in events]
            self._rows[SENTENCE_LINEAR] = np.stack([values_of(one) for one in read])
        return {
            name: {head: model.predict(head, self._rows[name]) for head in HEADS}
            for name, model in self._models.items()
        }

    def learn(self, labels: Sequence[Mapping[str, str]]) -> None:
        """Shows the labels of the errors that were predicted last."""
        for name, model in self._models.items():
            model.learn(self._rows[name], labels)
        self._features.learn(self._rows[LINEAR])
