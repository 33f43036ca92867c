"""Against a server that speaks Cohere's /v2/rerank over a socket, and a cross-encoder of one node as an ONNX file."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from rag.rerank import POOL, Cohere, CrossEncoder, RerankFailed, open_reranker, reranked

Reply = Callable[[dict[str, Any]], tuple[int, Any]]
FIRST_LAST: Reply = lambda body: (  # noqa: E731 - a reply is a value
    200,
    {
        "id": "07734bd2-2473-4f07-94e1-0d9f0e6843cf",
        "results": [{"index": i, "relevance_score": i / 10} for i in reversed(range(len(body["documents"])))],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    },
)


class Server(HTTPServer):
    reply: Reply = staticmethod(FIRST_LAST)
    seen: list[tuple[str, str | None, dict[str, Any]]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, self.headers["Authorization"], body))
        status, answer = self.server.reply(body)
        with suppress(ConnectionError):  # the client that gave up
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
            self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.seen = []
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def cohere(server: Server, **options: Any) -> Cohere:
    return Cohere(f"http://127.0.0.1:{server.server_port}", "secret", "rerank-v3.5", **options)


def test_passages_come_in_the_order_of_the_server_scores(server: Server) -> None:
    found = reranked(cohere(server), "which?", ["a", "b", "c"], str)
    assert found == [("c", 0.2), ("b", 0.1), ("a", 0.0)]
    ((path, authorization, body),) = server.seen
    assert (path, authorization) == ("/v2/rerank", "Bearer secret")
    assert body == {"model": "rerank-v3.5", "query": "which?", "documents": ["a", "b", "c"], "top_n": 3}


def test_only_the_best_are_looked_at_again(server: Server) -> None:
    items = [str(n) for n in range(POOL + 2)]
    found = reranked(cohere(server), "which?", items, str)
    assert found[0] == (str(POOL - 1), (POOL - 1) / 10)
    assert found[POOL:] == [(str(POOL), None), (str(POOL + 1), None)]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((429, {"message": "too many requests"}), "refused"),
        ((200, b"<html>"), "malformed"),
        ((200, {"results": []}), "malformed"),
        ((200, {"results": [{"index": 0}]}), "malformed"),
        ((200, ["results"]), "malformed"),
    ],
)
def test_the_fused_order_stands_where_the_server_fails(server: Server, reply: tuple[int, Any], reason: str) -> None:
    server.reply = lambda _: reply
    with pytest.raises(RerankFailed) as failed:
        cohere(server).scores("which?", ["a", "b"])
    assert failed.value.reason == reason
    assert reranked(cohere(server), "which?", ["a", "b"], str) == [("a", None), ("b", None)]


def test_a_server_that_is_not_there_or_silent_is_given_up(server: Server) -> None:
    with pytest.raises(RerankFailed) as gone:
        Cohere("http://127.0.0.1:9", None, "m").scores("which?", ["a"])
    assert gone.value.reason == "unreachable"
    released = Event()
    server.reply = lambda _: (200, released.wait(10) and {})
    with pytest.raises(RerankFailed) as silent:
        cohere(server, timeout=0.05).scores("which?", ["a"])
    released.set()
    assert silent.value.reason == "timeout"


def test_a_cross_encoder_reads_question_and_passage_together(tmp_path: Path) -> None:
    write_counting_model(tmp_path)
    encoder = open_reranker(tmp_path.as_uri(), None, "")
    assert isinstance(encoder, CrossEncoder)
    texts = ["pump", "pump pump pump", "pump pump", *["valve"] * 9]
    assert encoder.scores("pump", texts) == [2.0, 4.0, 3.0, *[1.0] * 9]


def test_nothing_is_reranked_where_no_model_is_configured() -> None:
    assert open_reranker(None, None, "rerank-v3.5") is None


def write_counting_model(folder: Path) -> None:
    """A model whose logit is the number of tokens `pump`, and its tokenizer."""
    tokenizer = Tokenizer(models.WordLevel({"[PAD]": 0, "pump": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    nodes = [
        helper.make_node("Equal", ["input_ids", "pump"], ["is_pump"]),
        helper.make_node("Cast", ["is_pump"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones", "axis"], ["logits"], keepdims=1),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])]
    constants = [numpy_helper.from_array(np.array(1), "pump"), numpy_helper.from_array(np.array([1]), "axis")]
    graph = helper.make_graph(nodes, "count", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
