"""Exact BM25 over segments of postings: what a term adds to each chunk is summed over all chunks, the best are kept.

Scores are those of rank-bm25 (with the 1 that keeps the idf of a frequent term positive), over all segments together:
how the chunks are spread over segments moves no score. docs/adr/0010-quality.md says what it costs.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import log
from threading import Lock
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from rag.segments import OPEN_END, Segment, term_hash

K1, B = 1.2, 0.75
HELD: Final = 4_000_000  # weights that are kept of the terms last asked for: 64 MB with the rows they are of
MASKS: Final = 64  # sets of filters whose chunks are remembered, a byte a chunk each
# Of all chunks: a term in more of them is kept as a weight for each, which is added four times as fast as by row.
DENSE: Final = 0.15
BLOCKS: Final = 32
INSIGHT: Final = "insight"  # the kind of what gold tells of its own facts

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Selection:
    """Which chunks may be found. None: not asked. `at` selects what was recorded and valid then, else what is valid."""

    tenants: frozenset[str]
    products: frozenset[str] | None = None
    releases: frozenset[str] | None = None
    at: int | None = None
    insights: bool = True


class Match(NamedTuple):
    score: float
    cosine: float


@dataclass(frozen=True)
class Weighed:
    """What a term adds to the score of each chunk, or of those in `rows`."""

    rows: Array | None
    weights: Array


class Postings:
    """Safe to use from several threads."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._firsts = np.cumsum([0, *(len(segment.ids) for segment in segments)]).tolist()
        self._ids = _joined([segment.ids for segment in segments], np.bytes_)
        lengths = _joined([segment.lengths for segment in segments], np.int32).astype(np.float64).reshape(-1, 2)
        means = np.maximum(lengths.mean(axis=0), 1e-9) if len(lengths) else np.ones(2)
        self._damping = [np.ascontiguousarray(column) for column in (K1 * (1 - B + B * lengths / means)).T]
        terms = _joined([segment.terms for segment in segments], np.uint64)
        order = np.argsort(terms, kind="stable")
        self._terms = terms[order]
        self._places = order  # of each term in each segment, counted over all segments
        self._first_terms = np.cumsum([0, *(len(segment.terms) for segment in segments)])
        self._masks: dict[Selection, npt.NDArray[np.bool_] | None] = {}
        self._weighed: dict[tuple[str, float], Weighed] = {}
        self._held = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def frequencies(self, terms: Collection[str]) -> dict[str, int]:
        """Term → how many chunks hold it in their body."""
        return {term: self._find(term)[1][0] for term in terms}

    def search(self, terms: Collection[str], selection: Selection, limit: int, head_weight: float) -> dict[str, float]:
        """Chunk id → score of the best, those first; of equal ones by id."""
        return {chunk_id: score for chunk_id, score, _ in self._best(terms, selection, limit, head_weight)}

    def match(
        self,
        terms: Collection[str],
        vector: npt.NDArray[np.float32],
        selection: Selection,
        limit: int,
        head_weight: float,
    ) -> dict[str, Match]:
        """The same, each with how near its vector is to this one."""
        found = self._best(terms, selection, limit, head_weight)
        cosines = self._cosines([row for _, _, row in found], vector)
        return {chunk_id: Match(score, cosine) for (chunk_id, score, _), cosine in zip(found, cosines, strict=True)}

    def _best(
        self, terms: Collection[str], selection: Selection, limit: int, head_weight: float
    ) -> list[tuple[str, float, int]]:
        """Chunk id, score and row."""
        if not terms or not len(self):
            return []
        scores = self._scores(sorted(set(terms)), head_weight)
        hidden = self._hidden(selection)
        if hidden is not None:
            scores[hidden] = 0.0
        rows = best(scores, limit)
        found = sorted(zip((-scores[rows]).tolist(), self._ids[rows].tolist(), rows.tolist(), strict=True))[:limit]
        return [(chunk_id.decode(), -score, row) for score, chunk_id, row in found]

    def _cosines(self, rows: Sequence[int], vector: npt.NDArray[np.float32]) -> list[float]:
        """Of halves, as pgvector takes both sides. Row by row, so that equal vectors have equal cosines."""
        if not rows:
            return []
        places = [(bisect_right(self._firsts, row) - 1, row) for row in rows]
        stored = np.stack([self._segments[at].vectors[row - self._firsts[at]] for at, row in places])
        asked = vector.astype(np.float16).astype(np.float32)
        return [float(cosine) for cosine in (stored.astype(np.float32) * asked).sum(axis=1)]

    def _scores(self, terms: Sequence[str], head_weight: float) -> npt.NDArray[np.float64]:
        """In one order of terms always: sums in two orders differ in their last bit, and would change places by it."""
        sparse, dense = [], []
        for term in terms:
            one = self._weigh(term, head_weight)
            if one.rows is None:
                dense.append(one.weights)
            else:
                sparse.append((one.rows, one.weights))
        rows, weights = map(np.concatenate, zip(*sparse, strict=True)) if sparse else (np.empty(0, np.intp), None)
        scores = np.bincount(rows, weights=weights, minlength=len(self)).astype(np.float64, copy=False)
        for one_more in dense:
            scores += one_more
        return scores

    def _weigh(self, term: str, head_weight: float) -> Weighed:
        known = self._weighed.get((term, head_weight))
        if known is None:
            known = self._weigh_anew(term, head_weight)
            with self._lock:
                if self._held + len(known.weights) > HELD:
                    self._weighed.clear()
                    self._held = 0
                self._weighed[term, head_weight] = known
                self._held += len(known.weights)
        return known

    def _weigh_anew(self, term: str, head_weight: float) -> Weighed:
        places, holding = self._find(term)
        rows = _joined([self._segments[s].rows[start:end] + self._firsts[s] for s, start, end in places], np.intp)
        rows = rows.astype(np.intp, copy=False)
        counts = _joined([self._segments[s].counts[start:end] for s, start, end in places], np.int32).reshape(-1, 2)
        weights = np.zeros(len(rows))
        for column, share in ((0, 1.0), (1, head_weight)):
            own = counts[:, column]
            idf = log(1 + (len(self) - holding[column] + 0.5) / (holding[column] + 0.5))
            weights += share * idf * (K1 + 1) * own / (own + self._damping[column][rows])
        if len(rows) <= DENSE * len(self):
            return Weighed(rows, weights)
        return Weighed(None, np.bincount(rows, weights=weights, minlength=len(self)))

    def _find(self, term: str) -> tuple[list[tuple[int, int, int]], tuple[int, int]]:
        """Segment, first and last posting; and how many chunks hold the term in their body, and in their head."""
        number = np.uint64(term_hash(term))
        first, last = self._terms.searchsorted(number), self._terms.searchsorted(number, side="right")
        places: list[tuple[int, int, int]] = []
        body = head = 0
        for place in self._places[first:last].tolist():
            number_of_segment = int(self._first_terms.searchsorted(place, side="right")) - 1
            segment, at = self._segments[number_of_segment], place - int(self._first_terms[number_of_segment])
            places.append((number_of_segment, int(segment.starts[at]), int(segment.starts[at + 1])))
            body, head = body + int(segment.holding[at, 0]), head + int(segment.holding[at, 1])
        return places, (body, head)

    def _hidden(self, selection: Selection) -> npt.NDArray[np.bool_] | None:
        """The chunks that are not selected; None where all are."""
        if selection not in self._masks:
            hidden = ~_joined([_select(segment, selection) for segment in self._segments], np.bool_)
            with self._lock:
                if len(self._masks) >= MASKS:
                    self._masks.clear()
                self._masks[selection] = hidden if hidden.any() else None
            return hidden
        return self._masks[selection]


