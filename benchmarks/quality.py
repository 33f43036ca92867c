"""Retrieval on public suites beside its peers in the same run: python -m benchmarks.quality --data FOLDER

Every line gives our mean, the peer's, their ratio and 95 % intervals by the bootstrap over questions (paired). Nothing
is fitted here. docs/adr/0010-quality.md says for which lines these questions were looked at while settings were tried.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import confidence, spans
from benchmarks.fusion import Candidates, Scores, candidates, convex, ndcg, recall
from benchmarks.suites import arguments, index
from rag import suites
from rag.embedder import open_embedder
from rag.lexical import HEAD_WEIGHT
from rag.ranking import span_overlap
from rag.retriever import LEXICAL_WEIGHT
from rag.suites import Part

Measure = Callable[[Candidates, Scores, Sequence[Part]], float]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--suite", choices=[*SUITES, "all"], default="all")
    options = parser.parse_args()
    for name in SUITES if options.suite == "all" else [options.suite]:
        SUITES[name](options.data, options.work)


def scifact(data: Path, work: Path) -> None:
    found, parts = _candidates(suites.scifact(data), work)
    print(f"SciFact, {len(found)} test questions, nDCG@10 of documents")
    arms = {name: _values(ndcg, found, scores, parts) for name, scores in _arms(found).items()}
    _compare("fused", arms["fused"], "BM25 alone", arms["BM25 alone"], "goal 1.08, BM25 0.675")
    _compare("fused", arms["fused"], "vectors alone", arms["vectors alone"])


def runbooks(data: Path, work: Path) -> None:
    for field in ("by_name", "by_description"):
        found, parts = _candidates(suites.runbooks(data, [field]), work)
        print(f"Runbooks {field}, {len(found)} questions")
        for label, measure in (("recall@5", recall), ("nDCG@10", ndcg)):
            arms = {name: _values(measure, found, scores, parts) for name, scores in _arms(found).items()}
            goal = "goal 0.95" if (field, label) == ("by_name", "recall@5") else ""
            _compare(f"{label}: fused", arms["fused"], "BM25 alone", arms["BM25 alone"], goal)


def chunk_spans(data: Path, work: Path) -> None:
    embedder = open_embedder(work / "models")
    suite = suites.chunk_spans(data)
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((data / "ir/chunk-spans").glob("*.md"))}
    indexed = index(suite, work, embedder)
    passages = spans.best_passages(indexed)
    print(f"Chunk spans, {len(suite.questions)} questions, characters of the answer in the first {spans.TOP}")
    arms = {
        "excerpts": spans.excerpted(indexed, passages, embedder),
        "whole passages": spans.whole(passages),
        "plain": spans.plain(texts, suite.questions),
    }
    overlaps = {
        name: [span_overlap(ranges, question.relevant) for ranges, question in zip(found, suite.questions, strict=True)]
        for name, found in arms.items()
    }
    for ours in ("excerpts", "whole passages"):
        for place, label in enumerate(("recall", "iou")):
            goal = {"recall": "goal 0.80", "iou": "goal 3"}[label] if ours == "excerpts" else ""
            values = {name: [one[place] for one in overlaps[name]] for name in (ours, "plain")}
            _compare(f"{label}: {ours}", values[ours], "plain BM25 chunks", values["plain"], goal)


def _candidates(suite: suites.Suite, work: Path) -> tuple[list[Candidates], list[Part]]:
    return candidates(index(suite, work), HEAD_WEIGHT), suite.parts


def _arms(found: list[Candidates]) -> dict[str, list[Scores]]:
    weights = {"BM25 alone": 1.0, "vectors alone": 0.0, "fused": LEXICAL_WEIGHT}
    return {name: [convex(weight)(one.lexical, one.cosine) for one in found] for name, weight in weights.items()}


def _values(measure: Measure, found: list[Candidates], scores: list[Scores], parts: Sequence[Part]) -> list[float]:
    return [measure(one, score, parts) for one, score in zip(found, scores, strict=True)]


def _compare(name: str, ours: Sequence[float], peer_name: str, peer: Sequence[float], goal: str = "") -> None:
    ratio = confidence.ratio(ours, peer)
    print(
        f"  {name} {confidence.mean(ours)}   {peer_name} {confidence.mean(peer)}   ratio {ratio}"
        + (f"   ({goal})" if goal else ""),
        flush=True,
    )


SUITES: dict[str, Callable[[Path, Path], None]] = {
    "scifact": scifact,
    "runbooks": runbooks,
    "chunk-spans": chunk_spans,
}

if __name__ == "__main__":
    main()
