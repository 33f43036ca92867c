"""A second look at the best passages by a model that reads question and passage together. Off unless one is configured.

Where the model does not answer in time, the fused order stands: the hits have no rerank score, and a counter tells.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import httpx
import numpy as np
from prometheus_client import Counter

log = logging.getLogger(__name__)

POOL: Final = 30  # passages that are looked at again
TIMEOUT: Final = 2.0  # seconds that a question waits for it
LONGEST: Final = 512  # wordpieces of question and passage that a cross-encoder reads
BATCH: Final = 8

FAILED = Counter("iotops_rerank_failed", "Questions whose passages stayed in their fused order, by reason", ["reason"])


class RerankFailed(Exception):
    """The model gave no usable scores; `reason` labels the counter."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Reranker(Protocol):
    def scores(self, query: str, texts: Sequence[str], /) -> list[float]:
        """One a text, higher is better. Raises RerankFailed."""
        ...


class Cohere:
    """`POST <url>/v2/rerank`, as Cohere and the servers that speak its protocol offer it."""

    def __init__(self, url: str, key: str | None, model: str, timeout: float = TIMEOUT) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)
        self._model = model

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        body = {"model": self._model, "query": query, "documents": list(texts), "top_n": len(texts)}
        try:
            response = self._client.post("/v2/rerank", json=body)
            response.raise_for_status()
            found = {int(one["index"]): float(one["relevance_score"]) for one in response.json()["results"]}
        except httpx.TimeoutException as error:
            raise RerankFailed("timeout", f"no answer in time: {error}") from error
        except httpx.HTTPStatusError as error:
            raise RerankFailed("refused", f"status {error.response.status_code}") from error
        except httpx.HTTPError as error:
            raise RerankFailed("unreachable", str(error)) from error
        except (ValueError, KeyError, TypeError) as error:
            raise RerankFailed("malformed", f"not an answer of /v2/rerank: {error!r}") from error
        if found.keys() != set(range(len(texts))):
            raise RerankFailed("malformed", f"{len(found)} scores for {len(texts)} passages")
        return [found[i] for i in range(len(texts))]


class CrossEncoder:
    """`model.onnx` and `tokenizer.json` in one folder, as exported from sentence-transformers; one logit a pair."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(LONGEST)
        self._tokenizer.enable_padding()
        self._inputs = [one.name for one in self._session.get_inputs()]

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        found: list[float] = []
        for at in range(0, len(texts), BATCH):
            pairs = self._tokenizer.encode_batch([(query, text) for text in texts[at : at + BATCH]])
            known = {
                "input_ids": [pair.ids for pair in pairs],
                "attention_mask": [pair.attention_mask for pair in pairs],
                "token_type_ids": [pair.type_ids for pair in pairs],
            }
            feed = {name: np.array(known[name], dtype=np.int64) for name in self._inputs}
            found.extend(np.asarray(self._session.run(None, feed)[0], dtype=np.float64).reshape(len(pairs), -1)[:, 0])
        return [float(score) for score in found]


def open_reranker(url: str | None, key: str | None, model: str) -> Reranker | None:
    """url: https://… of a server, file:///… of a folder with a cross-encoder, or None."""
    if not url:
        return None
    return CrossEncoder(Path(url.removeprefix("file://"))) if url.startswith("file://") else Cohere(url, key, model)


T = TypeVar("T")


def reranked(reranker: Reranker, query: str, items: Sequence[T], text: Any) -> list[tuple[T, float | None]]:
    """The first POOL by the model's scores, the others behind them in their order; without scores where it failed.

    text: what of an item the model reads.
    """
    pool = items[:POOL]
    try:
        scores = reranker.scores(query, [text(item) for item in pool]) if pool else []
    except RerankFailed as error:
        log.warning("reranking failed, the fused order stands: %s", error)
        FAILED.labels(error.reason).inc()
        return [(item, None) for item in items]
    order = sorted(range(len(pool)), key=lambda i: -scores[i])
    return [*((pool[i], scores[i]) for i in order), *((item, None) for item in items[POOL:])]
