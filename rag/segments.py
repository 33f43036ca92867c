"""Postings and vectors of some chunks in plain arrays: made at once or revised, one file that is mapped into memory.

A segment that was revised has the bytes of one that is made at once, so how an index came about moves nothing.
"""

import hashlib
import json
import mmap
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rag.tokens import analyse

NAMED: Final = ("tenant_id", "product", "release_key", "kind")
NONE: Final = "-"  # stands for null: chunks that belong to no product must be selectable too
OPEN_END: Final = 1 << 62
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ALIGNED: Final = 64  # bytes, of every array in a file
VECTOR_HEAD: Final = 4  # bytes before the numbers in what Postgres sends of a halfvec

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """`head` is where the chunk stands (title, headings), `body` what it says.

    vector: as `halfvec_send` tells it; all entries of an index have one, or none has.
    """

    tenant_id: str
    chunk_id: str
    head: str
    body: str
    product: str | None
    release_key: str | None
    recorded_at: datetime
    valid_to: datetime | None
    kind: str = NONE
    vector: bytes = b""


@dataclass(frozen=True)
class Segment:
    """Chunks by tenant and id, each a row; postings by term, then row.

    names: the values of each column of NAMED; named: which of them a row has. Moments are in microseconds.
    """

    names: list[list[str]]
    ids: Array  # bytes, a row each
    named: Array  # int32, a row each, four columns
    times: Array  # int64, a row each: recorded_at, valid_to
    lengths: Array  # int32, a row each: terms in body and head
    vectors: Array  # float16, a row each, of no columns where the entries have none
    terms: Array  # uint64: the hash of each term, ascending
    starts: Array  # int64, one more than terms: where the postings of each begin
    holding: Array  # int32, a term each: rows that have it in body and head
    rows: Array  # int32, a posting each
    counts: Array  # int32, a posting each: how often in body and head


_ARRAYS: Final = ("ids", "named", "times", "lengths", "vectors", "terms", "starts", "holding", "rows", "counts")


def make(entries: Iterable[Entry]) -> Segment:
    """Of entries in any order."""
    ordered = sorted(entries, key=lambda entry: (entry.tenant_id, entry.chunk_id))
    hashes: list[int] = []
    rows: list[int] = []
    counts: list[tuple[int, int]] = []
    lengths: list[tuple[int, int]] = []
    for row, entry in enumerate(ordered):
        body, head = analyse(entry.body), analyse(entry.head)
        in_body, in_head = Counter(body), Counter(head)
        terms = in_body.keys() | in_head.keys()
        hashes.extend(map(term_hash, terms))
        rows.extend(repeat(row, len(terms)))
        counts.extend((in_body[term], in_head[term]) for term in terms)
        lengths.append((len(body), len(head)))
    return _arranged(
        [(e.chunk_id.encode(), (e.tenant_id, e.product or NONE, e.release_key or NONE, e.kind)) for e in ordered],
        _pairs([(microseconds(e.recorded_at), microseconds(e.valid_to) if e.valid_to else OPEN_END) for e in ordered]),
        _pairs(lengths).astype(np.int32),
        _vectors(ordered),
        (np.array(hashes, dtype=np.uint64), np.array(rows, dtype=np.int32), _pairs(counts).astype(np.int32)),
    )


def revise(base: Segment, gone: Collection[tuple[str, str]], entries: Iterable[Entry]) -> Segment:
    """Without the chunks of the documents that are gone (tenant and id), with these entries."""
    added = make(entries)
    chunks = _chunks(base)
    kept = np.array([(own[0], _document(chunk_id)) not in gone for chunk_id, own in chunks], dtype=np.bool_)
    chunks = [chunk for chunk, stays in zip(chunks, kept, strict=True) if stays] + _chunks(added)
    order = sorted(range(len(chunks)), key=lambda at: (chunks[at][1][0], chunks[at][0]))
    place = np.empty(len(order), dtype=np.int32)  # of each chunk, its row by now
    place[order] = np.arange(len(order), dtype=np.int32)
    staying = kept[base.rows]
    hashes = np.concatenate([_hashes(base)[staying], _hashes(added)])
    before = (np.cumsum(kept) - 1)[base.rows[staying]]
    rows = place[np.concatenate([before, added.rows.astype(np.int64) + int(kept.sum())])]
    return _arranged(
        [chunks[at] for at in order],
        np.concatenate([base.times[kept], added.times])[order],
        np.concatenate([base.lengths[kept], added.lengths])[order],
        _stacked([base.vectors[kept], added.vectors])[order],
        (hashes, rows, np.concatenate([base.counts[staying], added.counts])),
    )


