"""Rows of documents → the same with their texts, and with what these include from other files."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.includes import INCLUDING, read_includes
from lakehouse.objects import ObjectStore

# So much text is in memory at once, or that of one document, which is 20 MB at most.
BATCH_BYTES: Final = 32 << 20
BATCH_DOCUMENTS: Final = 500
# An object costs a round trip to S3 (tens of milliseconds), during which nothing is computed.
READERS: Final = 8


def with_texts(chunks: Iterator[pa.Table], objects: ObjectStore) -> Iterator[pa.Table]:
    """In portions of a size that memory holds."""
    for chunk in chunks:
        for part in _parts(chunk):
            rows = part.to_pylist()
            texts = _texts(rows, objects)
            included = [_includes(row, text) for row, text in zip(rows, texts, strict=True)]
            with_text = part.append_column("text", pa.array(texts, pa.string()))
            yield with_text.append_column("includes", pa.array(included, pa.string()))


def _includes(row: dict[str, Any], text: str) -> str | None:
    if row["media_type"] not in INCLUDING:
        return None
    found = read_includes(row["path"], text)
    return json.dumps([asdict(include) for include in found], ensure_ascii=False) if found else None


def _parts(documents: pa.Table) -> Iterator[pa.Table]:
    sizes = pc.subtract(documents["byte_end"], documents["byte_start"]).to_pylist()
    start = size = 0
    for position, next_size in enumerate(sizes):
        if position - start == BATCH_DOCUMENTS or (size and size + next_size > BATCH_BYTES):
            yield documents.slice(start, position - start)
            start, size = position, 0
        size += next_size
    if start < len(sizes):
        yield documents.slice(start)


def _texts(documents: list[dict[str, Any]], objects: ObjectStore) -> list[str]:
    """The stated bytes of each document, decoded; nothing for a deletion. An object is read once, and checked whole."""
    wanted = sorted({(row["tenant_id"], row["object_sha256"]) for row in documents if not row["deleted"]})
    with ThreadPoolExecutor(READERS) as pool:
        contents = dict(zip(wanted, pool.map(lambda name: objects.get(*name), wanted), strict=True))
    return [
        ""
        if row["deleted"]
        else contents[row["tenant_id"], row["object_sha256"]][row["byte_start"] : row["byte_end"]].decode()
        for row in documents
    ]
