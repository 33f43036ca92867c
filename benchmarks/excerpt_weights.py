"""Fit rag/excerpts.py on XQuAD and choose where excerpts end: python -m benchmarks.excerpt_weights --data FOLDER

The cut-offs are those with the highest IoU at which 98 % of the answers' bytes are given. The questions of
ir/chunk-spans take no part.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks import spans, suites
from benchmarks.spans import Ranges, Scored
from rag.embedder import open_embedder
from rag.excerpts import STEP, WEIGHTS, cut, grow, measure
from rag.ranking import span_overlap
from rag.suites import Asked

Array = np.ndarray[Any, np.dtype[np.float64]]
RIDGE, LEAST = 0.001, 0.98


@dataclass(frozen=True)
class Sample:
    """The sentences of one question's passages. right: which of them lie in the answer by more than half."""

    question: Asked
    passages: list[Scored]
    ranges: list[list[tuple[int, int]]]
    rows: Array
    places: list[slice]
    right: Array


def main() -> None:
    options = suites.arguments(__doc__ or "").parse_args()
    embedder = open_embedder(options.work / "models")
    suite, _ = spans.xquad(options.data)
    indexed = suites.index(suite, options.work, embedder)
    data = []
    for question, passages in zip(suite.questions, spans.best_passages(indexed), strict=True):
        ranges = [cut(passage.text) for passage in passages]
        rows, places = measure(question.text, list(zip(passages, ranges, strict=True)), embedder, indexed.lexical)
        data.append(Sample(question, passages, ranges, rows, places, _right(question, passages, ranges)))
    weights, bias = fit(data)
    print(json.dumps(dict(zip(WEIGHTS, weights.round(2).tolist(), strict=True))), round(bias, 2))
    likelihoods = [1 / (1 + np.exp(-(sample.rows @ weights.round(2) + round(bias, 2)))) for sample in data]
    whole = np.mean([span_overlap(found, s.question.relevant)[0] for s, found in zip(data, _whole(data), strict=True)])
    print(f"STEP {STEP}; whole passages hold {whole:.4f}; GROWS, GIVEN → recall, IoU")
    tried = []
    for grows, given in product((0.004, 0.006, 0.008, 0.01, 0.015), (0.01, 0.02, 0.03, 0.04, 0.06)):
        overlaps = [
            span_overlap(list(_chosen(sample, own, grows, given)), sample.question.relevant)
            for sample, own in zip(data, likelihoods, strict=True)
        ]
        tried.append((*(np.mean(column) for column in zip(*overlaps, strict=True)), grows, given))
    for recall, iou, grows, given in sorted(tried, key=lambda one: -one[1]):
        print(f"  {grows:5} {given:5}   {recall:.4f} {iou:.4f} {'kept' if recall >= LEAST else ''}")


def fit(data: Sequence[Sample]) -> tuple[Array, float]:
    """Logistic regression with a ridge, on features scaled for the fit and weights scaled back."""
    rows, right = np.concatenate([s.rows for s in data]), np.concatenate([s.right for s in data])
    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    scaled = (rows - centre) / scale

    def loss(theta: Array) -> tuple[float, Array]:
        margins = scaled @ theta[:-1] + theta[-1]
        off = (1 / (1 + np.exp(-margins)) - right) / len(right)
        value = (np.logaddexp(0, margins) - right * margins).mean() + RIDGE * float(theta[:-1] @ theta[:-1])
        return float(value), np.append(scaled.T @ off + 2 * RIDGE * theta[:-1], off.sum())

    theta = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weights = theta[:-1] / scale
    return weights, float(theta[-1] - weights @ centre)


def _right(question: Asked, passages: list[Scored], ranges: list[list[tuple[int, int]]]) -> Array:
    labels = []
    for passage, cuts in zip(passages, ranges, strict=True):
        for start, end in cuts:
            first = passage.byte_start + len(passage.text[:start].encode())
            last = first + len(passage.text[start:end].encode())
            marked = question.relevant.get(passage.document, [])
            labels.append(sum(max(0, min(last, b) - max(first, a)) for a, b in marked) > (last - first) / 2)
    return np.array(labels, dtype=np.float64)


def _chosen(sample: Sample, likelihoods: Array, grows: float, given: float) -> Iterator[tuple[str, int, int]]:
    """As rag.excerpts does, with other cut-offs."""
    highest = likelihoods.max()
    found = []
    for passage, cuts, place in zip(sample.passages, sample.ranges, sample.places, strict=True):
        own = likelihoods[place]
        if own.max() >= given * highest:
            first, last = grow(own, grows * highest)
            start = passage.byte_start + len(passage.text[: cuts[first][0]].encode())
            end = passage.byte_start + len(passage.text[: cuts[last][1]].encode())
            found.append((float(own.max()), (passage.document, start, end)))
    yield from (place for _, place in sorted(found, reverse=True)[: spans.TOP])


def _whole(data: Sequence[Sample]) -> Iterator[Ranges]:
    yield from spans.whole([sample.passages for sample in data])


if __name__ == "__main__":
    main()
