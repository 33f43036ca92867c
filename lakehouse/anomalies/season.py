"""What time of day and day of week explain, wherever they explain anything."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lakehouse.anomalies.series import Floats, Series, cadence, delayed, readings_a_day, trailing_mean
from lakehouse.anomalies.setting import DAY, Setting

WEEK: Final = 7
# (how many days one season lasts, how many past ones are looked at, days from which on it may be chosen)
SEASONS: Final = ((1, 7, 3), (WEEK, 4, 15))


def seasons(readings: Series, setting: Setting) -> Iterator[tuple[Floats, NDArray[np.bool_], int]]:
    """Candidates: what each adds to the level at every reading, where it is the one to use, and from which reading on
    there was one season to learn it from: what is before has not had it taken off and is no past to compare with.

    A season is used where it took `season_gain` off the mean error of the last week, against none at all.
    """
    day = readings_a_day(readings.seconds)
    around = readings.values - delayed(trailing_mean(readings.values, day), 1)
    age = (readings.seconds - readings.seconds[0]) / DAY
    learnt = np.where(age >= 1, around, np.nan)  # before, the level is not that of a whole day
    swings, begins = [np.zeros(len(readings))], [0]
    best = _recent(np.abs(around), day) * setting.season_gain
    chosen = np.zeros(len(readings), np.int64)
    for number, (days, many, needed) in enumerate(SEASONS, start=1):
        swing = _at_this_time(readings.seconds, learnt, [DAY * days * back for back in range(1, many + 1)])
        error = _recent(np.abs(around - swing), day)
        better = (error < best) & (age >= needed)
        chosen[better] = number
        best = np.where(better, error, best)
        swings.append(swing)
        begins.append(int(np.searchsorted(age, days + 1)))
    for number, (swing, begin) in enumerate(zip(swings, begins, strict=True)):
        if (chosen == number).any():
            yield swing, chosen == number, begin


def _recent(errors: Floats, day: int) -> Floats:
    return delayed(trailing_mean(errors, WEEK * day), 1)


def _at_this_time(seconds: Floats, values: Floats, back: Sequence[float]) -> Floats:
    """Median of the values so many seconds ago, 0 where there is none."""
    step = cadence(seconds)
    found = np.array([_nearest(seconds, values, seconds - lag, 0.75 * step) for lag in back])
    found.sort(axis=0)  # what is missing comes last
    counts = np.sum(~np.isnan(found), axis=0)
    every = np.arange(len(seconds))
    lower = found[np.maximum(counts - 1, 0) // 2, every]
    upper = found[np.minimum(counts // 2, len(back) - 1), every]
    return np.where(counts > 0, (lower + np.where(counts > 0, upper, 0.0)) / 2, 0.0)


def _nearest(seconds: Floats, values: Floats, wanted: Floats, tolerance: float) -> Floats:
    """The first value not earlier than `tolerance` before what is wanted, if it is not later than that after."""
    at = np.searchsorted(seconds, wanted - tolerance)
    at = np.minimum(at, len(seconds) - 1)
    near = np.abs(seconds[at] - wanted) <= tolerance
    return np.where(near, values[at], np.nan)
