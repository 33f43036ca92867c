"""BM25 over the chunks of one index version: the files of `rag.lexical_files`, read."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rag.bm25 import Match as Match
from rag.bm25 import Postings, Selection
from rag.filters import Filters
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
        """Chunk id → BM25 score of the best, those first. The filters are those of `rag.filters.Filters`."""
        filters = Filters(tenants, self.index_version, as_of, releases, product)
        return self._postings.search(terms, _selection(filters), limit, head_weight)

    def match(
        self, terms: Collection[str], vector: npt.NDArray[np.float32], filters: Filters, *, limit: int
    ) -> dict[str, Match]:
        """The same, each with its cosine, of an index whose entries have vectors."""
        return self._postings.match(terms, vector, _selection(filters), limit, HEAD_WEIGHT)


def _selection(filters: Filters) -> Selection:
    return Selection(
        tenants=frozenset(filters.tenants),
        products=None if filters.product is None else frozenset({NONE, filters.product}),
        releases=None if filters.releases is None else frozenset({NONE, *filters.releases}),
        at=None if filters.as_of is None else microseconds(filters.as_of),
        insights=filters.insights,
    )
