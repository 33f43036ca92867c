"""Building and asking an index: python -m benchmarks.retrieval --data FOLDER [--sizes 5000,20000,50000]

First SciFact's documents go through the real build and its questions through `retrieve`. Then, for each size, vectors
like theirs are asked by an exact scan and by HNSW; the size where the scan becomes too slow is rag.indexing.HNSW_ABOVE.
"""

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from pgvector import Vector
from pgvector.psycopg import register_vector

from benchmarks import suites
from benchmarks.embedding import memory, peak
from lakehouse import database
from lakehouse.database import Connection
from rag import indexing
from rag.embedder import open_embedder
from rag.retriever import DEPTH, SCAN_SETTINGS, Filters, retrieve
from rag.tokens import analyse

NOW = datetime(2026, 11, 1, tzinfo=UTC)
GOLD = """
create schema gold;
create table gold.documents as
select
    'default' as tenant_id, ''::text as document_id, 'manual' as kind, ''::text as title, ''::text as text,
    ''::text as object_sha256, 0::bigint as byte_start, 0::bigint as byte_end, null::text as product,
    null::text as version_from, null::text as version_to, now() as valid_from, null::timestamptz as valid_to,
    now() as recorded_at, null::text as superseded_by, 'public' as classification, null::text as url
limit 0;
"""


def main() -> None:
    parser = suites.arguments(__doc__ or "")
    parser.add_argument("--sizes", default="5000,20000,50000")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="iotops-benchmark-"))
    url = database.start_embedded(home)
    try:
        with database.connect(url, autocommit=True) as connection:
            for package in ("lakehouse", "rag"):
                database.apply_schema(connection, files(package).joinpath("schema.sql").read_text())
            measure_build(connection, url, home, options.data, options.work)
            register_vector(connection)
            for size in map(int, options.sizes.split(",")):
                measure_size(connection, size)
    finally:
        database.stop_embedded(home)
        shutil.rmtree(home)


def measure_build(connection: Connection, url: str, home: Path, data: Path, work: Path) -> None:
    suite = suites.scifact(data, "test")
    connection.execute(GOLD)
    documents = [(name, title, text, name, NOW, NOW) for name, title, text in suites.scifact_documents(data)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into gold.documents values ('default', %s, 'manual', %s, %s, %s, 0, 1, null, null, null, %s, null, "
            "%s, null, 'public', null)",
            documents,
        )
    embedder = open_embedder(work / "models")
    built = indexing.build_index(url, embedder, home / "indexes", now=NOW)
    rate = built.version.chunks / built.seconds
    print(f"{built.describe()}: {rate:.0f} chunks/s; {memory():.0f} MB resident, {peak():.0f} MB at most")
    again = indexing.build_index(url, embedder, home / "indexes", now=NOW, force=True)
    print(f"again, all vectors known: {again.seconds:.1f} s, {again.version.chunks / again.seconds:.0f} chunks/s")
    lexical = indexing.open_lexical(connection, home / "indexes", built.version.index_version)
    filters = Filters(["default"], built.version.index_version)
    questions = [question.text for question in suite.questions]

    def ask(question: str) -> object:
        return retrieve(connection, lexical, embedder, question, filters=filters, limit=20)

    report("retrieve, end to end", ask, questions)
    report("  of which embedding", lambda q: embedder.embed([q]), questions)
    report("  of which lexical", lambda q: lexical.search(analyse(q), tenants=["default"], limit=DEPTH), questions)


def report(name: str, ask: Callable[[str], object], questions: list[str]) -> None:
    times = []
    for question in questions:
        started = perf_counter()
        ask(question)
        times.append((perf_counter() - started) * 1000)
    print(f"{name}: {np.median(times):.1f} ms, {np.percentile(times, 95):.1f} ms at the 95th percentile")


def measure_size(connection: Connection, size: int) -> None:
    """Vectors spread around real ones, as the chunks of more documents of the same kind would be."""
    draw = np.random.default_rng(size)
    rows = connection.execute("select embedding from search.embeddings order by text_sha256 limit 5000", binary=True)
    real = np.array([row[0].to_numpy() for row in rows])  # type: ignore[attr-defined]
    vectors = spread(real, size, draw)
    connection.execute("drop table if exists sized")
    connection.execute(
        "create table sized (chunk_id int primary key, tenant_id text, text text, embedding vector(384))"
    )
    connection.execute("alter table sized alter column embedding set storage plain")
    with connection.cursor().copy("copy sized from stdin (format binary)") as copy:
        copy.set_types(["int4", "text", "text", "vector"])
        for number, vector in enumerate(vectors):
            copy.write_row((number, "default", "text " * 150, Vector(vector)))
    connection.execute("analyze sized")
    questions = spread(real, 50, draw)
    exact, times = ask_all(connection, questions)
    print(f"{size:,} chunks: exact {np.median(times):.1f} ms ({np.percentile(times, 95):.1f} at the 95th percentile)")
    started = perf_counter()
    connection.execute("set maintenance_work_mem = '256MB'")
    connection.execute("create index on sized using hnsw (embedding vector_ip_ops)")
    seconds = perf_counter() - started
    connection.execute(SCAN_SETTINGS)
    found, times = ask_all(connection, questions)
    recall = np.mean([len(set(a[:10]) & set(b[:10])) / 10 for a, b in zip(exact, found, strict=True)])
    took = f"{np.median(times):.1f} ms ({np.percentile(times, 95):.1f} at the 95th percentile)"
    print(f"  HNSW {took}, recall@10 {recall:.3f}, built in {seconds:.0f} s")


def spread(real: npt.NDArray[np.float32], count: int, draw: np.random.Generator) -> npt.NDArray[np.float32]:
    vectors = real[draw.integers(len(real), size=count)] + draw.normal(scale=0.02, size=(count, real.shape[1]))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def ask_all(connection: Connection, questions: npt.NDArray[np.float32]) -> tuple[list[list[object]], list[float]]:
    found, times = [], []
    for vector in questions:
        started = perf_counter()
        rows = connection.execute(
            "select chunk_id from sized where tenant_id = any(%s) order by embedding <#> %s limit %s",
            (["default"], Vector(vector), DEPTH),
        ).fetchall()
        times.append((perf_counter() - started) * 1000)
        found.append([row[0] for row in rows])
    return found, times


if __name__ == "__main__":
    main()
