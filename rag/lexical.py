"""BM25 over the chunks of one index version: the files of `rag.lexical_files`, read."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from rag.bm25 import Postings, Selection
from rag.lexical_files import build as build
from rag.lexical_files import read_segments
from rag.segments import NONE, microseconds
from rag.segments import Entry as Entry

# What title and headings add to a term's score, beside the body's. See docs/adr/0003-lexical-engine.md.
HEAD_WEIGHT = 1.0


class Lexical:
    """The open index of one version. Safe to use from several threads."""

    def __init__(self, path: Path, index_version: str) -> None:
        """Raises ValueError where the files are not an index."""
        self.index_version = index_version
        self._postings = Postings(read_segments(path))

    def __len__(self) -> int:
        return len(self._postings)

    def frequencies(self, terms: Collection[str]) -> dict[str, int]:
        """Term → how many chunks of the whole index hold it in their body."""
        return self._postings.frequencies(terms)

    def search(
        self,
        terms: Collection[str],
        *,
        tenants: Collection[str],
        as_of: datetime | None = None,
        releases: Collection[str] | None = None,
        product: str | None = None,
        limit: int,
        head_weight: float = HEAD_WEIGHT,
    ) -> dict[str, float]:
        """Chunk id → BM25 score of the best, those first. The filters are those of `rag.retriever.Filters`."""
        selection = Selection(
            tenants=frozenset(tenants),
            products=None if product is None else frozenset({NONE, product}),
            releases=None if releases is None else frozenset({NONE, *releases}),
            at=None if as_of is None else microseconds(as_of),
        )
        return self._postings.search(terms, selection, limit, head_weight)