def write(path: Path, segment: Segment) -> None:
    """A line of JSON that says where each array is, then the arrays."""
    arrays = {name: np.ascontiguousarray(getattr(segment, name)) for name in _ARRAYS}
    places, offset = {}, 0
    for name, array in arrays.items():
        places[name] = [array.dtype.str, array.shape, offset]
        offset += -(-array.nbytes // ALIGNED) * ALIGNED
    header = json.dumps({"names": segment.names, "arrays": places}).encode()
    header += b" " * (-(len(header) + 1) % ALIGNED) + b"\n"
    with path.open("wb") as file:
        file.write(header)
        for array in arrays.values():
            file.write(array.tobytes())
            file.write(bytes(-array.nbytes % ALIGNED))


def read(path: Path) -> Segment:
    """Raises ValueError where the file is no segment. What is read stays, though the file may go."""
    with path.open("rb") as file:
        line = file.readline()
        try:
            header = json.loads(line)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            arrays = {
                name: np.ndarray(shape, kind, mapped, len(line) + offset)
                for name, (kind, shape, offset) in header["arrays"].items()
            }
            return Segment(names=header["names"], **arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path.name} is damaged or no file of postings: {error}") from error


@lru_cache(maxsize=1 << 17)
def term_hash(term: str) -> int:
    """64 bits: of a million terms, two share theirs once in thirty million indexes."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "big")


def microseconds(at: datetime) -> int:
    elapsed = at - EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds


def _arranged(
    chunks: list[tuple[bytes, tuple[str, ...]]],
    times: Array,
    lengths: Array,
    vectors: Array,
    postings: tuple[Array, Array, Array],
) -> Segment:
    hashes, rows, counts = postings
    order = np.lexsort((rows, hashes))
    terms, starts = np.unique(hashes[order], return_index=True)
    counts = counts[order]
    names = [sorted({own[column] for _, own in chunks}) for column in range(len(NAMED))]
    numbers = [{name: number for number, name in enumerate(column)} for column in names]
    named = [[numbers[column][name] for column, name in enumerate(own)] for _, own in chunks]
    return Segment(
        names=names,
        ids=np.array([chunk_id for chunk_id, _ in chunks], dtype=np.bytes_),
        named=np.array(named, dtype=np.int32).reshape(-1, len(NAMED)),
        times=times,
        lengths=lengths,
        vectors=vectors,
        terms=terms,
        starts=np.append(starts, len(hashes)).astype(np.int64),
        holding=np.add.reduceat(counts > 0, starts, dtype=np.int32) if len(terms) else counts,
        rows=rows[order],
        counts=counts,
    )


def _chunks(segment: Segment) -> list[tuple[bytes, tuple[str, ...]]]:
    columns = [[segment.names[i][n] for n in segment.named[:, i].tolist()] for i in range(len(NAMED))]
    return list(zip(segment.ids.tolist(), zip(*columns, strict=True), strict=True))


def _document(chunk_id: bytes) -> str:
    return chunk_id.decode().rpartition(".")[0]


def _hashes(segment: Segment) -> Array:
    return np.repeat(segment.terms, np.diff(segment.starts))


def _vectors(entries: Sequence[Entry]) -> Array:
    sent = [np.frombuffer(entry.vector, ">f2", offset=VECTOR_HEAD) for entry in entries if entry.vector]
    return np.array(sent, dtype=np.float16) if sent else np.empty((len(entries), 0), dtype=np.float16)


def _stacked(vectors: Sequence[Array]) -> Array:
    return np.concatenate([some for some in vectors if len(some)] or list(vectors[:1]))


def _pairs(values: list[tuple[int, int]]) -> Array:
    return np.array(values, dtype=np.int64).reshape(-1, 2)
