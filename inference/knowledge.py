"""The knowledge base: the fixes of `solutions.v1`, held in memory and searchable.

Every answer is checked against the fixes that are held now, so a removed one is gone at once, even
before the index hears of it. What leaves is scrubbed. A private fix is found for its own service
only, and one in quarantine for nobody. It reads no topic: a follower puts and removes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
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
from fixstream.inference.vector_space import VectorSpace
from fixstream.inference.vectors import MemoryStores, VectorStores
from fixstream.runtime.clock import Clock, SystemClock
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

    def __init__(
        self,
        scrubber: Scrubber,
        stores: VectorStores | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Starts empty.

        Args:
            scrubber: What every text goes through before it is held, and so before it leaves.
            stores: Where vectors are held; default: in this process.
            clock: By which quarantines end; None takes the system's.
        """
        stores = stores or MemoryStores()
        self.is_remote = stores.is_remote
        self.scrubber = scrubber
        self._clock = clock or SystemClock()
        self._lexical = LexicalIndex()
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._vocabulary = Vocabulary()
        self._num_of_type: Counter[str] = Counter()
        # Of the model in use, and of the frozen sentence encoder where there is one.
        self.learned = VectorSpace("learned", stores)
        self.sentences = VectorSpace("sentences", stores)

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
        return bool(self._visible((solution_id,), None))

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
        self,
        error: ErrorTerms,
        service: str | None,
        limit: int,
        vector: Vectors | None = None,
        sentence: Vectors | None = None,
    ) -> list[Candidate]:
        """The fixes that may fit, at most `limit` by words and as many by each kind of meaning.

        Args:
            error: The words of the error.
            service: Whose private fixes may be found beside the public ones; None: nobody's.
            limit: At least 1.
            vector: The error's embedding, from the model whose vectors are in use; None to leave
                the learned part out.
            sentence: What the frozen sentence encoder makes of the error; None to leave it out.
        """
        asked = self._vocabulary.ask(error)
        keys = self._lexical.search(
            asked.search_weights(), error.error_types, service, max(limit, NUM_ROUGH)
        )
        entries = self._best(asked, self._visible(keys, service), limit)
        learned = self.learned.similar(vector, limit, entries)
        entries.update(self._visible(learned, service))
        sentences = self.sentences.similar(sentence, limit, entries)
        entries.update(self._visible(sentences, service))
        candidates = self._candidates(asked, error, entries)
        if not learned and not sentences:
            return candidates
        return [
            replace(one, similarity=learned.get(key), sentence_similarity=sentences.get(key))
            for key, one in zip(entries, candidates, strict=True)
        ]

    def close(self) -> None:
        """Ends the index's threads."""
        self._lexical.close()

    def _forget(self, solution_id: str) -> None:
        entry = self._entries.pop(solution_id, None)
        if entry is None:
            return
        self._vocabulary.count(entry.words, -1)
        self._num_of_type.subtract(entry.types)
        self.learned.remove(solution_id)
        self.sentences.remove(solution_id)

    def _visible(self, keys: Iterable[str], service: str | None) -> dict[str, _Entry]:
        """Those of the keys that are held now and may be shown to the service."""
        found = {}
        now = self._clock.now()
        for key in keys:
            entry = self._entries.get(key)
            # The index may be behind on removals and on changes of visibility.
            if entry is None or entry.solution.visibility not in {PUBLIC, service}:
                continue
            if entry.solution.is_usable(now):
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
                reached=match.reached,
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
