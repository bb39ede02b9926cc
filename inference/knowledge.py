"""The knowledge base: the fixes of `solutions.v1`, held in memory and searchable.

Every answer is checked against the fixes that are held now, so a removed one is gone at once, even
before the index hears of it. What leaves is scrubbed. A private fix is found for its own service
only. It reads no topic: a follower puts and removes.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fixstream.inference import metrics
from fixstream.inference.analysis import (
    ErrorTerms,
    codes,
    index_text,
    solution_terms,
    solution_types,
    solution_wordings,
)
from fixstream.inference.lexical import LexicalIndex
from fixstream.inference.ranking import Candidate
from fixstream.inference.served import Vectors
from fixstream.inference.vectors import VectorIndex
from fixstream.schemas.records import PUBLIC, Solution
from fixstream.triage.scrub import Scrubber

BODY_SHARE = 0.6
"""A word that only a fix's text mentions explains this share of what one in its title would."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A fix with its words as numbers of the vocabulary, sorted."""

    solution: Solution
    types: frozenset[str]
    codes: tuple[frozenset[str], ...]
    titles: tuple[array[int], ...]
    """Words of each wording that its title offers (`A / B`), its error types left out."""
    headline: array[int]
    """Words of its title and error types."""
    all_words: array[int]


@dataclass(frozen=True, slots=True)
class _Asked:
    """An error's words as numbers; bare numbers are left out of what it says.

    Ports and codes help where a fix has them; elsewhere they mean nothing.
    """

    said: set[int]
    known: set[int]
    told: set[int]
    types: frozenset[str]
    codes: tuple[frozenset[str], ...]
    total_rarity: float
    """Rarity of all words that it says, those that no fix knows included."""
    total_squared: float
    """The same with each rarity squared: one telling word outweighs several common ones."""


class KnowledgeBase:
    """Put, remove, search. One writer; searches from any thread."""

    def __init__(self, scrubber: Scrubber) -> None:
        """Starts empty.

        Args:
            scrubber: What every text goes through before it is held, and so before it leaves.
        """
        self._scrubber = scrubber
        self._lexical = LexicalIndex()
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._frequencies: list[int] = []
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
        scrub = self._scrubber.scrub
        clean = replace(solution, title=scrub(solution.title), text=scrub(solution.text))
        terms = solution_terms(clean)
        types = solution_types(clean)
        with self._lock:
            self._forget(clean.solution_id)
            titles = tuple(map(self._numbered, solution_wordings(clean)))
            headline, every = self._numbered(terms.headline), self._numbered(terms.all)
            entry = _Entry(clean, types, codes(clean.title), titles, headline, every)
            for number in entry.all_words:
                self._frequencies[number] += 1
            self._num_of_type.update(types)
            self._entries[clean.solution_id] = entry
        self._lexical.put(clean.solution_id, index_text(terms), types, clean.visibility)
        metrics.SOLUTIONS.set(len(self._entries))

    def remove(self, solution_id: str) -> None:
        """Removes a fix; no search that starts from now on finds it."""
        with self._lock:
            self._forget(solution_id)
        self._lexical.remove(solution_id)
        metrics.SOLUTIONS.set(len(self._entries))

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
        visibilities = {PUBLIC} if service is None else {PUBLIC, service}
        hits = self._lexical.search(error.weights, error.error_types, visibilities, limit)
        scores = dict(hits)
        vectors = self._vectors if vector is not None else None
        if vectors is not None and vector is not None:
            for key, _ in vectors.search(vector, limit):
                scores.setdefault(key, 0.0)
        top = max(scores.values(), default=0.0) or 1.0
        asked = self._asked(error)
        candidates = []
        for key, score in scores.items():
            entry = self._entries.get(key)
            # The index may be behind on removals and on changes of visibility.
            if entry is not None and entry.solution.visibility in visibilities:
                one = self._candidate(entry, asked, score / top)
                if vectors is not None and vector is not None:
                    one = replace(one, similarity=vectors.similarity(key, vector))
                candidates.append(one)
        return candidates

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
            for number in entry.all_words:
                self._frequencies[number] -= 1
            self._num_of_type.subtract(entry.types)
        for index in (self._vectors, self._filling):
            if index is not None:
                index.remove(solution_id)

    def _numbered(self, terms: Iterable[str]) -> array[int]:
        numbers = []
        for term in terms:
            number = self._numbers.setdefault(term, len(self._names))
            if number == len(self._names):
                self._names.append(term)
                self._frequencies.append(0)
            numbers.append(number)
        return array("I", sorted(numbers))

    def _rarity(self, number: int | None) -> float:
        """BM25's inverse document frequency; a word that no fix has is as rare as it gets."""
        frequency = self._frequencies[number] if number is not None else 0
        total = len(self._entries)
        return math.log(1 + (total - frequency + 0.5) / (frequency + 0.5))

    def _asked(self, error: ErrorTerms) -> _Asked:
        numbers = self._numbers
        telling = [term for term in error.said if not term.isdigit()]
        said = {number for term in telling if (number := numbers.get(term)) is not None}
        known = {number for term in error.terms.all if (number := numbers.get(term)) is not None}
        # What no fix talks about is unexplained too, but a name or an id counts half.
        num_unknown = sum(term not in numbers for term in telling)
        strange = self._rarity(None)
        rarities = [self._rarity(number) for number in said]
        total = sum(rarities) + 0.5 * num_unknown * strange
        squared = sum(rarity**2 for rarity in rarities) + 0.5 * num_unknown * strange**2
        told = {number for term in error.told if (number := numbers.get(term)) is not None}
        return _Asked(said, known, told, error.error_types, error.codes, total, squared)

    def _candidate(self, entry: _Entry, asked: _Asked, relative: float) -> Candidate:
        known, rarity = asked.known, self._rarity
        headline = frozenset(entry.headline)
        shared = {number: rarity(number) for number in entry.all_words if number in known}
        explained = sum(
            value * (1.0 if number in headline else BODY_SHARE)
            for number, value in shared.items()
            if number in asked.said
        )
        titled = sum(shared[number] ** 2 for number in headline & asked.said)
        rarest = sorted(shared, key=lambda number: -shared[number])
        return Candidate(
            solution=entry.solution,
            types=entry.types,
            relative_bm25=relative,
            explained=explained / asked.total_rarity if asked.total_rarity else 0.0,
            titled=titled / asked.total_squared if asked.total_squared else 0.0,
            answered=max((self._share(title, known) for title in entry.titles), default=0.0),
            agrees_on_code=_agreement(entry.codes, asked.codes),
            shared_words=tuple(self._names[number] for number in rarest if shared[number] > 1.0),
            num_told=len(asked.told & shared.keys()),
            num_of_type=min(
                map(self._num_of_type.__getitem__, entry.types & asked.types), default=0
            ),
        )

    def _share(self, title: array[int], known: set[int]) -> float:
        """How much of a title, by the rarity of its words, stands in the error."""
        total = found = 0.0
        for number in title:
            rarity = self._rarity(number)
            total += rarity
            found += rarity if number in known else 0.0
        return found / total if total else 0.0


def _agreement(ours: tuple[frozenset[str], ...], theirs: tuple[frozenset[str], ...]) -> bool | None:
    """Whether two texts name the same error number; None where one of them names none."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a and b]
    return any(a & b for a, b in pairs) if pairs else None
