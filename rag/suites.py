"""Public retrieval tasks, as their publishers lay them out in a folder: documents, questions and what answers them."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from lakehouse.errors import MissingPath, Misused
from rag import lexical
from rag.embedder import Embedder
from rag.excerpts import excerpts
from rag.lexical import Entry, Lexical
from rag.ranking import Ranges, ndcg, recall, span_overlap
from rag.retriever import LEXICAL_DEPTH, VECTOR_DEPTH, fuse
from rag.splitter import embedding_text, split
from rag.tokens import analyse

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NAMES: Final = ("scifact", "runbooks", "chunk-spans")
TENANT: Final = "suite"
TOP: Final = 5
# What the gate compares; one a suite, for a second test would need a smaller alpha.
COMPARED: Final = {"scifact": "ndcg@10", "runbooks": "ndcg@10", "chunk-spans": "span_iou@5"}


@dataclass(frozen=True)
class Part:
    """One chunk: `text` is the bytes from `byte_start` to `byte_end` of its document."""

    document: str
    title: str
    heading_path: tuple[str, ...]
    lead: str
    text: str
    byte_start: int
    byte_end: int


@dataclass(frozen=True)
class Asked:
    """`relevant`: document → byte ranges in it that answer; a document without ranges is relevant as a whole."""

    id: str
    text: str
    relevant: dict[str, list[tuple[int, int]]]


@dataclass(frozen=True)
class Suite:
    parts: list[Part]
    questions: list[Asked]


@dataclass(frozen=True)
class Found:
    """A part as a question ranked it; what `rag.excerpts` reads."""

    document: str
    text: str
    byte_start: int
    score: float
    cosine: float


def read_suite(name: str, data: Path) -> Suite:
    """Raises Misused, and MissingPath where the folder does not hold it."""
    readers: dict[str, Callable[[Path], Suite]] = {"scifact": scifact, "runbooks": runbooks, "chunk-spans": chunk_spans}
    if name not in readers:
        raise Misused(f"'{name}' is no suite that is read from a folder: use one of {', '.join(NAMES)}, freshness")
    try:
        return readers[name](data)
    except FileNotFoundError as error:
        raise MissingPath(Path(str(error.filename))) from error


def scifact(data: Path, division: str = "test") -> Suite:
    """division: train or test, as published."""
    folder = data / "ir" / "scifact"
    texts = {row["_id"]: row["text"] for row in _lines(folder / "queries_all.jsonl")}
    relevant: dict[str, dict[str, list[tuple[int, int]]]] = {}
    with (folder / "qrels" / f"{division}.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = []
    parts = [part for document in scifact_documents(data) for part in split_parts(*document)]
    return Suite(parts, [Asked(key, texts[key], found) for key, found in relevant.items()])


def scifact_documents(data: Path) -> list[tuple[str, str, str]]:
    """Id, title and abstract of each."""
    return [(row["_id"], row["title"], row["text"]) for row in _lines(data / "ir" / "scifact" / "corpus.jsonl")]


def runbooks(data: Path, ways: Sequence[str] = ("by_name", "by_description")) -> Suite:
    """Each question asked by the alert's name, by its description, or both."""
    folder = data / "runbooks"
    pages = [(str(path.relative_to(folder)), path) for path in sorted((folder / "content").rglob("*.md"))]
    parts = [part for name, path in pages for part in split_parts(name, path.stem, path.read_text(encoding="utf-8"))]
    rows = _lines(folder / "questions.jsonl")
    questions = [
        Asked(f"{row['gold_path']} {way} {number}", row[way], {row["gold_path"]: []})
        for number, row in enumerate(rows)
        for way in ways
    ]
    return Suite(parts, questions)


def chunk_spans(data: Path) -> Suite:
    folder = data / "ir" / "chunk-spans"
    with (folder / "questions_df.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    parts = [part for name, text in texts.items() for part in split_parts(name, name.replace("_", " "), text)]
    questions = []
    for number, row in enumerate(rows):
        text = texts[row["corpus_id"]]
        spans = [(int(r["start_index"]), int(r["end_index"])) for r in json.loads(row["references"])]
        ranges = [(len(text[:start].encode()), len(text[:end].encode())) for start, end in spans]
        questions.append(Asked(f"{row['corpus_id']} {number}", row["question"], {row["corpus_id"]: ranges}))
    return Suite(parts, questions)


def score_suite(suite: Suite, embedder: Embedder) -> dict[str, dict[str, float]]:
    """Question → metric → value, ranked as rag.retriever ranks."""
    with TemporaryDirectory(prefix="iotops-suite-") as folder:
        files = Path(folder) / "lexical"
        lexical.build(files, entries(suite))
        index = Lexical(files, files.name)
        vectors = embedder.embed([embedding_text(p.title, p.heading_path, p.text, p.lead) for p in suite.parts])
        return {one.id: _score(suite, one, index, vectors, embedder) for one in suite.questions}


def _score(
    suite: Suite,
    asked: Asked,
    index: Lexical,
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    embedder: Embedder,
) -> dict[str, float]:
    ranked = rank(suite.parts, asked.text, index, vectors @ embedder.embed([asked.text])[0])
    if any(asked.relevant.values()):
        chosen = excerpts(asked.text, ranked, embedder, index, limit=TOP)
        ranges: Ranges = [(ranked[e.passage].document, e.byte_start, e.byte_end) for e in chosen]
        found, union = span_overlap(ranges, asked.relevant)
        return {f"span_recall@{TOP}": found, f"span_iou@{TOP}": union}
    documents = list(dict.fromkeys(one.document for one in ranked))
    return {
        "ndcg@10": ndcg(documents, asked.relevant, 10),
        "recall@5": recall(documents, asked.relevant, 5),
        "recall@10": recall(documents, asked.relevant, 10),
    }


def rank(
    parts: Sequence[Part], query: str, index: Lexical, cosines: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> list[Found]:
    """The best of both engines, fused, best first."""
    scores = index.search(analyse(query), tenants=[TENANT], limit=LEXICAL_DEPTH)
    nearest = np.argpartition(-cosines, min(VECTOR_DEPTH, len(cosines) - 1))[:VECTOR_DEPTH]
    numbers = sorted({*map(int, scores), *(int(number) for number in nearest)})
    fused = fuse([scores.get(str(n), 0.0) for n in numbers], [float(cosines[n]) for n in numbers])
    ranked = sorted(zip(fused, numbers, strict=True), key=lambda pair: (-pair[0], pair[1]))
    return [
        Found(parts[n].document, parts[n].text, parts[n].byte_start, score, float(cosines[n])) for score, n in ranked
    ]


def entries(suite: Suite) -> Iterator[Entry]:
    """Named by the number of their part; of one tenant."""
    for number, part in enumerate(suite.parts):
        head = " ".join((part.title, *part.heading_path))
        yield Entry(TENANT, str(number), head, f"{part.lead} {part.text}", None, None, EPOCH, None)


def split_parts(document: str, title: str, text: str) -> Iterator[Part]:
    for chunk in split(text, title=title, kind="manual"):
        yield Part(document, title, chunk.heading_path, chunk.lead, chunk.text, chunk.byte_start, chunk.byte_end)


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
