"""Passages → the stretches of them that carry the answer, so that a reader gets a few sentences in place of a page.

How likely a sentence answers is a logistic regression on what is measured of it here, fitted on Wikipedia questions
with marked answers (`benchmarks/excerpt_weights.py`). How blind that was, and the figures: docs/adr/0010-quality.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Any, Final, Protocol

import numpy as np

from rag.embedder import Embedder
from rag.lexical import Lexical
from rag.sentences import plain
from rag.tokens import analyse

Array = np.ndarray[Any, np.dtype[np.float64]]

WEIGHTS: Final = {
    "cosine": 1.87,
    "coverage": 4.03,  # share of the question's terms, by rarity
    "cosine_beside": 0.66,  # of the better of the sentences before and after
    "coverage_beside": -1.81,
    "passage": 3.1,  # fused score of its passage, relative to the best
    "passage_cosine": -1.33,
    "cosine_behind": 4.11,  # cosine less the best of the first five passages
    "coverage_behind": 2.43,  # coverage less the best of its passage
    "rank": 2.98,  # 1, 1/2, 1/3 … by its passage
}
BIAS: Final = -8.11
POOL: Final = 10  # passages that excerpts are taken from
# Relative to the likeliest sentence: what an excerpt grows by, and what its best sentence must have to be given.
GROWS, GIVEN = 0.006, 0.03
STEP: Final = 2  # an excerpt grows over one unlikely sentence, not over two

_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=\S)|\s*\n+\s*")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf|approx|no|fig|sec|dr|mr|mrs|ms|st|inc|ltd|al|[A-Za-z])\.$", re.IGNORECASE
)


class Found(Protocol):
    """What is needed of a passage; `rag.retriever.Hit` has it."""

    @property
    def text(self) -> str: ...
    @property
    def byte_start(self) -> int: ...
    @property
    def score(self) -> float: ...
    @property
    def cosine(self) -> float: ...


@dataclass(frozen=True)
class Excerpt:
    """`text` is the bytes `byte_start:byte_end` of the object of passage number `passage`."""

    passage: int
    byte_start: int
    byte_end: int
    text: str
    likelihood: float


def excerpts(
    question: str, passages: Sequence[Found], embedder: Embedder, lexical: Lexical, *, limit: int = 5
) -> list[Excerpt]:
    """Of the best passages, in their order, the likeliest stretches first; a passage that is far behind gives none."""
    pool = [(number, passage, cut(passage.text)) for number, passage in enumerate(passages[:POOL])]
    pool = [entry for entry in pool if entry[2]]
    if not pool:
        return []
    rows, places = measure(question, [(p, ranges) for _, p, ranges in pool], embedder, lexical)
    likelihoods = 1 / (1 + np.exp(-(rows @ np.array(list(WEIGHTS.values())) + BIAS)))
    highest, found = float(likelihoods.max()), []
    for (number, passage, ranges), place in zip(pool, places, strict=True):
        own = likelihoods[place]
        first, last = grow(own, GROWS * highest)
        if own.max() >= GIVEN * highest:
            found.append(_excerpt(number, passage, ranges[first][0], ranges[last][1], float(own.max())))
    return sorted(found, key=lambda e: -e.likelihood)[:limit]


def measure(
    question: str, passages: Sequence[tuple[Found, list[tuple[int, int]]]], embedder: Embedder, lexical: Lexical
) -> tuple[Array, list[slice]]:
    """One row a sentence in the order of WEIGHTS, and which rows are of which passage."""
    texts = [plain(passage.text[start:end]) for passage, ranges in passages for start, end in ranges]
    vectors = embedder.embed([question, *texts])
    cosines = (vectors[1:] @ vectors[0]).astype(np.float64)
    coverages = _coverages(question, texts, lexical)
    bounds = np.cumsum([0, *(len(ranges) for _, ranges in passages)])
    places = [slice(int(start), int(end)) for start, end in pairwise(bounds)]
    best_score = max(passage.score for passage, _ in passages) or 1.0
    best_cosine = max(cosines[place].max() for place in places[:5])
    rows = [
        np.column_stack([
            cosines[place], coverages[place], _beside(cosines[place]), _beside(coverages[place]),
            *(np.full(len(ranges), value) for value in (passage.score / best_score, passage.cosine)),
            cosines[place] - best_cosine, coverages[place] - coverages[place].max(),
            np.full(len(ranges), 1 / (1 + rank)),
        ])
        for rank, ((passage, ranges), place) in enumerate(zip(passages, places, strict=True))
    ]  # fmt: skip
    return np.concatenate(rows), places


def grow(likelihoods: Array, least: float) -> tuple[int, int]:
    """First and last sentence around the likeliest one, as far as what follows is likely enough."""
    first = last = int(likelihoods.argmax())
    for step in (-1, 1):
        at, missed = first if step < 0 else last, 0
        while missed < STEP and 0 <= at + step < len(likelihoods):
            at += step
            missed = 0 if likelihoods[at] >= least else missed + 1
            if not missed:
                first, last = min(first, at), max(last, at)
    return first, last


def cut(text: str) -> list[tuple[int, int]]:
    """Start and end of each line or sentence; also in text without capitals, which `rag.sentences` keeps whole."""
    found, begin = [], len(text) - len(text.lstrip())
    for match in _END.finditer(text):
        if "\n" not in match[0] and _ABBREVIATION.search(text[begin : match.start()]):
            continue
        if begin < match.start():
            found.append((begin, match.start()))
        begin = match.end()
    end = len(text.rstrip())
    return [*found, (begin, end)] if begin < end else found


def _coverages(question: str, texts: Sequence[str], lexical: Lexical) -> Array:
    count, frequencies = len(lexical), lexical.frequencies(set(analyse(question)))
    weights = {term: log(1 + (count - n + 0.5) / (n + 0.5)) for term, n in frequencies.items()}
    total = sum(weights.values()) or 1.0
    return np.array([sum(weights[term] for term in weights.keys() & set(analyse(text))) / total for text in texts])


def _beside(values: Array) -> Array:
    padded = np.concatenate([[0.0], values, [0.0]])
    return np.asarray(np.maximum(padded[:-2], padded[2:]))


def _excerpt(number: int, passage: Found, start: int, end: int, likelihood: float) -> Excerpt:
    text = passage.text[start:end]
    first = passage.byte_start + len(passage.text[:start].encode())
    return Excerpt(number, first, first + len(text.encode()), text, likelihood)
