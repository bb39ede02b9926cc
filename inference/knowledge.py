"""The knowledge base: the fixes of `solutions.v1`, held in memory and searchable.

Every answer is checked against the fixes that are held now, so a removed one is gone at once, even
before the index hears of it. What leaves is scrubbed. A private fix is found for its own service
only. It reads no topic: a follower puts and removes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fixstream.inference.analysis import (
    ErrorTerms,
    codes,
    index_text,
    solution_terms,
    solution_types,
    solution_wordings,
)
from fixstream.inference.lexical import LexicalIndex
from fixstream.inference.matching import Asked, DocumentWords, Vocabulary, rarest_shared_type
from fixstream.inference.ranking import Candidate
from fixstream.inference.served import Vectors
from fixstream.inference.vectors import VectorIndex
from fixstream.schemas.records import PUBLIC, Solution
from fixstream.triage.scrub import Scrubber

NUM_ROUGH = 64
"""Candidates that the index finds by a few words; the best of them by all words are kept."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A fix with its words."""

    solution: Solution
    types: frozenset[str]
    codes: tuple[frozenset[str], ...]
    words: DocumentWords


class KnowledgeBase:
    """Put, remove, search. One writer; searches from any thread."""

    def __init__(self, scrubber: Scrubber) -> None:
        """Starts empty.

        Args:
            scrubber: What every text goes through before it is held, and so before it leaves.
        """
        self.scrubber = scrubber
        self._lexical = LexicalIndex()
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._vocabulary = Vocabulary()
        self._num_of_type: Counter[str] = Counter()
        self._vectors: VectorIndex | None = None
        self._filling: VectorIndex | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, solution_id: object) -> bool:
        return solution_id in self._entries

    def get(self, solution_id: str) -> Solution | None:
        """The fix as it may leave: scrubbed."""
        entry = self._entries.get(solution_id)
        return entry.solution if entry else None

    def is_public(self, solution_id: str) -> bool:
        """Whether a fix is held now, and may be shown to anybody."""
        entry = self._entries.get(solution_id)
        return entry is not None and entry.solution.visibility == PUBLIC

    def solutions(self) -> list[Solution]:
        """All fixes held now."""
        return [entry.solution for entry in list(self._entries.values())]

    def put(self, solution: Solution) -> None:
        """Adds a fix or replaces the one with its id; searches find it after `commit`."""
        scrub = self.scrubber.scrub
        clean = replace(solution, title=scrub(solution.title), text=scrub(solution.text))
        terms = solution_terms(clean)
        types = solution_types(clean)
        with self._lock:
            self._forget(clean.solution_id)
            words = self._vocabulary.document(terms, solution_wordings(clean))
            entry = _Entry(clean, types, codes(clean.title), words)
            self._vocabulary.count(words, 1)
            self._num_of_type.update(types)
            self._entries[clean.solution_id] = entry
        self._lexical.put(clean.solution_id, index_text(terms), types, clean.visibility)

    def remove(self, solution_id: str) -> None:
        """Removes a fix; no search that starts from now on finds it."""
        with self._lock:
            self._forget(solution_id)
        self._lexical.remove(solution_id)

    def commit(self) -> None:
        """Makes what was put show in searches."""
        self._lexical.commit()

    def search(
        self, error: ErrorTerms, service: str | None, limit: int, vector: Vectors | None = None
    ) -> list[Candidate]:
        """The fixes that may fit, at most `limit` by words and as many by meaning.

        Args:
            error: The words of the error.
            service: Whose private fixes may be found beside the public ones; None: nobody's.
            limit: At least 1.
            vector: The error's embedding, from the model whose vectors are in use; None to leave
                the learned part out.
        """
        asked = self._vocabulary.ask(error)
        keys = self._lexical.search(
            asked.search_weights(), error.error_types, service, max(limit, NUM_ROUGH)
        )
        entries = self._best(asked, self._visible(keys, service), limit)
        vectors = self._vectors if vector is not None else None
        if vectors is None or vector is None:
            return self._candidates(asked, error, entries)
        near = [key for key, _ in vectors.search(vector, limit)]
        entries = {**entries, **self._visible(near, service)}
        similarities = vectors.similarities(list(entries), vector)
        return [
            replace(one, similarity=similarities.get(one.solution.solution_id))
            for one in self._candidates(asked, error, entries)
        ]

    def close(self) -> None:
        """Ends the index's threads."""
        self._lexical.close()

    # Vectors: filled in the background for one model version, then taken into use in one step.

    @property
    def vectors_version(self) -> int:
        """The model version whose vectors are in use; 0 without any."""
        vectors = self._vectors
        return vectors.model_version if vectors else 0

    def begin_vectors(self, model_version: int, dim: int) -> None:
        """Starts a new vector index beside the one in use."""
        self._filling = VectorIndex(model_version, dim)

    def add_vectors(self, model_version: int, keys: Sequence[str], vectors: Vectors) -> bool:
        """Adds `(N, D)` vectors; False if this version is neither in use nor being filled."""
        for index in (self._filling, self._vectors):
            if index is not None and index.model_version == model_version:
                index.put(list(keys), vectors)
                return True
        return False

    def use_vectors(self, model_version: int) -> bool:
        """Takes the filled index into use; False if another one is being filled by now."""
        filling = self._filling
        if filling is None or filling.model_version != model_version:
            return False
        keys = filling.keys()
        for key in keys:
            if key not in self._entries:
                filling.remove(key)
        self._vectors, self._filling = filling, None
        return True

    def _forget(self, solution_id: str) -> None:
        entry = self._entries.pop(solution_id, None)
        if entry is not None:
            self._vocabulary.count(entry.words, -1)
            self._num_of_type.subtract(entry.types)
        for index in (self._vectors, self._filling):
            if index is not None:
                index.remove(solution_id)

    def _visible(self, keys: Iterable[str], service: str | None) -> dict[str, _Entry]:
        """Those of the keys that are held now and may be shown to the service."""
        found = {}
        for key in keys:
            entry = self._entries.get(key)
            # The index may be behind on removals and on changes of visibility.
            if entry is not None and entry.solution.visibility in {PUBLIC, service}:
                found[key] = entry
        return found

    def _best(self, asked: Asked, entries: dict[str, _Entry], limit: int) -> dict[str, _Entry]:
        if len(entries) <= limit:
            return entries
        scores = asked.scores([entry.words for entry in entries.values()])
        keys = list(entries)
        best = np.argsort(-scores, kind="stable")[:limit]
        return {keys[index]: entries[keys[index]] for index in best}

    def _candidates(
        self, asked: Asked, error: ErrorTerms, entries: dict[str, _Entry]
    ) -> list[Candidate]:
        matches = asked.matches([entry.words for entry in entries.values()])
        top = max((one.bm25 for one in matches), default=0.0) or 1.0
        return [
            Candidate(
                solution=entry.solution,
                types=entry.types,
                relative_bm25=match.bm25 / top,
                explained=match.explained,
                titled=match.titled,
                answered=match.answered,
                agrees_on_code=_agreement(entry.codes, error.codes),
                shared_words=match.shared_words,
                num_told=match.num_told,
                num_of_type=rarest_shared_type(entry.types, error.error_types, self._num_of_type),
            )
            for entry, match in zip(entries.values(), matches, strict=True)
        ]


def _agreement(ours: tuple[frozenset[str], ...], theirs: tuple[frozenset[str], ...]) -> bool | None:
    """Whether two texts name the same error number; None where one of them names none."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a and b]
    return any(a & b for a, b in pairs) if pairs else None
