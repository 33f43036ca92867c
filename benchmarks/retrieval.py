"""Questions at scale: python -m benchmarks.retrieval --data FOLDER [--sizes 100000] [--arms tenants,question,real,peer]

tenants: p95 and recall@10 of the vector search, for tenants of 10 to 100,000 chunks in one table and under row-level
security, with filters too. peer: pgvector as its README shows it (vector, HNSW with defaults, where tenant_id = ...) on
the same vectors, in the same run. question: one question end to end, by its parts. real: recall on real vectors alone.

Client and server process of the measured connection are bound to one core. How vectors are made: benchmarks/grown.py.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
from psycopg.sql import SQL, Literal

from benchmarks import confidence, grown, suites
from lakehouse import database
from lakehouse.database import Connection
from rag import graphs, indexing, tenancy
from rag.embedder import Embedder, open_embedder
from rag.filters import Filters
from rag.nearest import nearest
from rag.retriever import LEXICAL_DEPTH, VECTOR_DEPTH, retrieve
from rag.tokens import analyse

TENANTS = (10, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000)
SHARES = (1, 5, 20)  # percent of a large tenant that a filter by releases leaves
QUESTIONS = 200
WARMING = 300  # other questions that are asked first: what a large graph keeps apart is in memory by then
REST = "rest"

EXACT = """
select chunk_id
from search.chunks
where family = %(family)s and tenant_id = any(%(tenants)s) and valid_to is null
    and (%(releases)s::text[] is null or release_key = any(%(releases)s))
