"""The readings of one metric, in order, each moment once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lakehouse.anomalies.setting import DAY

Floats = NDArray[np.float64]
FIRST: Final = 24  # readings from which a cadence is learnt; nothing is found before
MOST_A_DAY: Final = 576  # a window of half a day has at most half as many readings
FEWEST_A_DAY: Final = 8


@dataclass(frozen=True)
class Series:
    """seconds: since 1970, rising."""

    seconds: Floats
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    def until(self, second: float) -> "Series":
        count = int(np.searchsorted(self.seconds, second, side="right"))
        return Series(self.seconds[:count], self.values[:count])


def series(seconds: ArrayLike, values: ArrayLike) -> Series:
    """Any order, with repetitions. What is no number is left out; of several values of one moment it is their mean."""
    rows = np.column_stack((np.asarray(seconds, np.float64), np.asarray(values, np.float64)))
    rows = np.unique(rows[np.isfinite(rows).all(axis=1)], axis=0)
    moments, first, counts = np.unique(rows[:, 0], return_index=True, return_counts=True)
    if not len(moments) or counts.max() == 1:
        return Series(rows[:, 0].copy(), rows[:, 1].copy())
    return Series(moments, np.add.reduceat(rows[:, 1], first) / counts)


def cadence(seconds: Floats) -> float:
    """The usual distance of two readings, from the first of them only: later ones must not change earlier findings."""
    return float(np.median(np.diff(seconds[: FIRST + 1]))) if len(seconds) > 1 else DAY


def readings_a_day(seconds: Floats) -> int:
    """A day in readings: the length of the season and of the memory for a level."""
    return int(np.clip(round(DAY / max(cadence(seconds), 1e-9)), FEWEST_A_DAY, MOST_A_DAY))


def blocks(count: int) -> Iterator[tuple[int, int]]:
    """Stretches that share one past, which ends where they begin. They grow with the past, so that their number does
    not."""
    start = 0
    while start < count:
        end = min(count, start + min(max(start // 16, 8), 128))
        yield start, end
        start = end


def trailing_mean(values: Floats, width: int) -> Floats:
    """Over the last `width` values, or all where there are fewer."""
    if width <= 1:
        return values
    sums = np.concatenate(([0.0], np.cumsum(values)))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(0, last - width)
    return np.asarray((sums[last] - sums[first]) / (last - first))


def delayed(values: Floats, by: int) -> Floats:
    """The value `by` places before; the first one before there was any."""
    count = len(values)
    return values[np.maximum(np.arange(count) - by, 0)]
