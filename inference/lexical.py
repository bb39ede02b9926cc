"""BM25 over the fixes, held in memory by tantivy.

Answers ids and scores only. What was put or removed shows after `commit`; the knowledge base,
which holds the fixes themselves, drops removed ones from every answer before that.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

import tantivy

WRITER_HEAP_BYTES = 32 * 1024 * 1024


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("visibility", stored=False, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("words", stored=False, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("types", stored=False, tokenizer_name="whitespace", index_option="basic")
    return builder.build()


class LexicalIndex:
    """An in-memory BM25 index of fixes. Searches from any thread; one writer at a time."""

    def __init__(self) -> None:
        """Starts empty."""
        self._schema = _schema()
        self._index = tantivy.Index(self._schema)
        self._writer = self._index.writer(heap_size=WRITER_HEAP_BYTES, num_threads=1)
        self._lock = threading.Lock()
        self._is_dirty = False

    def put(self, key: str, text: str, types: Collection[str], visibility: str) -> None:
        """Adds a document, or replaces the one with this key; `text` is already analysed."""
        with self._lock:
            self._writer.delete_documents_by_term("key", key)
            self._writer.add_document(
                tantivy.Document(
                    key=key, words=text, types=" ".join(sorted(types)), visibility=visibility
                )
            )
            self._is_dirty = True

    def remove(self, key: str) -> None:
        """Removes the document with this key, if there is one."""
        with self._lock:
            self._writer.delete_documents_by_term("key", key)
            self._is_dirty = True

    def commit(self) -> None:
        """Makes all that was put and removed show in searches."""
        with self._lock:
            if self._is_dirty:
                self._writer.commit()
                self._index.reload()
                self._is_dirty = False

    def search(
        self,
        weights: Mapping[str, float],
        types: Collection[str],
        visibilities: Collection[str],
        limit: int,
    ) -> list[tuple[str, float]]:
        """The `limit` best documents as (key, BM25 score), best first.

        Args:
            weights: Query terms, analysed as the documents were, with their weights.
            types: Short exception type names; a document for one of them scores more.
            visibilities: Only documents with one of these are considered.
            limit: At least 1.
        """
        query = tantivy.Query
        should = tantivy.Occur.Should
        wanted = [
            (
                should,
                query.boost_query(query.term_query(self._schema, "words", term, "freq"), boost),
            )
            for term, boost in weights.items()
        ]
        wanted += [
            (should, query.term_query(self._schema, "types", name, "basic")) for name in types
        ]
        if not wanted:
            return []
        allowed = query.term_set_query(self._schema, "visibility", list(visibilities))
        must = tantivy.Occur.Must
        both = query.boolean_query(
            [(must, query.boolean_query(wanted)), (must, query.const_score_query(allowed, 0.0))]
        )
        searcher = self._index.searcher()
        hits = searcher.search(both, limit, count=False).hits
        return [(searcher.doc(address)["key"][0], float(score)) for score, address in hits]

    def close(self) -> None:
        """Ends the writer's threads; the index is not used afterwards."""
        with self._lock:
            self._writer.wait_merging_threads()
