"""What the search for duplicates is compared with: BM25, a sentence encoder, and both together.

They search the same scrubbed errors as the system does. The encoder's neighbours come by cosine;
both together are the reciprocal ranks of BM25 over fields and of the encoder, added.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from fixstream.cli.backtest.baselines import full_text
from fixstream.inference.lexical import LexicalIndex
from fixstream.inference.served import Vectors
from fixstream.schemas.records import PUBLIC, ErrorEvent
from fixstream.trainer.features import ErrorText
from fixstream.trainer.sentences import Sentences, values_of

BM25, SENTENCES, FUSED = "bm25", "sentences", "bm25_fields_and_sentences"
_WORD = re.compile(r"\w+")
_FUSION_RANKS = 60
"""The usual constant of reciprocal rank fusion."""


class Bm25Baseline:
    """BM25 over whole texts, every word alike: what a search engine does out of the box."""

    def __init__(self) -> None:
        """Starts empty."""
        self._index = LexicalIndex()

    def add(self, event: ErrorEvent) -> None:
        """Makes an error findable."""
        text = " ".join(_WORD.findall(full_text(event).lower()))
        self._index.put(event.event_id, text, (), PUBLIC)

    def remove(self, event_id: str) -> None:
        """Forgets an error."""
        self._index.remove(event_id)

    def search(self, event: ErrorEvent, limit: int) -> list[str]:
        """Ids of the best `limit` errors, best first."""
        self._index.commit()
        words = dict.fromkeys(_WORD.findall(full_text(event).lower()), 1.0)
        return self._index.search(words, (), None, limit)

    def close(self) -> None:
        """Ends the index's threads."""
        self._index.close()


class SentenceBaseline:
    """The nearest errors by the cosine of a frozen encoder's embeddings."""

    def __init__(self, sentences: Sentences) -> None:
        """Starts empty."""
        self._sentences = sentences
        self._places: dict[str, int] = {}
        self._vectors: Vectors = np.zeros((1024, sentences.width), np.float32)

    def add(self, event: ErrorEvent) -> None:
        """Makes an error findable."""
        place = self._places.setdefault(event.event_id, len(self._places))
        if place >= len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
        self._vectors[place] = self._vector(event)

    def remove(self, event_id: str) -> None:
        """Forgets an error; its place goes to the newest one."""
        place = self._places.pop(event_id, None)
        if place is None or place == len(self._places):
            return
        newest = next(key for key, held in self._places.items() if held == len(self._places))
        self._vectors[place] = self._vectors[self._places[newest]]
        self._places[newest] = place

    def search(self, event: ErrorEvent, limit: int) -> list[str]:
        """Ids of the nearest `limit` errors, nearest first."""
        cosines = self._vectors[: len(self._places)] @ self._vector(event)
        ids = sorted(self._places, key=self._places.__getitem__)
        return [ids[place] for place in np.argsort(-cosines, kind="stable")[:limit]]

    def _vector(self, event: ErrorEvent) -> Vectors:
        return values_of(self._sentences.read(ErrorText.from_event(event)))


class SearchBaselines:
    """All of them, over the same errors."""

    def __init__(self, sentences: Sentences | None = None) -> None:
        """Starts empty; without an encoder there is BM25 alone."""
        self._bm25 = Bm25Baseline()
        self._nearest = SentenceBaseline(sentences) if sentences else None

    def add(self, event: ErrorEvent) -> None:
        """Makes an error findable."""
        self._bm25.add(event)
        if self._nearest:
            self._nearest.add(event)

    def remove(self, event_id: str) -> None:
        """Forgets an error."""
        self._bm25.remove(event_id)
        if self._nearest:
            self._nearest.remove(event_id)

    def search(
        self, event: ErrorEvent, by_fields: Sequence[str], limit: int
    ) -> dict[str, list[str]]:
        """Ids by baseline, best first; `by_fields` is what BM25 over fields found."""
        found = {BM25: self._bm25.search(event, limit)}
        if self._nearest:
            found[SENTENCES] = self._nearest.search(event, limit)
            found[FUSED] = fused(by_fields, found[SENTENCES])
        return found

    def close(self) -> None:
        """Ends the index's threads."""
        self._bm25.close()


def fused(*rankings: Sequence[str]) -> list[str]:
    """One ranking of several, by the sums of their reciprocal ranks."""
    sums: dict[str, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, 1):
            sums[key] = sums.get(key, 0.0) + 1.0 / (_FUSION_RANKS + rank)
    return sorted(sums, key=lambda key: -sums[key])
