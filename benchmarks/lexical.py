"""The lexical index beside rank-bm25 on the same terms: python -m benchmarks.lexical --data FOLDER

Each question is timed in both engines one after another, so that other work on the machine weighs on both; the interval
is by the bootstrap over questions. benchmarks/retrieval.py times the index at 100,000 chunks.
"""

import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from rank_bm25 import BM25Okapi  # type: ignore[import-untyped, unused-ignore]

from benchmarks import confidence, suites
from rag import bm25, lexical
from rag.lexical import Entry, Lexical
from rag.retriever import LEXICAL_DEPTH
from rag.suites import EPOCH, scifact
from rag.tokens import analyse

SAMPLE = 200


def main() -> None:
    options = suites.arguments(__doc__ or "").parse_args()
    suite = scifact(options.data, "train")
    bodies = [f"{part.title} {part.text}" for part in suite.parts]
    started = perf_counter()
    terms = [analyse(body) for body in bodies]
    size = sum(len(body.encode()) for body in bodies)
    print(f"analyse: {size / 1e6 / (perf_counter() - started):.1f} MB/s, {sum(map(len, terms)):,} terms")
    asked = [sorted(set(analyse(question.text))) for question in suite.questions]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lexical"
        started = perf_counter()
        lexical.build(path, (Entry("t", str(n), "", b, None, None, EPOCH, None) for n, b in enumerate(bodies)))
        built = perf_counter()
        index = Lexical(path, "benchmark")
        print(f"{len(index):,} chunks built in {built - started:.1f} s, opened in {perf_counter() - built:.3f} s")
        compare(index, oracle(terms), asked)


def oracle(terms: list[list[str]]) -> BM25Okapi:
    """With the 1 that keeps the idf of a frequent term positive, as Lucene has it."""
    oracle = BM25Okapi(terms, k1=bm25.K1, b=bm25.B)
    holding: dict[str, int] = {}
    for document in oracle.doc_freqs:
        for word in document:
            holding[word] = holding.get(word, 0) + 1
    oracle.idf = {w: float(np.log(1 + (len(terms) - n + 0.5) / (n + 0.5))) for w, n in holding.items()}
    return oracle


def compare(index: Lexical, oracle: BM25Okapi, asked: list[list[str]]) -> None:
    for words in asked[-SAMPLE:]:  # other questions, as an index that has been asked before
        index.search(words, tenants=["t"], limit=LEXICAL_DEPTH)
    ours, theirs, off = [], [], []
    for words in asked[:SAMPLE]:
        started = perf_counter()
        expected = oracle.get_scores(words)
        np.argsort(-expected, kind="stable")[:LEXICAL_DEPTH]
        theirs.append(perf_counter() - started)
        started = perf_counter()
        found = index.search(words, tenants=["t"], limit=LEXICAL_DEPTH)
        ours.append(perf_counter() - started)
        off.append(max(abs(score / expected[int(n)] - 1) for n, score in found.items()))
        if min(found.values()) < np.sort(expected)[-len(found)] * (1 - 1e-12):
            raise SystemExit(f"not the best {len(found)} of rank-bm25: {words}")
    print(
        f"rag.lexical: {1 / np.mean(ours):.0f} questions a second, rank-bm25 {1 / np.mean(theirs):.1f}, ratio "
        f"{confidence.ratio(theirs, ours)} (goal 50); 95th percentile {np.quantile(ours, 0.95) * 1000:.2f} ms; "
        f"scores off by {max(off):.1e} at most"
    )


if __name__ == "__main__":
    main()
