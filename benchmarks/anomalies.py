"""Detection of anomalies, judged: python -m benchmarks.anomalies [--nab FOLDER] [--seeds 101-110] [--sensitivity]

NAB: score of each series and of the folder in three profiles, by NAB's own scoring (tests/nab_scoring.py). A folder
holds series as CSV (timestamp, value) and windows.json. Simulator: what was found of each kind of fault, after how many
hours, and false alarms per device-month, by the rule in tests/simulated_faults.py. Sensitivity: the same figures with
each number of the setting halved and doubled, and NAB's score with each series left out.
"""

import argparse
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

from lakehouse.anomalies.setting import SETTING, Setting
from simulator.faults import KINDS
from tests.nab_corpus import NabSeries, label, read_corpus
from tests.nab_scoring import PROFILES, Labelled, normalised, probation, raw_score
from tests.simulated_faults import Simulated, Verdict, judge, simulate

SHARED: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "telemetry" / "nab"
SHAPES: Final = ((14, 24, 5), (14, 24, 10), (14, 24, 30), (14, 24, 60), (28, 24, 10), (28, 24, 60), (14, 60, 10))
STANDARD: Final = PROFILES["standard"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nab", type=Path, default=SHARED)
    parser.add_argument("--seeds", default="101-110", metavar="FROM-TO")
    parser.add_argument("--sensitivity", action="store_true")
    given = parser.parse_args()
    first, last = map(int, given.seeds.split("-"))
    corpus = read_corpus(given.nab) if (given.nab / "windows.json").exists() else {}
    if corpus:
        _nab(corpus)
    worlds = {
        (seed, *shape): simulate(seed, *shape)
        for number, seed in enumerate(range(first, last + 1))
        for shape in (SHAPES[number % len(SHAPES)],)
    }
    _simulator(worlds)
    if given.sensitivity:
        _sensitivity(corpus, worlds)


def _nab(corpus: Mapping[str, NabSeries]) -> None:
    started = perf_counter()
    labelled = label(corpus)
    seconds = perf_counter() - started
    print(f"{'series':58} {'windows':>7} {'met':>4} {'false':>5} {'standard':>8}")
    for name, one in labelled.items():
        print(f"{name:58} {len(one.windows):7} {_met(one):4} {_false(one):5} {raw_score(one, STANDARD):8.2f}")
    scores = {name: normalised(list(labelled.values()), profile) for name, profile in PROFILES.items()}
    print("NAB:", ", ".join(f"{name} {value:.1f}" for name, value in scores.items()))
    points = sum(one.points for one in labelled.values())
    print(f"{points:,} points, {points / seconds:,.0f} points/s on one core\n")


def _met(one: Labelled) -> int:
    counted = [index for index in one.detections if index >= probation(one.points)]
    return sum(any(first <= index <= last for index in counted) for first, last in one.windows)


def _false(one: Labelled) -> int:
    counted = [index for index in one.detections if index >= probation(one.points)]
    return sum(not any(first <= index <= last for first, last in one.windows) for index in counted)


def _simulator(worlds: Mapping[tuple[int, ...], Simulated]) -> None:
    print("found of all, median hours until known; false alarms per device-month")
    print(f"{'seed days devices minutes':26} " + " ".join(f"{kind:>14}" for kind in KINDS) + f" {'false':>6}")
    verdicts = []
    for (seed, days, devices, interval), world in worlds.items():
        verdict = judge(world)
        verdicts.append(verdict)
        name = f"{seed:4} {days:4} {devices:7} {interval:7}"
        print(f"{name:26} " + " ".join(f"{_of(verdict, kind):>14}" for kind in KINDS) + f" {verdict.rate:6.2f}")
    months = sum(one.device_months for one in verdicts)
    alarms = sum(len(one.false_alarms) for one in verdicts)
    print(f"all: {alarms} false alarms in {months:.0f} device-months: {alarms / months:.2f}\n")


def _of(verdict: Verdict, kind: str) -> str:
    hours = verdict.hours[kind]
    share = f"{len(hours)}/{len(hours) + verdict.missed[kind]}"
    return f"{share} {median(hours):.1f} h" if hours else share


def _sensitivity(corpus: Mapping[str, NabSeries], worlds: Mapping[tuple[int, ...], Simulated]) -> None:
    if corpus:
        labelled = label(corpus)
        without = {left: [one for name, one in labelled.items() if name != left] for left in labelled}
        scores = {left: normalised(rest, STANDARD) for left, rest in without.items() if any(o.windows for o in rest)}
        lowest = min(scores, key=lambda left: scores[left])
        print(f"NAB standard with one series left out: {min(scores.values()):.1f} (without {lowest}) to ", end="")
        print(f"{max(scores.values()):.1f}")
    print(f"{'setting':32} {'NAB':>5} {'missed of four kinds':>21} {'false':>6}")
    for name, value in [("as it is", None), *_numbers()]:
        for factor in (0.5, 2.0) if value is not None else (1.0,):
            changed = SETTING if value is None else replace(SETTING, **{name: type(value)(value * factor)})
            print(_line(f"{name} x {factor:g}" if value is not None else name, changed, corpus, worlds), flush=True)


def _numbers() -> list[tuple[str, float]]:
    return [(one.name, getattr(SETTING, one.name)) for one in fields(SETTING) if one.name != "windows"]


def _line(
    name: str, setting: Setting, corpus: Mapping[str, NabSeries], worlds: Mapping[tuple[int, ...], Simulated]
) -> str:
    score = normalised(list(label(corpus, setting).values()), STANDARD) if corpus else float("nan")
    verdicts = [judge(world, setting) for world in worlds.values()]
    missed = sum(one.missed[kind] for one in verdicts for kind in ("overheating", "drift", "stuck", "dropped"))
    rate = sum(len(one.false_alarms) for one in verdicts) / sum(one.device_months for one in verdicts)
    return f"{name:32} {score:5.1f} {missed:21} {rate:6.2f}"


if __name__ == "__main__":
    main()
