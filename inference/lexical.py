"""Finds fixes by their words: BM25 over two shelves held in memory by tantivy.

Public fixes stand on a shelf of their own, which is searched without a filter: a filter on every
document would cost more than the search itself. Private ones stand on another, made when the first
comes, and only that one asks whose they are. Answers ids; the knowledge base scores what it gets
anew, with one measure for both shelves. What was put or removed shows after `commit`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

import tantivy

from fixstream.schemas.records import PUBLIC

PUBLIC_HEAP_BYTES = 32 * 1024 * 1024
PRIVATE_HEAP_BYTES = 16 * 1024 * 1024


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
        self._lock = threading.Lock()
        self._public = _Shelf(PUBLIC_HEAP_BYTES)
        self._private: _Shelf | None = None

    def put(self, key: str, text: str, types: Collection[str], visibility: str) -> None:
        """Adds a document, or replaces the one with this key; `text` is already analysed."""
        with self._lock:
            self._remove(key)
            if visibility == PUBLIC:
                self._public.add(key, text, types, visibility)
            else:
                self._private = self._private or _Shelf(PRIVATE_HEAP_BYTES)
                self._private.add(key, text, types, visibility)

    def remove(self, key: str) -> None:
        """Removes the document with this key, if there is one."""
        with self._lock:
            self._remove(key)

    def commit(self) -> None:
        """Makes all that was put and removed show in searches."""
        with self._lock:
            self._public.commit()
            if self._private is not None:
                self._private.commit()

    def search(
        self,
        weights: Mapping[str, float],
        types: Collection[str],
        service: str | None,
        limit: int,
    ) -> list[str]:
        """The keys of the `limit` best public documents, and of as many private ones.

        Args:
            weights: Query terms, analysed as the documents were, with their weights.
            types: Short exception type names; a document for one of them scores more.
            service: Whose private documents are considered too; None: nobody's.
            limit: At least 1.
        """
        found = self._public.search(weights, types, None, limit)
        private = self._private
        if service is not None and private is not None:
            found += private.search(weights, types, service, limit)
        return found

    def close(self) -> None:
        """Ends the writers' threads; the index is not used afterwards."""
        with self._lock:
            self._public.close()
            if self._private is not None:
                self._private.close()

    def _remove(self, key: str) -> None:
        self._public.remove(key)
        if self._private is not None:
            self._private.remove(key)


class _Shelf:
    """One tantivy index; the caller holds the lock for all but searches."""

    def __init__(self, heap_bytes: int) -> None:
        self._schema = _schema()
        self._index = tantivy.Index(self._schema)
        self._writer = self._index.writer(heap_size=heap_bytes, num_threads=1)
        self._is_dirty = False

    def add(self, key: str, text: str, types: Collection[str], visibility: str) -> None:
        names = " ".join(sorted(types))
        self._writer.add_document(
            tantivy.Document(key=key, words=text, types=names, visibility=visibility)
        )
        self._is_dirty = True

    def remove(self, key: str) -> None:
        self._writer.delete_documents_by_term("key", key)
        self._is_dirty = True

    def commit(self) -> None:
        if self._is_dirty:
            self._writer.commit()
            self._index.reload()
            self._is_dirty = False

    def search(
        self, weights: Mapping[str, float], types: Collection[str], service: str | None, limit: int
    ) -> list[str]:
        query, schema = tantivy.Query, self._schema
        should, must = tantivy.Occur.Should, tantivy.Occur.Must
        wanted = [
            (should, query.boost_query(query.term_query(schema, "words", term, "freq"), boost))
            for term, boost in weights.items()
        ]
        wanted += [(should, query.term_query(schema, "types", name, "basic")) for name in types]
        if not wanted:
            return []
        whole = query.boolean_query(wanted)
        if service is not None:
            theirs = query.term_query(schema, "visibility", service, "basic")
            whole = query.boolean_query([(must, whole), (must, query.const_score_query(theirs, 0))])
        searcher = self._index.searcher()
        hits = searcher.search(whole, limit, count=False).hits
        return [searcher.doc(address)["key"][0] for _, address in hits]

    def close(self) -> None:
        self._writer.wait_merging_threads()
