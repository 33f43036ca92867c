"""The public suites of `rag.suites`, indexed outside any database, with vectors that are kept from run to run."""

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from rag import lexical
from rag.embedder import Embedder, open_embedder
from rag.lexical import Lexical
from rag.splitter import embedding_text
from rag.suites import Suite, entries


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder with ir/scifact, ir/chunk-spans, runbooks")
    parser.add_argument(
        "--work", type=Path, default=Path(".iotops/benchmarks"), help="models and vectors are kept here"
    )
    return parser


@dataclass(frozen=True)
class Indexed:
    """A suite in both engines: the same texts, the same scores."""

    suite: Suite
    lexical: Lexical
    vectors: npt.NDArray[np.float32]
    questions: npt.NDArray[np.float32]


def index(suite: Suite, work: Path, embedder: Embedder | None = None) -> Indexed:
    embedder = embedder or open_embedder(work / "models")
    texts = [embedding_text(p.title, p.heading_path, p.text, p.lead) for p in suite.parts]
    with TemporaryDirectory() as folder:  # what is open stays, though its files go
        lexical.build(Path(folder) / "lexical", entries(suite))
        opened = Lexical(Path(folder) / "lexical", "benchmark")
    asked = [question.text for question in suite.questions]
    return Indexed(suite, opened, vectors(texts, work, embedder), vectors(asked, work, embedder))


def vectors(texts: list[str], work: Path, embedder: Embedder) -> npt.NDArray[np.float32]:
    """Kept by what they are of, because a grid search asks for them many times."""
    key = hashlib.sha256("\0".join([embedder.name, *texts]).encode()).hexdigest()[:16]
    path = work / "vectors" / f"{key}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, embedder.embed(texts))
    return np.asarray(np.load(path))
