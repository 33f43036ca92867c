"""A device that is silent for far longer than its own rhythm and its own past silences."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from lakehouse.anomalies.findings import Finding
from lakehouse.anomalies.series import Floats, Series, blocks, cadence
from lakehouse.anomalies.setting import SETTING, Setting

FEWEST: Final = 20  # readings that show a rhythm
NEVER: Final = 1e15
RHYTHMS: Final = 2.5  # so many of the longer distances of its past: two readings in a row are missing


def find_gaps(metrics: Sequence[Series], as_of: float, setting: Setting = SETTING) -> list[Finding]:
    """metrics: all of one device. A silence that still lasts ends at `as_of`."""
    seconds = np.unique(np.concatenate([one.seconds for one in metrics])) if metrics else np.empty(0)
    seconds = seconds[seconds <= as_of]
    if len(seconds) <= FEWEST:
        return []
    return list(_silences(np.append(seconds, as_of), setting))


def silent_from(metrics: Sequence[Series], setting: Setting = SETTING) -> float | None:
    """When the device will be called silent unless it is heard before; None where it has no rhythm yet."""
    found = find_gaps(metrics, NEVER, setting)
    return found[-1].known if found else None


def _silences(seconds: Floats, setting: Setting) -> Iterator[Finding]:
    """A silence that alarmed counts as one of the length that was needed: where a device reports less often for good,
    each further alarm needs double."""
    gaps = np.diff(seconds)
    longest = float(gaps[:FEWEST].max())
    for start, end in blocks(len(gaps)):
        rhythm = float(np.quantile(gaps[:start], 0.99)) if start >= FEWEST else cadence(seconds)
        least = RHYTHMS * rhythm + setting.shortest_silence
        for at in (start + np.flatnonzero(gaps[start:end] > longest)).tolist():
            needed = max(least, 2 * longest)
            if at >= FEWEST and gaps[at] > needed:
                yield _finding(seconds, at, needed)
            longest = max(longest, min(float(gaps[at]), needed))


def _finding(seconds: Floats, at: int, needed: float) -> Finding:
    silence = float(seconds[at + 1] - seconds[at])
    return Finding(
        metric=None,
        kind="gap",
        start=float(seconds[at]),
        end=float(seconds[at + 1]),
        known=float(seconds[at] + needed),
        method="silence against own rhythm and past silences",
        measure="seconds between readings",
        expected=(0.0, needed),
        seen=silence,
        score=silence / needed,
        window=(float(seconds[max(0, at - FEWEST)]), float(seconds[at]), min(at, FEWEST) + 1),
    )
