"""Fit the weights by which the answerer chooses sentences, and judge them on fleets that they were not fitted on.

Simulates a fleet a seed, builds its index, asks its questions, and maximises the probability of the sentences that the
simulator's truth names (a softmax over the candidates of each clause). Prints the constants of rag/extraction.py.

    .venv/bin/python benchmarks/answer_weights.py --home /tmp/answer-weights --fit 101 102 103 104 --judge 201 202
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from iotops.bootstrap import App
from iotops.settings import child_environment, read_settings
from lakehouse import database
from rag.answer import Context, Question
from rag.clauses import clauses
from rag.context import unknown_devices
from rag.drafting import measure_in
from rag.evaluation import read_cases
from rag.extraction import CONFIDENCE, gather
from rag.features import NAMES, measure_candidates
from rag.inquiry import Inquiry
from rag.measuring import read_vocabulary
from rag.versions import active_version

CONFIDENT = [name for name in CONFIDENCE if name != "bias"]
RIDGE = 0.0005


@dataclass(frozen=True)
class Sample:
    """The candidates of one clause. right: which of them the truth names; none where there is no answer."""

    features: np.ndarray[Any, np.dtype[np.float64]]
    right: np.ndarray[Any, np.dtype[np.float64]]
    answerable: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--fit", type=int, nargs="+", required=True)
    parser.add_argument("--judge", type=int, nargs="+", required=True)
    arguments = parser.parse_args()
    fitted, judged = (
        [sample for seed in seeds for sample in samples(prepare(arguments.home / str(seed), seed))]
        for seeds in (arguments.fit, arguments.judge)
    )
    weights = fit_weights([s for s in fitted if s.answerable])
    for name, data in (("fit", fitted), ("judge", judged)):
        answerable = [s for s in data if s.answerable]
        print(f"{name}: {len(answerable)} clauses, right first {top(answerable, weights, 1):.3f}, "
              f"in the first three {top(answerable, weights, 3):.3f}")  # fmt: skip
    confidence = fit_confidence(fitted, weights)
    for name, data in (("fit", fitted), ("judge", judged)):
        print(f"{name}: answering or abstaining is right for {decided(data, weights, confidence):.3f}")
    print(json.dumps(dict(zip(NAMES, weights.round(2).tolist(), strict=True))))
    print(json.dumps(dict(zip([*CONFIDENT, "bias"], confidence.round(2).tolist(), strict=True))))


def prepare(home: Path, seed: int) -> App:
    """A home with this seed's fleet simulated, ingested, built and indexed; nothing is done again."""
    settings = read_settings({"IOTOPS_HOME": str(home)})
    if not (home / "indexes").is_dir():
        iotops = [sys.executable, "-m", "iotops.cli.main"]
        environment = child_environment(settings)

        def run(*words: str) -> None:
            subprocess.run([*iotops, *words], env=environment, check=True, stdout=subprocess.DEVNULL)

        run("simulate", "--seed", str(seed))
        for tenant in sorted(path.name for path in settings.inbox.iterdir()):
            run("tenant", "create", tenant)
            for kind in ("documents", "chats", "telemetry"):
                if (settings.inbox / tenant / kind).is_dir():
                    run("ingest", kind, str(settings.inbox / tenant / kind), "--tenant", tenant)
        run("warehouse", "build")
        run("index", "build")
    return App(settings)


def samples(app: App) -> Iterator[Sample]:
    """Of each clause that is answered with sentences. Clauses whose answer is not among the candidates are left out."""
    copilot, truth = app.copilot, app.settings.home / "truth" / "questions.jsonl"
    with database.transaction(app.database_url) as connection:
        version = str(active_version(connection))
        for case in read_cases(truth):
            assert case.now is not None  # noqa: S101 - the simulator states it
            question = Question(case.question, case.tenant_id, case.now, None, Context())
            yield from _samples(copilot.inquiry(connection, question, version), case.contains, case.abstain)


def _samples(inquiry: Inquiry, contains: Sequence[str], abstain: bool) -> Iterator[Sample]:
    question, connection = inquiry.question, inquiry.connection
    if unknown_devices(connection, question, inquiry.scope):
        return
    vocabulary = read_vocabulary(connection, question.tenant_id)
    for clause in clauses(question.text):
        if measure_in(clause, inquiry, vocabulary) is not None:
            continue
        asked = inquiry.asked(clause)
        found = gather(asked, inquiry.passages(clause))
        if not found:
            continue
        features = measure_candidates(asked, found, inquiry.embedder, inquiry.lexical)
        right = np.array([any(text.lower() in c.words.lower() for text in contains) for c in found], dtype=np.float64)
        if abstain or right.any():
            yield Sample(features, right, not abstain)


def fit_weights(data: Sequence[Sample]) -> np.ndarray[Any, np.dtype[np.float64]]:
    def loss(weights: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
        total, slope = 0.0, np.zeros_like(weights)
        for sample in data:
            scores = sample.features @ weights
            share = np.exp(scores - scores.max())
            share /= share.sum()
            right = share * sample.right
            total -= float(np.log(right.sum() + 1e-12))
            slope -= sample.features.T @ (right / right.sum() - share)
        return total / len(data) + RIDGE * float(weights @ weights), slope / len(data) + 2 * RIDGE * weights

    return np.asarray(minimize(loss, np.zeros(len(NAMES)), jac=True, method="L-BFGS-B").x)


def fit_confidence(data: Sequence[Sample], weights: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Logistic regression: does the best candidate answer? Both classes weigh the same."""
    rows = np.array([_confident_row(sample, weights) for sample in data])
    labels = np.array([_answered(sample, weights) for sample in data])
    balance = np.where(labels == 1, 0.5 / max(labels.mean(), 1e-9), 0.5 / max(1 - labels.mean(), 1e-9))

    def loss(theta: np.ndarray[Any, Any]) -> float:
        margins = (rows @ theta[:-1] + theta[-1]) * (2 * labels - 1)
        return float((balance * np.logaddexp(0, -margins)).mean() + RIDGE * float(theta @ theta))

    return np.asarray(minimize(loss, np.zeros(rows.shape[1] + 1), method="L-BFGS-B").x)


def _confident_row(sample: Sample, weights: np.ndarray[Any, Any]) -> list[float]:
    best = sample.features[int(np.argmax(sample.features @ weights))]
    return [float(best[NAMES.index(name)]) for name in CONFIDENT]


def _answered(sample: Sample, weights: np.ndarray[Any, Any]) -> float:
    """1 where an answer is there and among the first three: then answering is right."""
    return float(sample.answerable and top([sample], weights, 3) == 1)


def top(data: Sequence[Sample], weights: np.ndarray[Any, Any], count: int) -> float:
    return float(np.mean([s.right[np.argsort(-(s.features @ weights))[:count]].any() for s in data]))


def decided(data: Sequence[Sample], weights: np.ndarray[Any, Any], theta: np.ndarray[Any, Any]) -> float:
    answers = [float(np.dot(_confident_row(s, weights), theta[:-1]) + theta[-1]) >= 0 for s in data]
    return float(np.mean([answer == s.answerable for answer, s in zip(answers, data, strict=True)]))


if __name__ == "__main__":
    main()
