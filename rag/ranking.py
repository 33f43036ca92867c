"""Measures of a ranking and of cited spans against what is known to answer."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import log2

Ranges = list[tuple[str, int, int]]  # document, first byte, byte after the last


def ndcg(ranked: Sequence[str], relevant: Collection[str], depth: int) -> float:
    """Of documents, each relevant or not."""
    best = sum(1 / log2(rank + 2) for rank in range(min(len(relevant), depth)))
    gained = sum(1 / log2(rank + 2) for rank, name in enumerate(ranked[:depth]) if name in relevant)
    return gained / best if best else 0.0


def recall(ranked: Sequence[str], relevant: Collection[str], depth: int) -> float:
    return sum(name in relevant for name in ranked[:depth]) / len(relevant) if relevant else 0.0


def span_overlap(found: Ranges, relevant: Mapping[str, Sequence[tuple[int, int]]]) -> tuple[float, float]:
    """Of the bytes that answer, the share that was found; and of those found or answering, the share that is both."""
    common = either = wanted = 0
    for document in {name for name, _, _ in found} | set(relevant):
        ours = _bytes((start, end) for name, start, end in found if name == document)
        truth = _bytes(relevant.get(document, ()))
        common, either, wanted = common + len(ours & truth), either + len(ours | truth), wanted + len(truth)
    return (common / wanted if wanted else 0.0), (common / either if either else 0.0)


def _bytes(ranges: Iterable[tuple[int, int]]) -> set[int]:
    return {at for start, end in ranges for at in range(start, end)}
