"""BM25 by tantivy beside rank-bm25 on the same terms: python -m benchmarks.lexical --data FOLDER"""

import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from rank_bm25 import BM25Okapi  # type: ignore[import-untyped, unused-ignore]

from benchmarks import suites
from rag import lexical
from rag.lexical import Entry, Lexical
from rag.retriever import DEPTH
from rag.tokens import analyse


def main() -> None:
    options = suites.arguments(__doc__ or "").parse_args()
    suite = suites.scifact(options.data, "train")
    bodies = [f"{part.title} {part.text}" for part in suite.parts]
    questions = [question.text for question in suite.questions]
    size = sum(len(body.encode()) for body in bodies)
    started = perf_counter()
    terms = [analyse(body) for body in bodies]
    print(f"analyse: {size / 1e6 / (perf_counter() - started):.1f} MB/s, {sum(map(len, terms)):,} terms")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lexical"
        started = perf_counter()
        entries = (Entry("t", str(n), "", body, None, None, suites.EPOCH, None) for n, body in enumerate(bodies))
        lexical.build(path, entries)
        print(f"build: {len(bodies):,} chunks in {perf_counter() - started:.1f} s")
        index = Lexical(path, "benchmark")
        compare(index, terms, questions)


def compare(index: Lexical, terms: list[list[str]], questions: list[str]) -> None:
    asked = [sorted(set(analyse(question))) for question in questions]
    started = perf_counter()
    found = [index.search(words, tenants=["t"], limit=DEPTH) for words in asked]
    rate = len(asked) / (perf_counter() - started)
    oracle = BM25Okapi(terms, k1=1.2, b=0.75)
    frequencies = {
        word: sum(word in document for document in oracle.doc_freqs) for word in {w for q in asked for w in q}
    }
    for word, frequency in frequencies.items():  # with the 1 that keeps the idf of a frequent term positive
        oracle.idf[word] = float(np.log(1 + (len(terms) - frequency + 0.5) / (frequency + 0.5)))
    sample = asked[:100]
    started = perf_counter()
    expected = [oracle.get_scores(words) for words in sample]
    slow = len(sample) / (perf_counter() - started)
    print(f"questions a second: tantivy {rate:.0f}, rank-bm25 {slow:.0f}, ratio {rate / slow:.0f}")
    ratios = [score / exact[int(n)] for hits, exact in zip(found, expected, strict=False) for n, score in hits.items()]
    overlap = np.mean([
        len(set(list(map(int, hits))[:10]) & set(np.argsort(-exact)[:10].tolist())) / 10
        for hits, exact in zip(found, expected, strict=False)
    ])  # fmt: skip
    print(f"score by rank-bm25's: {np.min(ratios):.3f} to {np.max(ratios):.3f}; first ten in common {overlap:.3f}")


if __name__ == "__main__":
    main()