def best(scores: npt.NDArray[np.float64], limit: int) -> npt.NDArray[np.intp]:
    """Rows that have the `limit` highest scores above 0, and those that have the lowest of them too, in any order.

    The scores are cut into strips, and the highest of each is looked at first: the strip whose highest is number
    `limit` says what a score must have, and few are left to be sorted.
    """
    width = len(scores) // BLOCKS
    if width > 2 * limit:
        highest = scores[: width * BLOCKS].reshape(BLOCKS, width).max(axis=0)
        least = np.partition(highest, width - limit)[width - limit]
        rows = np.flatnonzero(scores >= least if least > 0 else scores > 0)
    else:
        rows = np.flatnonzero(scores > 0)
    if len(rows) <= limit:
        return rows
    left = scores[rows]
    return np.asarray(rows[left >= np.partition(left, len(left) - limit)[len(left) - limit]])


def _select(segment: Segment, selection: Selection) -> npt.NDArray[np.bool_]:
    chosen = np.ones(len(segment.ids), dtype=np.bool_)
    kinds = None if selection.insights else frozenset(segment.names[-1]) - {INSIGHT}
    wanted = (selection.tenants, selection.products, selection.releases, kinds)
    for column, values in enumerate(wanted):
        if values is not None:
            allowed = np.array([name in values for name in segment.names[column]], dtype=np.bool_)
            chosen &= allowed[segment.named[:, column]]
    recorded_at, valid_to = segment.times.T
    if selection.at is None:
        return np.asarray(chosen & (valid_to == OPEN_END))
    return np.asarray(chosen & (recorded_at <= selection.at) & (valid_to > selection.at))


def _joined(arrays: Sequence[Array], kind: npt.DTypeLike) -> Array:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=kind)
