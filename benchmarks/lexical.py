"""Exact BM25 (`rag.bm25`) and tantivy beside rank-bm25 on the same terms: python -m benchmarks.lexical --data FOLDER

Each question is timed in all engines one after another, so that other work on the machine weighs on all of them; the
intervals are by the bootstrap over questions.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from rank_bm25 import BM25Okapi  # type: ignore[import-untyped, unused-ignore]

from benchmarks import confidence, suites
from rag import bm25, lexical
from rag.lexical import Entry, Lexical
from rag.retriever import DEPTH
from rag.tokens import analyse

Search = Callable[[list[str]], dict[str, float]]
SEGMENTS, OPEN_END = 4, 1 << 62


def main() -> None:
    options = suites.arguments(__doc__ or "").parse_args()
    suite = suites.scifact(options.data, "train")
    bodies = [f"{part.title} {part.text}" for part in suite.parts]
    started = perf_counter()
    terms = [analyse(body) for body in bodies]
    size = sum(len(body.encode()) for body in bodies)
    print(f"analyse: {size / 1e6 / (perf_counter() - started):.1f} MB/s, {sum(map(len, terms)):,} terms")
    asked = [sorted(set(analyse(question.text))) for question in suite.questions]
    with tempfile.TemporaryDirectory() as folder:
        engines = {
            "rag.bm25": timed_build("rag.bm25", lambda: exact(Path(folder), bodies)),
            "tantivy": timed_build("tantivy", lambda: by_tantivy(Path(folder) / "tantivy", bodies)),
        }
        compare(engines, oracle(terms), asked)


def timed_build(name: str, build: Callable[[], Search]) -> Search:
    started = perf_counter()
    engine = build()
    print(f"{name}: built in {perf_counter() - started:.1f} s")
    return engine


def exact(folder: Path, bodies: Sequence[str]) -> Search:
    for segment in range(SEGMENTS):
        chunks = (
            bm25.Posted(str(n), "", bodies[n], ("t", "-", "-"), 0, OPEN_END)
            for n in range(segment, len(bodies), SEGMENTS)
        )
        bm25.write_segment(folder, f"segment-{segment}", chunks)
    postings = bm25.Postings([bm25.open_segment(folder, f"segment-{n}") for n in range(SEGMENTS)])
    selection = bm25.Selection(frozenset({"t"}), None, None, None, OPEN_END)
    return lambda terms: postings.search(terms, selection, DEPTH, 1.0)


def by_tantivy(path: Path, bodies: Sequence[str]) -> Search:
    lexical.build(path, (Entry("t", str(n), "", b, None, None, suites.EPOCH, None) for n, b in enumerate(bodies)))
    index = Lexical(path, "benchmark")
    return lambda terms: index.search(terms, tenants=["t"], limit=DEPTH)


def oracle(terms: list[list[str]]) -> BM25Okapi:
    """With the 1 that keeps the idf of a frequent term positive, as Lucene has it."""
    oracle = BM25Okapi(terms, k1=bm25.K1, b=bm25.B)
    holding: dict[str, int] = {}
    for document in oracle.doc_freqs:
        for word in document:
            holding[word] = holding.get(word, 0) + 1
    oracle.idf = {w: float(np.log(1 + (len(terms) - n + 0.5) / (n + 0.5))) for w, n in holding.items()}
    return oracle


def compare(engines: dict[str, Search], oracle: BM25Okapi, asked: list[list[str]], sample: int = 200) -> None:
    for search in engines.values():
        for words in asked[-sample:]:  # files into memory
            search(words)
    seconds: dict[str, list[float]] = {name: [] for name in [*engines, "rank-bm25"]}
    off: dict[str, list[float]] = {name: [] for name in engines}
    common: dict[str, list[float]] = {name: [] for name in engines}
    for words in asked[:sample]:
        started = perf_counter()
        expected = oracle.get_scores(words)
        best = np.argsort(-expected, kind="stable")[:10]
        seconds["rank-bm25"].append(perf_counter() - started)
        for name, search in engines.items():
            started = perf_counter()
            found = search(words)
            seconds[name].append(perf_counter() - started)
            off[name].append(max(abs(score / expected[int(n)] - 1) for n, score in found.items()))
            common[name].append(len({int(n) for n in list(found)[:10]} & set(best.tolist())) / 10)
    for name in engines:
        faster = confidence.ratio(seconds["rank-bm25"], seconds[name])
        print(
            f"{name}: {1 / np.mean(seconds[name]):.0f} questions a second, rank-bm25 "
            f"{1 / np.mean(seconds['rank-bm25']):.1f}, ratio {faster} (goal 50); 95th percentile "
            f"{np.quantile(seconds[name], 0.95) * 1000:.2f} ms; scores off by {max(off[name]):.1e} at most; "
            f"first ten in common {np.mean(common[name]):.3f}"
        )


if __name__ == "__main__":
    main()
