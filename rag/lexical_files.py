"""The lexical files of an index version: one folder, written once, then only read.

Chunks lie in buckets by their document's name, each bucket a segment, one file. A version that grows from another
writes those buckets anew that changed and links the files of the others. So no file ever holds what its version does
not, BM25 counts nothing that is gone, and an index that grew has the scores of one that is made at once.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rag import segments
from rag.segments import Entry, Segment

BUCKET_SIZE: Final = 16_384  # chunks
MOST_BUCKETS: Final = 32
END: Final = ".postings"


def bucket_count(chunks: int) -> int:
    """A power of two, by the number of chunks alone: equal chunks give equal files, whatever they grew from."""
    count = 1
    while count < MOST_BUCKETS and chunks > count * BUCKET_SIZE:
        count *= 2
    return count


def bucket_of(tenant_id: str, document_id: str, count: int) -> int:
    """The database says the same in `rag.entries`."""
    name = hashlib.md5(f"{tenant_id}/{document_id}".encode(), usedforsecurity=False)
    return int(name.hexdigest()[:7], 16) % count


def build(path: Path, entries: Iterable[Entry]) -> int:
    """Write one bucket of these entries. Returns their number."""
    return write(path, [(0, segments.make(entries))], 1)


def write(path: Path, buckets: Iterable[tuple[int, Segment]], count: int, base: Path | None = None) -> int:
    """Write the index below `path`, whole or not at all, and return the number of entries. Replaces what was there.

    buckets: number and segment of those that are written; of the others (of `count`) the files of `base` are linked.
    """
    building = path.with_name(f".building-{uuid.uuid4().hex}")
    building.mkdir(parents=True)
    try:
        kept = set(range(count)) if base else set()
        for number, segment in buckets:
            segments.write(file_of(building, number, count), segment)
            kept.discard(number)
        for number in kept:
            _link(file_of(base or path, number, count), file_of(building, number, count))
        entries = sum(len(segment.ids) for segment in read_segments(building))
        shutil.rmtree(path, ignore_errors=True)
        building.rename(path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return entries


def can_grow(base: Path, count: int) -> bool:
    """Whether the files there have so many buckets."""
    try:
        return len(read_segments(base)) == count
    except ValueError:
        return False


def read_segments(path: Path) -> list[Segment]:
    """Raises ValueError where a file is missing or damaged."""
    files = sorted(path.glob(f"*{END}"))
    if not files:
        raise ValueError("there are no lexical files")
    count = int(files[0].name.removesuffix(END).rpartition("-")[2])
    wanted = [file_of(path, number, count) for number in range(count)]
    if files != wanted:
        raise ValueError(f"of {count} lexical files {len(set(files) & set(wanted))} are there")
    return [segments.read(file) for file in files]


def file_of(path: Path, number: int, count: int) -> Path:
    return path / f"{number:02}-of-{count}{END}"


def _link(source: Path, target: Path) -> None:
    """A file never changes once it is written. Where the file system has no hard links, it is copied."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
