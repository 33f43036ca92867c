"""The lexical files of an index version: one folder, written once, then only read.

Chunks lie in buckets by their document's name, each bucket a segment of its own. A version that grows from another
writes those buckets anew that changed and links the files of the others. So no file ever holds what its version does
not, BM25 counts nothing that is gone, and an index that grew has the scores of one that is made at once.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import tantivy

from rag.tokens import analyse

HEAP: Final = 64 << 20
NONE: Final = "-"  # stands for null: chunks that belong to no product, or are still valid, must be selectable too
OPEN_END: Final = 1 << 62
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
BUCKETS: Final = "buckets.json"  # of each bucket, its segments as meta.json names them
BUCKET_SIZE: Final = 4096  # chunks: 0.5 s to write
MOST_BUCKETS: Final = 32  # every question looks into all of them


@dataclass(frozen=True, slots=True)
class Entry:
    """`head` is where the chunk stands (title, headings), `body` what it says."""

    tenant_id: str
    chunk_id: str
    head: str
    body: str
    product: str | None
    release_key: str | None
    recorded_at: datetime
    valid_to: datetime | None


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
    return write(path, [(0, entries)], 1)


def write(path: Path, buckets: Iterable[tuple[int, Iterable[Entry]]], count: int, base: Path | None = None) -> int:
    """Write the index below `path`, whole or not at all, and return the number of entries. Replaces what was there.

    buckets: number and entries of those that are written; of the others (of `count`) the files of `base` are linked.
    """
    building = path.with_name(f".building-{uuid.uuid4().hex}")
    building.mkdir(parents=True)
    try:
        entries = _write(building, buckets, count, base)
        shutil.rmtree(path, ignore_errors=True)
        building.rename(path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return entries


def can_grow(base: Path, count: int) -> bool:
    """Whether the files there have so many buckets, all of whose files are there."""
    try:
        segments = _segments(base)
        names = {file.name.partition(".")[0] for file in base.iterdir()}
    except (OSError, ValueError):
        return False
    return len(segments) == count and {_name(one) for bucket in segments for one in bucket} <= names


def _write(path: Path, buckets: Iterable[tuple[int, Iterable[Entry]]], count: int, base: Path | None) -> int:
    segments: list[list[Any]] = _segments(base) if base else [[] for _ in range(count)]
    kept = set(range(count)) if base else set()
    tantivy.Index(schema(), str(path))  # meta.json of an empty index, which is filled in below
    for number, entries in buckets:
        segments[number] = _write_bucket(path, path / f"bucket-{number}", entries)
        kept.discard(number)
    for number in kept:
        _link(base or path, path, segments[number])
    meta = json.loads((path / "meta.json").read_text())
    meta["segments"] = [segment for bucket in segments for segment in bucket]
    (path / "meta.json").write_text(json.dumps(meta))
    (path / BUCKETS).write_text(json.dumps(segments))
    return sum(segment["max_doc"] for segment in meta["segments"])


def _write_bucket(path: Path, folder: Path, entries: Iterable[Entry]) -> list[Any]:
    folder.mkdir()
    index = tantivy.Index(schema(), str(folder))
    index.register_tokenizer("terms", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    with index.writer(HEAP, 1) as writer:  # one thread, so that equal inputs give equal files
        for entry in entries:
            writer.add_document(_document(entry))
    segments: list[Any] = json.loads((folder / "meta.json").read_text())["segments"]
    _link(folder, path, segments)
    shutil.rmtree(folder)
    return segments


def _link(source: Path, path: Path, segments: list[Any]) -> None:
    """Segment files never change once they are written. Where the file system has no hard links, they are copied."""
    names = {_name(segment) for segment in segments}
    for file in source.iterdir():
        if file.name.partition(".")[0] in names:
            try:
                os.link(file, path / file.name)
            except OSError:
                shutil.copyfile(file, path / file.name)


def _segments(path: Path) -> list[list[Any]]:
    segments: list[list[Any]] = json.loads((path / BUCKETS).read_text())
    return segments


def _name(segment: Any) -> str:
    return str(segment["segment_id"]).replace("-", "")


def schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("chunk_id", stored=True, tokenizer_name="raw", index_option="basic")
    for name in ("tenant_id", "product", "release_key"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("head", "body"):
        builder.add_text_field(name, tokenizer_name="terms", index_option="freq")
    for name in ("recorded_at", "valid_to"):
        builder.add_integer_field(name, indexed=True, fast=True)
    return builder.build()


def _document(entry: Entry) -> tantivy.Document:
    return tantivy.Document(
        tenant_id=entry.tenant_id,
        chunk_id=entry.chunk_id,
        head=" ".join(analyse(entry.head)),
        body=" ".join(analyse(entry.body)),
        product=entry.product or NONE,
        release_key=entry.release_key or NONE,
        recorded_at=microseconds(entry.recorded_at),
        valid_to=microseconds(entry.valid_to) if entry.valid_to else OPEN_END,
    )


def microseconds(at: datetime) -> int:
    elapsed = at - EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
