"""How long it takes to search a large knowledge base: ours beside SQLite's FTS5 with its BM25.

    python benchmarks/suggest.py [--fixes 100000] [--queries 200]

Fixes are made of words drawn as natural language draws them (Zipf). Ours includes reading the
error, the search with visibility, and the ranking; FTS5 gets the same words as one OR query.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sqlite3
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

from reporting import keep

from fixstream.inference.analysis import error_terms
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.ranking import Question, RankingWeights, rank
from fixstream.inference.suggest import NUM_CANDIDATES
from fixstream.schemas.enums import LabelSource
from fixstream.schemas.records import Label, Labels, Provenance, Solution
from fixstream.triage.scrub import Scrubber

NUM_WORDS = 40_000
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


def ours(base: KnowledgeBase, message: str) -> None:
    """One search as a request makes it."""
    terms = error_terms("LedgerError", message, None)
    candidates = base.search(terms, "shop", NUM_CANDIDATES)
    rank(candidates, Question("g", terms.error_types, LABELS, {}), {}, RankingWeights())


def fts(connection: sqlite3.Connection, message: str) -> None:
    """The same search in SQLite."""
    query = " OR ".join(dict.fromkeys(message.split()))
    connection.execute(
        "SELECT id FROM fixes WHERE fixes MATCH ? ORDER BY bm25(fixes, 3.0, 1.0) LIMIT 24", (query,)
    ).fetchall()


def times_ms(search: Callable[[str], None], message: str) -> float:
    """Milliseconds of one search."""
    started = time.perf_counter()
    search(message)
    return (time.perf_counter() - started) * 1000


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
    base = KnowledgeBase(Scrubber())
    started = time.perf_counter()
    for one in made:
        base.put(one)
    base.commit()
    filled_s = time.perf_counter() - started
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE fixes USING fts5(title, text, id UNINDEXED)")
    connection.executemany(
        "INSERT INTO fixes VALUES (?, ?, ?)",
        [(one.title, one.text, one.solution_id) for one in made],
    )
    times: dict[str, list[float]] = {"ours": [], "sqlite_fts5": []}
    for _ in range(options.queries):
        message = f"{language.text(8)}\n{language.text(40)}"
        times["ours"].append(times_ms(lambda text: ours(base, text), message))
        times["sqlite_fts5"].append(times_ms(lambda text: fts(connection, text), message))
    base.close()
    searches = {name: percentiles(taken) for name, taken in times.items()}
    keep("suggest", {"fixes": options.fixes, "filled_in_s": round(filled_s, 1), **searches})


if __name__ == "__main__":
    main()
