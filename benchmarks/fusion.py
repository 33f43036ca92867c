"""Which fusion of BM25 and cosine: python -m benchmarks.fusion --data FOLDER

Candidates are the best 100 of each engine, as in rag.retriever. Weights are chosen by leave-one-suite-out
cross-validation; SciFact's test questions take no part in that and are only scored at the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import suites
from benchmarks.suites import Indexed
from rag import ranking
from rag.retriever import LEXICAL_DEPTH, VECTOR_DEPTH, fuse
from rag.suites import TENANT, Asked, Part, Suite, chunk_spans, runbooks, scifact
from rag.tokens import analyse

Scores = npt.NDArray[np.float64]
Fusion = Callable[[Scores, Scores], Scores]
WEIGHTS = [round(0.1 * step, 1) for step in range(11)]


@dataclass(frozen=True)
class Candidates:
    """Of one question: part numbers with their BM25 score (0 where not among the best) and cosine."""

    question: Asked
    numbers: npt.NDArray[np.int64]
    lexical: Scores
    cosine: Scores


def candidates(indexed: Indexed, head_weight: float) -> list[Candidates]:
    found = []
    for question, vector in zip(indexed.suite.questions, indexed.questions, strict=True):
        scores = indexed.lexical.search(
            analyse(question.text), tenants=[TENANT], limit=LEXICAL_DEPTH, head_weight=head_weight
        )
        cosines = indexed.vectors @ vector
        nearest = np.argpartition(-cosines, min(VECTOR_DEPTH, len(cosines) - 1))[:VECTOR_DEPTH]
        numbers = np.array(sorted({*map(int, scores), *nearest.tolist()}))
        lexical = np.array([scores.get(str(number), 0.0) for number in numbers])
        found.append(Candidates(question, numbers, lexical, cosines[numbers].astype(np.float64)))
    return found


def convex(weight: float) -> Fusion:
    return lambda lexical, cosine: np.array(fuse(lexical.tolist(), cosine.tolist(), weight))


def reciprocal_ranks(weight: float, k: int = 60) -> Fusion:
    def ranks(scores: Scores) -> Scores:
        order = np.argsort(-scores, kind="stable")
        ranked = np.empty(len(scores))
        ranked[order] = 1.0 / (k + 1 + np.arange(len(scores)))
        return np.where(scores > 0, ranked, 0.0)

    return lambda lexical, cosine: weight * ranks(lexical) + (1 - weight) * ranks(cosine)


def ranked_documents(found: Candidates, scores: Scores, parts: Sequence[Part]) -> list[str]:
    order = np.argsort(-scores, kind="stable")
    return list(dict.fromkeys(parts[number].document for number in found.numbers[order]))


def ndcg(found: Candidates, scores: Scores, parts: Sequence[Part], depth: int = 10) -> float:
    """Of documents; where the answer is a byte range, of parts that overlap it."""
    if not any(found.question.relevant.values()):
        return ranking.ndcg(ranked_documents(found, scores, parts), found.question.relevant, depth)
    ranked = found.numbers[np.argsort(-scores, kind="stable")].tolist()
    telling = {str(number) for number, part in enumerate(parts) if overlap(part, found.question)}
    return ranking.ndcg([str(number) for number in ranked], telling, depth)


def recall(found: Candidates, scores: Scores, parts: Sequence[Part], depth: int = 5) -> float:
    """Of documents; where the answer is a byte range, of its bytes in the first parts."""
    if not any(found.question.relevant.values()):
        return ranking.recall(ranked_documents(found, scores, parts), found.question.relevant, depth)
    order = np.argsort(-scores, kind="stable")
    wanted = sum(end - start for ranges in found.question.relevant.values() for start, end in ranges)
    return sum(overlap(parts[number], found.question) for number in found.numbers[order][:depth]) / wanted


def overlap(part: Part, question: Asked) -> int:
    ranges = question.relevant.get(part.document, [])
    return sum(max(0, min(part.byte_end, end) - max(part.byte_start, start)) for start, end in ranges)


def mean(measure: Callable[..., float], found: list[Candidates], fusion: Fusion, parts: Sequence[Part]) -> float:
    return float(np.mean([measure(one, fusion(one.lexical, one.cosine), parts) for one in found]))


def main() -> None:
    options = suites.arguments(__doc__ or "").parse_args()
    training = {
        "scifact train": scifact(options.data, "train"),
        "runbooks by name": runbooks(options.data, ["by_name"]),
        "runbooks by description": runbooks(options.data, ["by_description"]),
        "chunk spans": chunk_spans(options.data),
    }
    choose(training, options.work)
    report({**training, "scifact test": scifact(options.data, "test")}, options.work)


def choose(training: dict[str, Suite], work: Path) -> None:
    grid: dict[tuple[str, float, float], list[float]] = {}
    names = list(training)
    for suite in training.values():
        indexed = suites.index(suite, work)
        for head_weight in (0.0, 0.25, 0.5, 1.0):
            found = candidates(indexed, head_weight)
            for weight in WEIGHTS:
                for name, fusion in (("convex", convex(weight)), ("ranks", reciprocal_ranks(weight))):
                    grid.setdefault((name, head_weight, weight), []).append(mean(ndcg, found, fusion, suite.parts))
    for name in ("convex", "ranks"):
        held_out = []
        for left_out in range(len(names)):
            rest = {key: np.mean(np.delete(values, left_out)) for key, values in grid.items() if key[0] == name}
            best = max(rest, key=lambda key: rest[key])
            held_out.append(grid[best][left_out])
            print(f"{name:7} without {names[left_out]:24} best {best[1:]}  held out {held_out[-1]:.4f}")
        overall = max((key for key in grid if key[0] == name), key=lambda key: np.mean(grid[key]))
        value = np.mean(grid[overall])
        print(f"{name:7} mean held out {np.mean(held_out):.4f}; best over all {overall[1:]} {value:.4f}\n")
    print("nDCG@10 by head weight and lexical weight (convex):", *names, sep="\n  ")
    for (name, head_weight, weight), values in grid.items():
        if name == "convex":
            print(
                f"  {head_weight:4} {weight:4}  ",
                "  ".join(f"{value:.4f}" for value in values),
                f"  {np.mean(values):.4f}",
            )


def report(tasks: dict[str, Suite], work: Path) -> None:
    from rag.lexical import HEAD_WEIGHT
    from rag.retriever import LEXICAL_WEIGHT

    arms = {
        "lexical": convex(1.0),
        "dense": convex(0.0),
        "fused": convex(LEXICAL_WEIGHT),
        "ranks": reciprocal_ranks(0.5),
    }
    print(f"\nnDCG@10 and recall@5 with head weight {HEAD_WEIGHT}, lexical weight {LEXICAL_WEIGHT}")
    for task, suite in tasks.items():
        found = candidates(suites.index(suite, work), HEAD_WEIGHT)
        figures = [
            f"{name} {mean(ndcg, found, fusion, suite.parts):.3f} {mean(recall, found, fusion, suite.parts):.3f}"
            for name, fusion in arms.items()
        ]
        print(f"  {task:24}", "   ".join(figures))


if __name__ == "__main__":
    main()
