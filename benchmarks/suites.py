"""Public retrieval tasks as documents, questions and relevant parts, from a folder that is not in this repository.

`--data` names the folder; its `ir/scifact`, `ir/chunk-spans` and `runbooks` are read as their publishers lay them out.
"""

import argparse
import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rag import lexical, tokens
from rag.embedder import Embedder, open_embedder
from rag.lexical import Entry, Lexical
from rag.splitter import embedding_text, split

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Part:
    """One chunk, from byte `start` to `end` of its document."""

    document: str
    title: str
    heading_path: tuple[str, ...]
    text: str
    lead: str
    start: int
    end: int


@dataclass(frozen=True)
class Asked:
    """`relevant`: document → byte ranges in it that answer; a document without ranges is relevant as a whole."""

    text: str
    relevant: dict[str, list[tuple[int, int]]]


@dataclass(frozen=True)
class Suite:
    name: str
    parts: list[Part]
    questions: list[Asked]


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder with ir/scifact, ir/chunk-spans, runbooks")
    parser.add_argument(
        "--work", type=Path, default=Path(".iotops/benchmarks"), help="models and vectors are kept here"
    )
    return parser


def scifact(data: Path, split_name: str) -> Suite:
    """split_name: train or test, the published division of the questions."""
    folder = data / "ir" / "scifact"
    texts = {q["_id"]: q["text"] for q in map(json.loads, (folder / "queries_all.jsonl").open(encoding="utf-8"))}
    relevant: dict[str, dict[str, list[tuple[int, int]]]] = {}
    with (folder / "qrels" / f"{split_name}.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = []
    parts = [part for document in scifact_documents(data) for part in split_parts(*document)]
    return Suite(f"scifact {split_name}", parts, [Asked(texts[key], found) for key, found in relevant.items()])


def scifact_documents(data: Path) -> list[tuple[str, str, str]]:
    """Id, title and abstract of each."""
    lines = (data / "ir" / "scifact" / "corpus.jsonl").open(encoding="utf-8")
    return [(document["_id"], document["title"], document["text"]) for document in map(json.loads, lines)]


def runbooks(data: Path, field: str) -> Suite:
    """field: by_name or by_description, the two ways each question is asked."""
    folder = data / "runbooks"
    parts: list[Part] = []
    for path in sorted((folder / "content").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        parts.extend(split_parts(str(path.relative_to(folder)), path.stem, text))
    rows = [json.loads(line) for line in (folder / "questions.jsonl").open(encoding="utf-8")]
    return Suite(f"runbooks {field}", parts, [Asked(row[field], {row["gold_path"]: []}) for row in rows])


def chunk_spans(data: Path) -> Suite:
    folder = data / "ir" / "chunk-spans"
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    parts = [part for name, text in texts.items() for part in split_parts(name, name.replace("_", " "), text)]
    questions = []
    with (folder / "questions_df.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            text = texts[row["corpus_id"]]
            spans = [(r["start_index"], r["end_index"]) for r in json.loads(row["references"])]
            ranges = [(len(text[:start].encode()), len(text[:end].encode())) for start, end in spans]
            questions.append(Asked(row["question"], {row["corpus_id"]: ranges}))
    return Suite("chunk spans", parts, questions)


def split_parts(document: str, title: str, text: str) -> Iterator[Part]:
    for chunk in split(text, title=title, kind="manual"):
        yield Part(
            document, title, chunk.heading_path, chunk.text, chunk.lead, chunk.byte_start, chunk.byte_end
        )  # fmt: skip


@dataclass(frozen=True)
class Indexed:
    """A suite in both engines, outside any database: the same texts, the same scores."""

    suite: Suite
    lexical: Lexical
    vectors: npt.NDArray[np.float32]
    questions: npt.NDArray[np.float32]


def index(suite: Suite, work: Path, embedder: Embedder | None = None) -> Indexed:
    embedder = embedder or open_embedder(work / "models")
    texts = [embedding_text(p.title, p.heading_path, p.text, p.lead) for p in suite.parts]
    path = work / "lexical" / _key(tokens.NAME, *texts)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        lexical.build(path, (_entry(number, part) for number, part in enumerate(suite.parts)))
    asked = [question.text for question in suite.questions]
    return Indexed(suite, Lexical(path, path.name), vectors(texts, work, embedder), vectors(asked, work, embedder))


def _entry(number: int, part: Part) -> Entry:
    head = " ".join((part.title, *part.heading_path))
    return Entry("bench", str(number), head, f"{part.lead} {part.text}", None, None, EPOCH, None)


def vectors(texts: list[str], work: Path, embedder: Embedder) -> npt.NDArray[np.float32]:
    """Kept by what they are of, because a grid search asks for them many times."""
    path = work / "vectors" / f"{_key(embedder.name, *texts)}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, embedder.embed(texts))
    return np.asarray(np.load(path))


def _key(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
