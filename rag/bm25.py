"""Exact BM25 over postings in plain arrays: segments that are written once and mapped into memory, never loaded.

A segment is a set of `.npy` files with one name. Scores are those of rank-bm25 (with the 1 that keeps the idf of a
frequent term positive), over all segments together: document frequencies and mean lengths are summed when they are
opened, so how the chunks are spread over segments moves no score. docs/adr/0010-quality.md says what it costs.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import log
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rag.tokens import analyse

K1, B = 1.2, 0.75
NAMED: Final = ("tenant_id", "product", "release_key")
HELD: Final = 4_000_000  # postings with their weights that are kept of the terms last asked for: 48 MB
MASKS: Final = 64  # sets of filters whose chunks are remembered, a byte a chunk each

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Posted:
    """One chunk: terms of where it stands (`head`) and of what it says; moments in microseconds."""

    chunk_id: str
    head: str
    body: str
    named: tuple[str, str, str]  # the columns of NAMED
    recorded_at: int
    valid_to: int


def write_segment(folder: Path, name: str, chunks: Iterable[Posted]) -> int:
    """Returns the number of chunks. Equal chunks in equal order give equal files."""
    postings: dict[str, list[tuple[int, int, int]]] = {}
    kept: list[Posted] = []
    lengths: list[tuple[int, int]] = []
    for row, chunk in enumerate(chunks):
        head, body = analyse(chunk.head), analyse(chunk.body)
        in_head, in_body = Counter(head), Counter(body)
        for term in in_body | in_head:
            postings.setdefault(term, []).append((row, in_body[term], in_head[term]))
        kept.append(Posted(chunk.chunk_id, "", "", chunk.named, chunk.recorded_at, chunk.valid_to))
        lengths.append((len(body), len(head)))
    hashed = sorted((term_hash(term), places) for term, places in postings.items())
    flat = np.array([place for _, places in hashed for place in places], dtype=np.int32).reshape(-1, 3)
    vocabulary = [sorted({chunk.named[i] for chunk in kept}) for i in range(len(NAMED))]
    arrays: dict[str, Array] = {
        "terms": np.array([number for number, _ in hashed], dtype=np.uint64),
        "starts": np.cumsum([0, *(len(places) for _, places in hashed)], dtype=np.int64),
        "holding": np.array(
            [[sum(p[i] > 0 for p in places) for i in (1, 2)] for _, places in hashed], dtype=np.int32
        ).reshape(-1, 2),
        "rows": flat[:, 0],
        "counts": flat[:, 1:].T,
        "lengths": np.array(lengths, dtype=np.int32).reshape(-1, 2),
        "named": np.array(
            [[vocabulary[i].index(chunk.named[i]) for i in range(len(NAMED))] for chunk in kept], dtype=np.int32
        ).reshape(-1, len(NAMED)),
        "times": np.array([(chunk.recorded_at, chunk.valid_to) for chunk in kept], dtype=np.int64).reshape(-1, 2),
        "ids": np.array([chunk.chunk_id.encode() for chunk in kept], dtype=np.bytes_),
    }
    for key, array in arrays.items():
        np.save(folder / f"{name}.{key}.npy", np.ascontiguousarray(array))
    (folder / f"{name}.names.json").write_text(json.dumps(vocabulary))
    return len(kept)


@lru_cache(maxsize=1 << 16)
def term_hash(term: str) -> int:
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Segment:
    terms: Array
    starts: Array
    holding: Array  # of each term, how many chunks have it in body and head
    rows: Array
    counts: Array  # how often, a row for body and one for head
    lengths: Array
    named: Array
    times: Array
    ids: Array
    names: list[list[str]] = field(default_factory=list)


def open_segment(folder: Path, name: str) -> Segment:
    """Raises ValueError or OSError where the files are none."""
    keys = ("terms", "starts", "holding", "rows", "counts", "lengths", "named", "times", "ids")
    arrays = {key: _mapped(folder / f"{name}.{key}.npy") for key in keys}
    return Segment(**arrays, names=json.loads((folder / f"{name}.names.json").read_text()))


def _mapped(path: Path) -> Array:
    mapped = np.load(path, mmap_mode="r")
    return np.asarray(mapped.view(np.ndarray))  # slices of memmap objects cost five times as much


@dataclass(frozen=True)
class Selection:
    """Which chunks may be found. None: not asked. `at` selects what was recorded and valid then, else what is valid."""

    tenants: frozenset[str]
    products: frozenset[str] | None
    releases: frozenset[str] | None
    at: int | None
    open_end: int


class Postings:
    """All segments of an index, read together. Safe to use from several threads."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = [segment for segment in segments if len(segment.ids)]
        sizes = [len(segment.ids) for segment in self._segments]
        self._firsts = np.cumsum([0, *sizes]).tolist()
        self._ids = _joined([segment.ids for segment in self._segments], np.bytes_)
        lengths = _joined([segment.lengths for segment in self._segments], np.int32).astype(np.float64).reshape(-1, 2)
        means = np.maximum(lengths.mean(axis=0), 1e-9) if len(lengths) else np.ones(2)
        self._damping = [np.ascontiguousarray(column) for column in (K1 * (1 - B + B * lengths / means)).T]
        self._selected: dict[Selection, npt.NDArray[np.bool_]] = {}
        self._terms: dict[tuple[str, float], tuple[Array, Array]] = {}
        self._held = 0

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def frequencies(self, terms: Collection[str]) -> dict[str, int]:
        """Term → how many chunks hold it in their body."""
        return {term: self._find(term)[1][0] for term in terms}

    def search(self, terms: Collection[str], selection: Selection, limit: int, head_weight: float) -> dict[str, float]:
        """Chunk id → score of the best, those first; of equal ones by id."""
        scores = self._scores(set(terms), head_weight)
        scores *= self._mask(selection)
        if len(scores) > limit:
            least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
            rows = np.flatnonzero(scores >= least) if least > 0 else np.flatnonzero(scores)
        else:
            rows = np.flatnonzero(scores)
        found = sorted(zip((-scores[rows]).tolist(), self._ids[rows].tolist(), strict=True))[:limit]
        return {chunk_id.decode(): -score for score, chunk_id in found}

    def _scores(self, terms: Collection[str], head_weight: float) -> npt.NDArray[np.float64]:
        weighed = [self._weighed(term, head_weight) for term in terms]
        if not weighed:
            return np.zeros(len(self))
        rows, weights = (np.concatenate(arrays) for arrays in zip(*weighed, strict=True))
        return np.asarray(np.bincount(rows, weights=weights, minlength=len(self)), dtype=np.float64)

    def _weighed(self, term: str, head_weight: float) -> tuple[Array, Array]:
        """The chunks that hold a term, and what it adds to the score of each."""
        known = self._terms.get((term, head_weight))
        if known is None:
            known = self._weigh(term, head_weight)
            if self._held + len(known[0]) > HELD:
                self._terms.clear()
                self._held = 0
            self._terms[term, head_weight] = known
            self._held += len(known[0])
        return known

    def _weigh(self, term: str, head_weight: float) -> tuple[Array, Array]:
        places, holding = self._find(term)
        rows = _joined([self._segments[s].rows[start:end] + self._firsts[s] for s, start, end in places], np.int32)
        weights = np.zeros(len(rows))
        for column, share in ((0, 1.0), (1, head_weight)):
            counts = _joined([self._segments[s].counts[column, start:end] for s, start, end in places], np.int32)
            idf = log(1 + (len(self) - holding[column] + 0.5) / (holding[column] + 0.5))
            weights += share * idf * (K1 + 1) * counts / (counts + self._damping[column][rows])
        return rows, weights

    def _find(self, term: str) -> tuple[list[tuple[int, int, int]], list[int]]:
        """Segment, first and last posting; and how many chunks hold the term in their body, and in their head."""
        number, holding = np.uint64(term_hash(term)), [0, 0]
        places: list[tuple[int, int, int]] = []
        for place, segment in enumerate(self._segments):
            at = int(segment.terms.searchsorted(number))
            if at < len(segment.terms) and segment.terms[at] == number:
                places.append((place, int(segment.starts[at]), int(segment.starts[at + 1])))
                holding = [holding[i] + int(segment.holding[at, i]) for i in (0, 1)]
        return places, holding

    def _mask(self, selection: Selection) -> npt.NDArray[np.bool_]:
        known = self._selected.get(selection)
        if known is None:
            known = _joined([_select(segment, selection) for segment in self._segments], np.bool_)
            if len(self._selected) >= MASKS:
                self._selected.clear()
            self._selected[selection] = known
        return known


def _select(segment: Segment, selection: Selection) -> npt.NDArray[np.bool_]:
    chosen = np.ones(len(segment.ids), dtype=np.bool_)
    wanted = (selection.tenants, selection.products, selection.releases)
    for column, values in enumerate(wanted):
        if values is not None:
            allowed = np.array([name in values for name in segment.names[column]])
            chosen &= allowed[segment.named[:, column]]
    recorded_at, valid_to = segment.times.T
    if selection.at is None:
        return np.asarray(chosen & (valid_to == selection.open_end))
    return np.asarray(chosen & (recorded_at <= selection.at) & (valid_to > selection.at))


def _joined(arrays: Sequence[Array], kind: npt.DTypeLike) -> Array:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=kind)
