"""BM25 over the chunks of one index version: the files of `rag.lexical_files`, read."""

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

import tantivy

from rag.lexical_files import NONE, OPEN_END, microseconds
from rag.lexical_files import Entry as Entry
from rag.lexical_files import build as build

# What title and headings add to a term's score, beside the body's. See docs/adr/0003-lexical-engine.md.
HEAD_WEIGHT = 1.0


class Lexical:
    """The open index of one version. Safe to use from several threads."""

    def __init__(self, path: Path, index_version: str) -> None:
        """Raises ValueError where the files are not an index."""
        self.index_version = index_version
        index = tantivy.Index.open(str(path))
        index.config_reader("manual")  # the files never change: no thread needs to watch them
        index.reload()
        self._schema = index.schema
        self._searcher = index.searcher()

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def frequencies(self, terms: Collection[str]) -> dict[str, int]:
        """Term → how many chunks of the whole index hold it in their body."""
        return {term: int(self._searcher.doc_freq("body", term)) for term in terms}

    def search(
        self,
        terms: Sequence[str],
        *,
        tenants: Collection[str],
        as_of: datetime | None = None,
        releases: Collection[str] | None = None,
        product: str | None = None,
        limit: int,
        head_weight: float = HEAD_WEIGHT,
    ) -> dict[str, float]:
        """Chunk id → BM25 score of the best, those first. The filters are those of `rag.retriever.Filters`."""
        if not terms or not tenants:
            return {}
        clauses = [self._scoring(terms, head_weight), self._among("tenant_id", tenants)]
        if releases is not None:
            clauses.append(self._among("release_key", [NONE, *releases]))
        if product is not None:
            clauses.append(self._among("product", [NONE, product]))
        clauses.extend(self._known(as_of))
        query = tantivy.Query.boolean_query([(tantivy.Occur.Must, clause) for clause in clauses])
        found = self._searcher.search(query, limit, count=False).hits
        scored = [(str(self._searcher.doc(address)["chunk_id"][0]), float(score)) for score, address in found]
        return dict(sorted(scored, key=lambda entry: (-entry[1], entry[0])))

    def _scoring(self, terms: Sequence[str], head_weight: float) -> tantivy.Query:
        should = []
        for term in sorted(set(terms)):
            body = tantivy.Query.term_query(self._schema, "body", term, "freq")
            head = tantivy.Query.term_query(self._schema, "head", term, "freq")
            should += [
                (tantivy.Occur.Should, body),
                (tantivy.Occur.Should, tantivy.Query.boost_query(head, head_weight)),
            ]
        return tantivy.Query.boolean_query(should)

    def _known(self, as_of: datetime | None) -> list[tantivy.Query]:
        if as_of is None:
            return [_unscored(tantivy.Query.term_query(self._schema, "valid_to", OPEN_END))]
        at, kind = microseconds(as_of), tantivy.FieldType.Integer
        return [
            _unscored(tantivy.Query.range_query(self._schema, "recorded_at", kind, None, at)),
            _unscored(tantivy.Query.range_query(self._schema, "valid_to", kind, at, None, include_lower=False)),
        ]

    def _among(self, field: str, values: Collection[str]) -> tantivy.Query:
        return _unscored(tantivy.Query.term_set_query(self._schema, field, list(values)))


def _unscored(query: tantivy.Query) -> tantivy.Query:
    """A filter would add 1 to every score."""
    return tantivy.Query.const_score_query(query, 0.0)
