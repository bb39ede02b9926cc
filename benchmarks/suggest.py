"""How long it takes to search a large knowledge base, and whether the right fix is found.

    python benchmarks/suggest.py [--fixes 100000] [--queries 200]

Fixes are made of words drawn as natural language draws them (Zipf); each error shares some words
with one of them, which is to be found. Ours includes reading the error, the search with visibility,
and the ranking. Beside it: plain BM25 by tantivy over title and text, all words of the error as one
query; and a brute-force search over vectors of MiniLM's size (384, float32). Those are random unit
vectors, and encoding the error is left out: it is the least that such a search costs, and its
recall is not measured here.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import tantivy
from reporting import keep

from fixstream.inference.analysis import error_terms
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.ranking import Question, RankingWeights, rank
from fixstream.inference.suggest import NUM_CANDIDATES
from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, Labels, Provenance, Solution
from fixstream.triage.scrub import Scrubber

Search = Callable[[str], list[str]]

NUM_WORDS = 40_000
NUM_SHOWN = 10
LABEL = Label("unknown", LabelSource.RULE, 0.1)
LABELS = Labels(domain=LABEL, severity=LABEL, category=LABEL)


class Language:
    """Draws words by rank: few of them make most of every text."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        spell = self._random.choices
        self._words = [
            "".join(spell("abdegiklmnoprstuv", k=spell((4, 6, 8))[0])) for _ in range(NUM_WORDS)
        ]
        self._weights = list(itertools.accumulate(1 / (rank + 8) for rank in range(NUM_WORDS)))

    def text(self, num_words: int) -> str:
        """A text of so many words."""
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=num_words))


def fixes(language: Language, count: int) -> list[Solution]:
    """Fixes of a title and 80 words."""
    when = datetime.now(UTC)
    return [
        Solution(
            solution_id=f"fix-{number}",
            title=language.text(8),
            text=language.text(80),
            provenance=Provenance(url="urn:benchmark"),
            created_at=when,
        )
        for number in range(count)
    ]


def planted(language: Language, chance: random.Random, right: Solution) -> str:
    """An error that shares a quarter of a fix's title and three words of its text."""
    title, text = right.title.split(), right.text.split()
    said = chance.sample(title, len(title) // 4) + language.text(4).split()
    more = chance.sample(text, 3) + language.text(34).split()
    chance.shuffle(said)
    return f"{' '.join(said)}\n{' '.join(more)}"


def ours(base: KnowledgeBase, message: str) -> list[str]:
    """One search as a request makes it: the ids, best first."""
    terms = error_terms("LedgerError", message, None)
    candidates = base.search(terms, "shop", NUM_CANDIDATES)
    found = rank(candidates, Question("g", terms.error_types, LABELS, {}), {}, RankingWeights())
    return [one.candidate.solution.solution_id for one in found[:NUM_SHOWN]]


class PlainBm25:
    """What tantivy gives by itself."""

    def __init__(self, made: Sequence[Solution]) -> None:
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        schema.add_text_field("words", stored=False, index_option="freq")
        self._index = tantivy.Index(schema.build())
        writer = self._index.writer(heap_size=64 * 1024 * 1024, num_threads=1)
        for one in made:
            writer.add_document(
                tantivy.Document(id=one.solution_id, words=f"{one.title} {one.text}")
            )
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()

    def search(self, message: str) -> list[str]:
        """The ids, best first."""
        query = self._index.parse_query(message, ["words"])
        searcher = self._index.searcher()
        hits = searcher.search(query, NUM_SHOWN, count=False).hits
        return [searcher.doc(address)["id"][0] for _, address in hits]


class BruteForce:
    """Cosine over random unit vectors of MiniLM's size."""

    def __init__(self, num: int) -> None:
        self._draw = np.random.default_rng(3)
        vectors = self._draw.standard_normal((num, 384), np.float32)
        self._vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def search(self, message: str) -> list[str]:
        """The places of the nearest; what the error says plays no part."""
        scores = self._vectors @ self._draw.standard_normal(384, np.float32)
        return [str(place) for place in np.argpartition(-scores, NUM_SHOWN)[:NUM_SHOWN]]


def resident_mb() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(search: Search, message: str) -> tuple[float, float, list[str]]:
    """Milliseconds of one search by the clock and of the processor, and what it found."""
    started, used = time.perf_counter(), time.process_time()
    found = search(message)
    used = time.process_time() - used
    return (time.perf_counter() - started) * 1000, used * 1000, found


def percentiles(times: list[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    cuts = statistics.quantiles(times, n=100)
    return {"p50_ms": round(cuts[49], 2), "p99_ms": round(cuts[98], 2)}


def main() -> None:
    """Measures and keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fixes", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    language = Language(7)
    made = fixes(language, options.fixes)
    before_mb = resident_mb()
    base = KnowledgeBase(Scrubber())
    started = time.perf_counter()
    for one in made:
        base.put(one)
    base.commit()
    filled_s = time.perf_counter() - started
    held_mb = resident_mb() - before_mb
    searches: dict[str, Search] = {
        "ours": lambda message: ours(base, message),
        "tantivy_bm25": PlainBm25(made).search,
        "brute_force_384": BruteForce(len(made)).search,
    }
    times: dict[str, list[float]] = {name: [] for name in searches}
    used: dict[str, list[float]] = {name: [] for name in searches}
    num_found = dict.fromkeys(searches, 0)
    chance = random.Random(11)
    for _ in range(options.queries):
        right = chance.choice(made)
        message = planted(language, chance, right)
        for name, search in searches.items():
            taken_ms, used_ms, found = timed(search, message)
            times[name].append(taken_ms)
            used[name].append(used_ms)
            num_found[name] += right.solution_id in found
    base.close()
    figures: dict[str, Any] = {
        name: {**percentiles(taken), "cpu_p50_ms": round(statistics.median(used[name]), 2)}
        for name, taken in times.items()
    }
    for name in ("ours", "tantivy_bm25"):
        figures[name]["recall_at_10"] = round(num_found[name] / options.queries, 3)
    for name in ("p50_ms", "cpu_p50_ms"):
        ratio = figures["ours"][name] / figures["tantivy_bm25"][name]
        figures[f"ours_to_bm25_{name.removesuffix('_ms')}"] = round(ratio, 2)
    whole = {"fixes": len(made), "filled_in_s": round(filled_s, 1), "held_mb": round(held_mb)}
    keep("suggest", {**whole, **figures})


if __name__ == "__main__":
    main()
