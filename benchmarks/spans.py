"""Questions whose answers are marked as byte ranges, the plain pipeline to compare with, and the measure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rank_bm25 import BM25Okapi  # type: ignore[import-untyped, unused-ignore]

from benchmarks.fusion import candidates, convex
from benchmarks.suites import Indexed
from rag.embedder import Embedder
from rag.excerpts import POOL, cut, excerpts
from rag.lexical import HEAD_WEIGHT
from rag.retriever import LEXICAL_WEIGHT
from rag.suites import Asked, Suite, split_parts

Ranges = list[tuple[str, int, int]]  # document, first byte, byte after the last

PLAIN_SIZE, PLAIN_OVERLAP = 1000, 200  # characters; the usual defaults of recursive splitters
TOP = 5


@dataclass(frozen=True)
class Scored:
    """A passage as `rag.excerpts` reads it."""

    document: str
    text: str
    byte_start: int
    score: float
    cosine: float


def xquad(data: Path) -> tuple[Suite, dict[str, str]]:
    """Paragraphs of one article as one document. The answers are words; what is marked here is their sentences."""
    articles = json.loads((data / "ir" / "xquad" / "xquad.en.json").read_text(encoding="utf-8"))["data"]
    texts, asked = {}, []
    for number, article in enumerate(articles):
        name, before = str(number), ""
        for paragraph in article["paragraphs"]:
            context = paragraph["context"]
            for question in paragraph["qas"]:
                start, end = _sentences(context, question["answers"][0])
                first = len(before.encode()) + len(context[:start].encode())
                answer = [(first, first + len(context[start:end].encode()))]
                asked.append(Asked(question["id"], question["question"], {name: answer}))
            before += f"{context}\n\n"
        texts[name] = before
    parts = [part for name, text in texts.items() for part in split_parts(name, f"Document {name}", text)]
    return Suite(parts, asked), texts


def _sentences(context: str, answer: dict[str, object]) -> tuple[int, int]:
    start = int(str(answer["answer_start"]))
    end = start + len(str(answer["text"]))
    around = [(s, e) for s, e in cut(context) if s < end and e > start]
    return min(s for s, _ in around), max(e for _, e in around)


def best_passages(indexed: Indexed, limit: int = POOL) -> list[list[Scored]]:
    """Of each question, as rag.retriever ranks them."""
    parts, fusion = indexed.suite.parts, convex(LEXICAL_WEIGHT)
    found = []
    for one in candidates(indexed, HEAD_WEIGHT):
        chosen = [parts[number] for number in one.numbers]
        scores = fusion(one.lexical, one.cosine)
        order = np.argsort(-scores, kind="stable")[:limit]
        found.append([
            Scored(chosen[i].document, chosen[i].text, chosen[i].byte_start, float(scores[i]), float(one.cosine[i]))
            for i in order
        ])  # fmt: skip
    return found


def excerpted(indexed: Indexed, passages: list[list[Scored]], embedder: Embedder) -> Iterator[Ranges]:
    for question, found in zip(indexed.suite.questions, passages, strict=True):
        chosen = excerpts(question.text, found, embedder, indexed.lexical, limit=TOP)
        yield [(found[e.passage].document, e.byte_start, e.byte_end) for e in chosen]


def whole(passages: list[list[Scored]]) -> Iterator[Ranges]:
    for found in passages:
        yield [(p.document, p.byte_start, p.byte_start + len(p.text.encode())) for p in found[:TOP]]


def plain(texts: dict[str, str], questions: Sequence[Asked]) -> Iterator[Ranges]:
    """What a first pipeline does: recursive characters 1000/200, rank-bm25 over words by white space, best five."""
    chunks = [(name, start, end) for name, text in texts.items() for start, end in recursive(text)]
    bm25 = BM25Okapi([texts[name][start:end].split() for name, start, end in chunks])
    as_bytes = [
        (name, len(texts[name][:start].encode()), len(texts[name][:end].encode())) for name, start, end in chunks
    ]
    for question in questions:
        order = np.argsort(-bm25.get_scores(question.text.split()), kind="stable")[:TOP]
        yield [as_bytes[number] for number in order]


def recursive(text: str, size: int = PLAIN_SIZE, overlap: int = PLAIN_OVERLAP) -> Iterator[tuple[int, int]]:
    """Paragraphs, else lines, else words, packed up to `size`; the next begins `overlap` earlier."""
    held: list[tuple[int, int]] = []
    for start, end in _pieces(text, 0, len(text), ("\n\n", "\n", " ")):
        if held and end - held[0][0] > size:
            yield held[0][0], held[-1][1]
            while held and (held[-1][1] - held[0][0] > overlap or end - held[0][0] > size):
                held.pop(0)
        held.append((start, end))
    if held:
        yield held[0][0], held[-1][1]


def _pieces(
    text: str, start: int, end: int, separators: tuple[str, ...], size: int = PLAIN_SIZE
) -> Iterator[tuple[int, int]]:
    if end - start <= size:
        yield start, end
    elif not separators:
        yield from ((at, min(at + size, end)) for at in range(start, end, size))
    else:
        while start < end:
            at = text.find(separators[0], start + 1, end)
            stop = end if at < 0 else at
            yield from _pieces(text, start, stop, separators[1:] if stop - start > size else separators)
            start = stop
