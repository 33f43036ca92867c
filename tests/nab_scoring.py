"""The scoring of the Numenta Anomaly Benchmark, from its paper (Lavin and Ahmad 2015, arXiv:1510.03336), without code
of theirs.

A detector names points. Inside a labelled window only the earliest point counts, by a sigmoid that is 1 at the window's
left edge and near 0 at its right one; a window without a point costs the weight of a miss. Each point outside costs up
to the weight of a false alarm: little just behind a window, all of it far from one or before the first. Points of the
probationary period, the first 15 % and at most 750 points, are not counted. A corpus scores 0 as a detector that says
nothing would, and 100 where every window is met at its first point and nothing else is said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PROBATION: Final = 0.15
LONGEST_PROBATION: Final = 750.0  # 15 % of 5,000 points
FAR: Final = 3.0  # widths behind a window from which on a false alarm costs all of its weight


@dataclass(frozen=True)
class Profile:
    """What a window met, a false alarm and a window missed are worth."""

    hit: float
    false_alarm: float
    miss: float


PROFILES: Final[Mapping[str, Profile]] = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP": Profile(1.0, 0.22, 1.0),
    "reward_low_FN": Profile(1.0, 0.11, 2.0),
}


@dataclass(frozen=True)
class Labelled:
    """A series of `points` points. windows: first and last index of each, both inside. detections: indices said."""

    points: int
    windows: Sequence[tuple[int, int]]
    detections: Sequence[int]


def scaled_sigmoid(position: float) -> float:
    """position: -1 at the left edge of a window, 0 behind its right one, growing to the right."""
    return -1.0 if position > FAR else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def probation(points: int) -> float:
    """Indices below are not counted."""
    return min(math.floor(PROBATION * points), LONGEST_PROBATION)


def raw_score(series: Labelled, profile: Profile) -> float:
    counted = [index for index in series.detections if index >= probation(series.points)]
    best: dict[int, float] = {}
    alarms = 0.0
    for index in counted:
        inside = next((at for at, (first, last) in enumerate(series.windows) if first <= index <= last), None)
        if inside is None:
            alarms += _behind(index, series.windows) * profile.false_alarm
        else:
            best[inside] = max(best.get(inside, 0.0), _within(index, *series.windows[inside]) * profile.hit)
    missed = len(series.windows) - len(best)
    return sum(best.values()) + alarms - missed * profile.miss


def normalised(corpus: Sequence[Labelled], profile: Profile) -> float:
    """100 * (raw - null) / (perfect - null) over all series together."""
    windows = sum(len(series.windows) for series in corpus)
    raw = sum(raw_score(series, profile) for series in corpus)
    null, perfect = -profile.miss * windows, profile.hit * windows
    return 100.0 * (raw - null) / (perfect - null)


def _within(index: int, first: int, last: int) -> float:
    return scaled_sigmoid(-(last - index + 1) / (last - first + 1)) / scaled_sigmoid(-1.0)


def _behind(index: int, windows: Sequence[tuple[int, int]]) -> float:
    """Against the last window before the index."""
    before = [(first, last) for first, last in windows if last < index]
    if not before:
        return -1.0
    first, last = max(before)
    return scaled_sigmoid((index - last) / max(last - first, 1))
