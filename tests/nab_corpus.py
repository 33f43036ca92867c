"""A folder with NAB's series and windows.json, and what our detection says of it."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from lakehouse.anomalies.device import find
from lakehouse.anomalies.series import Floats, series
from lakehouse.anomalies.setting import SETTING, Setting
from tests.nab_scoring import Labelled


@dataclass(frozen=True)
class NabSeries:
    """windows: first and last index of each."""

    seconds: Floats
    values: Floats
    windows: tuple[tuple[int, int], ...]


def read_corpus(folder: Path) -> dict[str, NabSeries]:
    windows = json.loads((folder / "windows.json").read_text())
    return {name: _read(folder / name, windows[name]) for name in sorted(windows) if (folder / name).exists()}


def label(corpus: Mapping[str, NabSeries], setting: Setting = SETTING) -> dict[str, Labelled]:
    return {name: _label(one, setting) for name, one in corpus.items()}


def _read(path: Path, windows: list[tuple[str, str]]) -> NabSeries:
    with path.open(newline="") as lines:
        rows = [(_second(row["timestamp"]), float(row["value"])) for row in csv.DictReader(lines)]
    seconds, values = np.array(rows).T
    bounds = [(np.searchsorted(seconds, _second(a)), np.searchsorted(seconds, _second(b), "right")) for a, b in windows]
    return NabSeries(seconds, values, tuple((int(first), int(last) - 1) for first, last in bounds))


def _second(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _label(one: NabSeries, setting: Setting) -> Labelled:
    """Each anomaly is one detection: the first reading at which it was known. A device of one metric, as by then."""
    faults = find({"value": series(one.seconds, one.values)}, float(one.seconds[-1]), setting)
    said = np.searchsorted(one.seconds, [fault.known for fault in faults]).tolist()
    return Labelled(len(one.values), one.windows, sorted(set(said)))
