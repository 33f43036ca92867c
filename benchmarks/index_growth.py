"""One changed document in a large index: seconds until a search finds it, beside a build from scratch.

`python -m benchmarks.index_growth [--chunks 100000]` starts a Postgres of its own and fills gold with documents of one
chunk each, made-up words by Zipf's law. Their vectors are random ones, so that loading takes minutes; the texts that
change afterwards are embedded by the real embedder.
"""

import argparse
import hashlib
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from lakehouse import database
from lakehouse.database import Connection
from rag import indexing
from rag.collecting import collect
from rag.embedder import Embedder, open_embedder
from rag.indexing import HNSW_ABOVE, Built, Parameters
from rag.retriever import Filters, retrieve

NOW = datetime(2026, 11, 1, tzinfo=UTC)
WORDS, A_TEXT = 30_000, 90
GOLD = """
create schema gold;
create table gold.documents (
    tenant_id text, document_id text, kind text, title text, text text, object_sha256 text, byte_start bigint,
    byte_end bigint, product text, version_from text, version_to text, valid_from timestamptz, valid_to timestamptz,
    recorded_at timestamptz, superseded_by text, classification text, url text, path text,
    included_in jsonb, primary key (tenant_id, document_id)
);
"""
COPY = """
copy gold.documents (
    tenant_id, document_id, kind, title, text, object_sha256, byte_start, byte_end, valid_from, recorded_at,
    classification
) from stdin
"""
CHANGE = """
update gold.documents set text = %(text)s, object_sha256 = %(sha256)s, byte_end = octet_length(%(text)s)
where document_id = any(%(names)s)
"""


@dataclass(frozen=True)
class Drawn:
    """Stands in for the embedder while the index is filled: random unit vectors under its name."""

    name: str

    def embed(self, texts: list[str]) -> Any:
        seed = int.from_bytes(hashlib.sha256(texts[0].encode()).digest()[:8])
        vectors = np.random.default_rng(seed).standard_normal((len(texts), 384), dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass(frozen=True)
class Measured:
    """Seconds of the build, of the promotion, and from the change until a search finds it."""

    built: float
    promoted: float
    found: float
    embedded: int


@dataclass(frozen=True)
class Site:
    url: str
    home: Path
    embedder: Embedder
    connection: Connection

    def build(self, *, minutes: int, **options: Any) -> Built:
        now = NOW + timedelta(minutes=minutes)
        return indexing.build_index(self.url, self.embedder, self.home / "indexes", now=now, **options)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5, help="How many times one document changes.")
    options = parser.parse_args()
    with site() as it:
        fill(it.connection, options.chunks)
        drawn = Drawn(it.embedder.name)
        first = indexing.build_index(it.url, drawn, it.home / "indexes", now=NOW)  # type: ignore[arg-type]
        print(f"filled: {first.describe()}")
        indexing.promote(it.url, first.version.index_version, now=NOW)
        it.connection.execute("analyze")
        one_by_one = [measure(it, number, [f"d{number * 7:07}"]) for number in range(1, options.repeat + 1)]
        report("one document", one_by_one)
        for count in (10, 100):
            names = [f"d{number * 13:07}" for number in range(count)]
            report(f"{count} documents", [measure(it, options.repeat + count, names)])
        started = perf_counter()
        gone = collect(it.url, it.home / "indexes")
        print(f"collecting: {perf_counter() - started:.2f} s; {gone.describe()}")
        started = perf_counter()
        indexing.rollback(it.url, now=NOW)
        print(f"rollback: {perf_counter() - started:.3f} s")
        indexing.rollback(it.url, now=NOW)
        started = perf_counter()
        other = Parameters(hnsw_above=HNSW_ABOVE + 1)  # another family, which shares nothing
        scratch = it.build(minutes=500, parameters=other)
        indexing.promote(it.url, scratch.version.index_version, now=NOW)
        seconds = perf_counter() - started
        print(f"from scratch, all vectors known: {seconds:.1f} s, {scratch.embedded} embedded")
        print(f"ratio to one document: {seconds / statistics.median(one.found for one in one_by_one):.0f}")


@contextmanager
def site() -> Iterator[Site]:
    home = Path(tempfile.mkdtemp(prefix="iotops-benchmark-"))
    url = database.start_embedded(home)
    try:
        with database.connect(url, autocommit=True) as connection:
            for package in ("lakehouse", "rag"):
                database.apply_schema(connection, files(package).joinpath("schema.sql").read_text())
            connection.execute(GOLD)
            yield Site(url, home, open_embedder(home / "models"), connection)
    finally:
        database.stop_embedded(home)
        shutil.rmtree(home)


def fill(connection: Connection, count: int) -> None:
    random = np.random.default_rng(7)
    words = ["".join(letters) for letters in random.choice(list("abcdefghijklmnopqrstuvwxyz"), (WORDS, 7))]
    shares = 1 / np.arange(1, WORDS + 1)
    shares /= shares.sum()
    drawn = random.choice(WORDS, (count, A_TEXT), p=shares)
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for number, chosen in enumerate(drawn):
            text = " ".join(words[word] for word in chosen) + "."
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            name, title = f"d{number:07}", f"Page {number} of {words[chosen[0]]}"
            size = len(text.encode())
            copy.write_row(("default", name, "manual", title, text, sha256, 0, size, NOW, NOW, "internal"))


def measure(it: Site, number: int, names: list[str]) -> Measured:
    text = f"The qxvalve{number} is rinsed every {number} hours and lubricated once a year."
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    it.connection.execute(CHANGE, {"names": names, "text": text, "sha256": sha256})
    started = perf_counter()
    built = it.build(minutes=number)
    promoting = perf_counter()
    indexing.promote(it.url, built.version.index_version, now=NOW)
    promoted = perf_counter() - promoting
    lexical = indexing.open_lexical(it.connection, it.home / "indexes", built.version.index_version)
    filters = Filters(["default"], built.version.index_version)
    hits = retrieve(
        it.connection, lexical, it.embedder, f"How often is qxvalve{number} rinsed?", filters=filters, limit=5
    )
    found = perf_counter() - started
    if hits[0].document_id not in names:
        raise SystemExit(f"the change of {names} is not found")
    return Measured(built.seconds, promoted, found, built.embedded)


def report(what: str, measured: list[Measured]) -> None:
    found = sorted(one.found for one in measured)
    built, promoted = (statistics.median(getattr(one, name) for one in measured) for name in ("built", "promoted"))
    print(
        f"{what} changed: found after {statistics.median(found):.2f} s ({found[0]:.2f} to {found[-1]:.2f}; built in "
        f"{built:.2f}, promoted in {promoted:.2f}), {measured[0].embedded} embedded",
        flush=True,
    )


if __name__ == "__main__":
    main()
