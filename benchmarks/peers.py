"""The libraries that figures are compared with, in an interpreter of their own: they bring torch.

    python3 -m venv peers
    peers/bin/pip install torch sentence-transformers llama-index-core llama-index-embeddings-huggingface haystack-ai \
        sentence-transformers-haystack

`--peers peers/bin/python` then has a benchmark ask them in the same run. This file is the other side as well: it runs
there, imports nothing of the project, reads a request a line and writes an answer a line, both JSON.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Final, cast

# As the documentation of each shows it, with the size that the model reads (256 wordpieces, some 190 words).
LLAMA_TOKENS: Final = 256
HAYSTACK_WORDS: Final = 190


class Peers:
    """The process, its model loaded."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def run(self, arm: str, texts: Sequence[str]) -> dict[str, Any]:
        """seconds, chunks, and, where the arm is `embed`, the file that has the vectors (npy)."""
        (self._folder / "texts.json").write_text(json.dumps(list(texts)))
        requests, answers = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        requests.write(json.dumps({"arm": arm, "folder": str(self._folder)}) + "\n")
        requests.flush()
        answer = answers.readline()
        if not answer:
            raise SystemExit(f"the peers' process ended ({self._process.wait()}): are all of the libraries installed?")
        answered: dict[str, Any] = json.loads(answer)
        return answered


@contextmanager
def peers(python: Path, model: Path) -> Iterator[Peers]:
    with tempfile.TemporaryDirectory(prefix="iotops-peers-") as folder:
        command = [str(python), __file__, str(model)]
        environment = {"HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "false", "HOME": folder}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder
        )
        try:
            yield Peers(process, Path(folder))
        finally:
            process.kill()
            process.wait()


def _embed(model: Any, texts: list[str], folder: Path) -> dict[str, Any]:
    import numpy as np

    started = perf_counter()
    vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    seconds = perf_counter() - started
    np.save(folder / "vectors.npy", vectors)
    return {"seconds": seconds, "chunks": len(texts), "vectors": str(folder / "vectors.npy")}


def _llamaindex(path: str) -> Any:
    from llama_index.core import Document
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.vector_stores import SimpleVectorStore
    from llama_index.embeddings.huggingface import (
        HuggingFaceEmbedding,
    )

    embedding = HuggingFaceEmbedding(model_name=path, device="cpu")

    def run(texts: list[str]) -> int:
        splitter = SentenceSplitter(chunk_size=LLAMA_TOKENS, chunk_overlap=0)
        pipeline = IngestionPipeline(transformations=[splitter, embedding], vector_store=SimpleVectorStore())
        return len(pipeline.run(documents=[Document(text=text) for text in texts]))

    return run


def _haystack(path: str) -> Any:
    from haystack import Document, Pipeline
    from haystack.components.preprocessors import DocumentSplitter
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import (
        InMemoryDocumentStore,
    )
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersDocumentEmbedder,
    )

    embedder = SentenceTransformersDocumentEmbedder(model=path, progress_bar=False, local_files_only=True)
    embedder.warm_up()

    def run(texts: list[str]) -> int:
        pipeline = Pipeline()
        pipeline.add_component("split", DocumentSplitter(split_by="word", split_length=HAYSTACK_WORDS))
        pipeline.add_component("embed", embedder)
        pipeline.add_component("write", DocumentWriter(InMemoryDocumentStore()))
        pipeline.connect("split.documents", "embed.documents")
        pipeline.connect("embed.documents", "write.documents")
        documents = [Document(content=text) for text in texts]
        written = int(pipeline.run({"split": {"documents": documents}})["write"]["documents_written"])
        pipeline.remove_component("embed")  # it goes into one pipeline only, and was loaded once
        return written

    return run


def _serve(path: str) -> None:
    """Each arm's model is loaded before it is first timed."""
    arms: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        arm, folder = request["arm"], Path(request["folder"])
        texts = json.loads((folder / "texts.json").read_text())
        if arm == "embed":
            if arm not in arms:
                from sentence_transformers import (
                    SentenceTransformer,
                )

                arms[arm] = SentenceTransformer(path, device="cpu")
            answer = _embed(arms[arm], texts, folder)
        else:
            if arm not in arms:
                arms[arm] = {"llamaindex": _llamaindex, "haystack": _haystack}[arm](path)
            started = perf_counter()
            chunks = arms[arm](texts)
            answer = {"seconds": perf_counter() - started, "chunks": chunks}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