order by (embedding <#> %(vector)s::halfvec) + 0, chunk_id
limit 10
"""
PEER_TABLE = """
create table peer (id text, tenant_id text, release_key text, valid_to timestamptz, embedding vector(384));
insert into peer select chunk_id, tenant_id, release_key, valid_to, embedding from search.chunks;
create index on peer (tenant_id);
"""
PEER = """
select id from peer
where tenant_id in (%(tenant)s, 'public') and valid_to is null
    and (%(releases)s::text[] is null or release_key = any(%(releases)s))
order by embedding <#> %(vector)s::vector
limit 10
"""


@dataclass(frozen=True)
class Bench:
    connection: Connection
    real: grown.Real
    questions: npt.NDArray[np.float32]
    others: npt.NDArray[np.float32]  # asked before, as of a server that has run for a while


@dataclass(frozen=True)
class Measured:
    """Milliseconds and recall@10, question by question. cpu: milliseconds a question of client and server together,
    which say more than the clock on a machine that others use too."""

    times: npt.NDArray[np.float64]
    cpu: float
    recalls: npt.NDArray[np.float64]

    def __str__(self) -> str:
        return f"{latency(self.times)}, {self.cpu:.1f} ms of CPU, recall@10 {confidence.mean(self.recalls)}"


def main() -> None:
    parser = suites.arguments(__doc__ or "")
    parser.add_argument("--sizes", default="100000")
    parser.add_argument("--arms", default="tenants,question,real,peer")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--shared-buffers", default="128MB", help="of the server that is measured")
    parser.add_argument("--only", nargs="*", default=(), help="measure these tenants: of_100000, rest")
    options = parser.parse_args()
    embedder = open_embedder(options.work / "models")
    real = grown.read_real(options.data, options.work, embedder)
    chosen = np.random.default_rng(0).permutation(len(real.asked))[: options.questions].tolist()
    print(
        f"{len(real.texts):,} real chunks, {len(chosen)} real questions; load {os.getloadavg()[0]:.1f} on this machine"
    )
    arms = options.arms.split(",")
    if "real" in arms:
        run(real, chosen, {"real": len(real.texts), "public": 0}, ["real"], embedder, options.shared_buffers)
    for size in map(int, options.sizes.split(",")):
        others = [arm for arm in arms if arm != "real"]
        run(real, chosen, tenants_of(size), others, embedder, options.shared_buffers, options.only)


def tenants_of(size: int) -> dict[str, int]:
    """Each size that leaves room for others, a tenth or 20,000 that belong to everyone, and one that has the rest."""
    tenants = {"public": min(20_000, size // 10)}
    for chunks in TENANTS:
        if sum(tenants.values()) + chunks < 0.7 * size:
            tenants[f"of_{chunks}"] = chunks
    return {**tenants, REST: size - sum(tenants.values())}


def run(
    real: grown.Real,
    chosen: Sequence[int],
    tenants: dict[str, int],
    arms: list[str],
    embedder: Embedder,
    shared_buffers: str,
    only: Collection[str] = (),
) -> None:
    """Each size has a server of its own: what one leaves in memory must not help the next."""
    home = Path(tempfile.mkdtemp(prefix="iotops-benchmark-"))
    url = start(home, shared_buffers)
    try:
        with database.connect(url, autocommit=True) as connection:
            for package in ("lakehouse", "rag"):
                database.apply_schema(connection, files(package).joinpath("schema.sql").read_text())
            others = np.delete(real.questions, list(chosen), axis=0)[:WARMING]
            bench = Bench(connection, real, real.questions[list(chosen)], others)
            build(bench, {name: chunks for name, chunks in tenants.items() if chunks})
            bind(connection)
            if "peer" in arms:
                build_peer(connection)
            for name in tenants if {"tenants", "real"} & set(arms) else ():
                if name != "public" and (not only or name in only):
                    measure_tenant(bench, name, tenants[name], peer="peer" in arms)
            if "question" in arms:
                measure_question(url, home, [real.asked[n] for n in chosen], embedder)
    finally:
        database.stop_embedded(home)
        shutil.rmtree(home)


def start(home: Path, shared_buffers: str) -> str:
    url = database.start_embedded(home)
    with database.connect(url, autocommit=True) as connection:
        connection.execute(SQL("alter system set shared_buffers = {}").format(Literal(shared_buffers)))
    database.stop_embedded(home)
    return database.start_embedded(home)


def build(bench: Bench, tenants: dict[str, int]) -> None:
    connection = bench.connection
    started = perf_counter()
    grown.fill(connection, bench.real, tenants)
    filled = perf_counter()
    grown.finish(connection)
    built = perf_counter()
    connection.execute("vacuum analyze search.chunks")
    sizes = connection.execute(
        "select pg_size_pretty(pg_table_size(t)), pg_size_pretty(sum(pg_relation_size(i.indexrelid)) "
        "filter (where a.amname = 'hnsw')), count(*) filter (where a.amname = 'hnsw'), "
        "pg_size_pretty(sum(pg_relation_size(i.indexrelid)) filter (where a.amname <> 'hnsw')) "
        "from (select %s::regclass) as r (t) join pg_index as i on i.indrelid = t "
        "join pg_class as c on c.oid = i.indexrelid join pg_am as a on a.oid = c.relam group by t",
        (f"search.chunks_{grown.FAMILY}",),
    ).fetchone()
    assert sizes is not None  # noqa: S101
    print(
        f"\n{sum(tenants.values()):,} chunks: table {sizes[0]}, {sizes[2]} graphs of {sizes[1]}, "
        f"other indexes {sizes[3]}",
        flush=True,
    )
    print(
        f"rows in {filled - started:.0f} s, indexes and graphs in {built - filled:.0f} s; load {os.getloadavg()[0]:.1f}"
    )


def build_peer(connection: Connection) -> None:
    connection.execute(PEER_TABLE)
    connection.execute("set maintenance_work_mem = '3GB'")
    started = perf_counter()
    connection.execute("create index peer_embedding on peer using hnsw (embedding vector_ip_ops)")
    seconds = perf_counter() - started
    connection.execute("analyze peer")
    size = connection.execute("select pg_size_pretty(pg_relation_size('peer_embedding'))").fetchone()
    print(f"peer: one graph of {size[0] if size else None}, built in {seconds:.0f} s")


def bind(connection: Connection) -> None:
    """To one core: the last, as the first has more of the machine's own work."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    psutil.Process(connection.info.backend_pid).cpu_affinity([core])


def measure_tenant(bench: Bench, name: str, chunks: int, *, peer: bool) -> None:
    filters: dict[str, list[str] | None] = {"": None}
    if chunks >= 20_000:
        names = [f"{name}|P|manual|{number}" for number in range(grown.RELEASES)]
        filters |= {f", {share} % of it by release": names[:share] for share in SHARES}
    for described, releases in filters.items():
        own = ["public", name] if releases is None else [name]
        truth = [exact(bench.connection, vector, own, releases) for vector in bench.questions]
        ours = measured(bench, truth, partial(search, bench.connection, own, releases))
        print(f"tenant of {chunks:,}{described}: {ours}", flush=True)
        if peer:
            theirs = measured(bench, truth, partial(ask_peer, bench.connection, name, releases))
            ratio = np.percentile(theirs.times, 95) / np.percentile(ours.times, 95)
            print(f"    peer {theirs}; its p95 is {ratio:.1f} x ours", flush=True)


def measured(bench: Bench, truth: list[list[str]], ask: Callable[[npt.NDArray[np.float32]], list[str]]) -> Measured:
    for vector in bench.others:
        ask(vector)
    times, recalls = [], []
    used = cpu(bench.connection)
    for vector, expected in zip(bench.questions, truth, strict=True):
        started = perf_counter()
        found = ask(vector)
        times.append((perf_counter() - started) * 1000)
        recalls.append(len(set(found[:10]) & set(expected)) / max(len(expected), 1))
    spent = (cpu(bench.connection) - used) * 1000 / len(times)
    return Measured(np.array(times), spent, np.array(recalls))


def cpu(connection: Connection) -> float:
    """Seconds that this process and the server's of the connection have used."""
    processes = psutil.Process(), psutil.Process(connection.info.backend_pid)
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


def search(
    connection: Connection, tenants: list[str], releases: list[str] | None, vector: npt.NDArray[np.float32]
) -> list[str]:
    """As a question does it: in a session of the tenant's, as many candidates as are fused."""
    filters = Filters(tenants, grown.VERSION, releases=releases)
    with connection.transaction():
        if not tenancy.enter(connection, tenants):
            raise RuntimeError("row-level security is not in place")
        place = graphs.find_place(connection, filters)
        return list(nearest(connection, vector, filters, place, depth=VECTOR_DEPTH))


def exact(
    connection: Connection, vector: npt.NDArray[np.float32], tenants: list[str], releases: list[str] | None
) -> list[str]:
    said = {"family": grown.FAMILY, "tenants": tenants, "releases": releases, "vector": str(vector.tolist())}
    return [str(name) for (name,) in connection.execute(EXACT, said).fetchall()]


def ask_peer(
    connection: Connection, tenant: str, releases: list[str] | None, vector: npt.NDArray[np.float32]
) -> list[str]:
    with connection.transaction():
        connection.execute("set local hnsw.iterative_scan = off; set local hnsw.ef_search = 40")  # the defaults
        said = {"tenant": tenant, "releases": releases, "vector": str(vector.tolist())}
        return [str(name) for (name,) in connection.execute(PEER, said).fetchall()]


def measure_question(url: str, home: Path, questions: list[str], embedder: Embedder) -> None:
    """The largest tenant asks. A connection of its own for each question, as the copilot has."""
    tenants = ["public", REST]
    filters = Filters(tenants, grown.VERSION)
    with database.connect(url, autocommit=True) as owner:
        lexical = indexing.open_lexical(owner, home / "indexes", grown.VERSION)

    def session(work: Callable[[Connection], Any]) -> None:
        with database.transaction(url) as connection:
            bind(connection)
            tenancy.enter(connection, tenants)
            work(connection)

    def ask(question: str) -> None:
        session(lambda c: retrieve(c, lexical, embedder, question, filters=filters, limit=20))

    report("one question, connection and all", ask, questions)
    report("  of which connecting", lambda _: session(lambda _: None), questions)
    with database.connect(url) as connection:
        bind(connection)
        tenancy.enter(connection, tenants)
        kept = lambda q: retrieve(connection, lexical, embedder, q, filters=filters, limit=20)  # noqa: E731
        report("the same on a connection that is kept", kept, questions)
        place = graphs.find_place(connection, filters)
        report("  of which embedding", lambda q: embedder.embed([q]), questions)
        vectors = {question: embedder.embed([question])[0] for question in questions}
        match = lambda q: lexical.match(analyse(q), vectors[q], filters, limit=LEXICAL_DEPTH)  # noqa: E731
        report("  of which lexical, with cosines", match, questions)
        report("  of which looking up place and sizes", lambda _: graphs.find_place(connection, filters), questions)
        near = lambda q: nearest(connection, vectors[q], filters, place, depth=VECTOR_DEPTH)  # noqa: E731
        report("  of which vectors", near, questions)
        connection.rollback()


def report(name: str, ask: Callable[[str], object], questions: list[str]) -> None:
    for question in questions[:10]:
        ask(question)
    times = []
    for question in questions:
        started = perf_counter()
        ask(question)
        times.append((perf_counter() - started) * 1000)
    print(f"{name}: {latency(np.array(times))}")


def latency(times: npt.NDArray[np.float64]) -> str:
    return f"p50 {np.median(times):.1f} ms, p95 {np.percentile(times, 95):.1f} ms"


if __name__ == "__main__":
    main()
