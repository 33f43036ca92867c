"""Simulated fleets' questions against their truth: python -m benchmarks.questions --seeds 313,314 [--wrong]

The scorecard that the demo prints for one fleet, over several, each with its 95 % interval by Wilson.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.answer_weights import prepare
from iotops.bootstrap import App
from rag import evaluation
from rag.significance import interval

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[313, 314])
    parser.add_argument("--home", type=Path, default=Path(".iotops/benchmarks/freshness"), help="kept for the next run")
    parser.add_argument("--wrong", action="store_true", help="list each answer that is not right")
    options = parser.parse_args()
    outcomes = []
    for seed in options.seeds:
        outcomes += scored(prepare(options.home.resolve() / f"seed-{seed}", seed)).outcomes
        print(f"seed {seed} is asked", flush=True)
    report(outcomes)
    if options.wrong:
        wrong = [f"{one.case.kind}: {one.case.question} {one.reason}" for one in outcomes if not one.correct]
        print("\n".join(sorted(wrong)))


def scored(app: App) -> evaluation.Scorecard:
    cases = evaluation.read_cases(app.settings.home / "truth" / "questions.jsonl")
    return evaluation.evaluate(app.copilot.ask, cases, now=NOW)


def report(outcomes: Sequence[evaluation.Outcome]) -> None:
    asked = Counter(one.case.kind for one in outcomes)
    right = Counter(one.case.kind for one in outcomes if one.correct)
    for kind in (*evaluation.KINDS, "all"):
        good, count = (right[kind], asked[kind]) if kind != "all" else (right.total(), asked.total())
        low, high = interval(good, count)
        print(f"{kind:<18} {good:>4} of {count:<4} [{low:.2f}, {high:.2f}]")
    print(f"stale citations: {sum(one.stale for one in outcomes)}")


if __name__ == "__main__":
    main()
