"""A level that creeps away over days from where it stood.

At the end of each day the means of the days of four weeks are fitted by "level, and from some day on a ramp". That is a
drift where the ramp has left the ordinary spread of a day, explains the days better than a step does, better than a
straight line through all of them (a battery runs down like that, from the first day), and is more than chance steps
from day to day add up to. A day's mean knows no season of the day; a season of the week makes the days differ, which
counts as chance steps.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lakehouse.anomalies.findings import Finding
from lakehouse.anomalies.series import Floats, Series, readings_a_day, trailing_mean
from lakehouse.anomalies.setting import DAY, SETTING, Setting

LONGEST: Final = 28
FEWEST: Final = 4
RISING: Final = 2.5  # days that a ramp has to last
# How far, in squared standard errors, the ramp must beat a straight line. With 9 four of 48 drifts among hourly
# readings of 14 days were missed (simulator, seeds 1 to 24), with 3 none, and 3 not 0 of 1,680 other series drifted.
LINE: Final = 3.0
STEPS: Final = 4.0  # standard deviations of a random walk
HINGES: Final = 0.5


@dataclass(frozen=True)
class Days:
    """number: of the day, since the first reading.  within: spread of the readings of a day.  noise: of the mean, if
    readings erred independently."""

    number: Floats
    mean: Floats
    within: Floats
    noise: Floats


@dataclass(frozen=True)
class Ramp:
    hinge: float
    base: float
    amount: float
    spread: float
    score: float


def find_drifts(metric: str, readings: Series, setting: Setting = SETTING) -> list[Finding]:
    out: list[Finding] = []
    begin = 0
    while begin < len(readings):
        rest = Series(readings.seconds[begin:], readings.values[begin:])
        found = _first(metric, rest, setting)
        if found is None:
            break
        finding, over = found
        out.append(finding)
        begin += over
    return out


def _first(metric: str, readings: Series, setting: Setting) -> tuple[Finding, int] | None:
    """With the index of the reading from which on to look again."""
    days = _days(readings)
    for count in range(FEWEST, len(days.number) + 1):
        last = slice(max(0, count - LONGEST), count)
        window = Days(days.number[last], days.mean[last], days.within[last], days.noise[last])
        ramp = _ramp(window, setting)
        if ramp:
            complete = readings.seconds[0] + (window.number[-1] + 1) * DAY
            known = int(np.searchsorted(readings.seconds, complete))
            if known < len(readings):
                return _finding(metric, readings, window, ramp, known)
    return None


def _days(readings: Series) -> Days:
    """Days counted from the first reading, of which at least half of the readings are there. Each reading counts as at
    most three spreads from the middle of its day: one wild reading is no drift."""
    day = readings_a_day(readings.seconds)
    number = np.floor((readings.seconds - readings.seconds[0]) / DAY).astype(np.int64)
    found, starts, counts = np.unique(number, return_index=True, return_counts=True)
    rows = []
    for one, start, count in zip(found.tolist(), starts.tolist(), counts.tolist(), strict=True):
        if count < 2 or 2 * count < min(day, _usual(counts)):
            continue
        values = readings.values[start : start + count]
        middle = float(np.median(values))
        reach = 3 * 1.25 * float(np.mean(np.abs(values - middle)))
        values = np.clip(values, middle - reach, middle + reach)
        steps = float(np.mean(np.diff(values) ** 2)) / 2
        rows.append((float(one), float(values.mean()), float(values.std()), steps / count))
    columns = np.array(rows).T if rows else np.empty((4, 0))
    return Days(*columns)


def _usual(counts: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> int:
    return int(np.median(counts[:3]))


def _ramp(days: Days, setting: Setting) -> Ramp | None:
    """The best ramp of the window, if it is one."""
    if len(days.number) < FEWEST or days.number[-1] - days.number[0] > 2 * LONGEST:
        return None
    at = days.number - days.number[0] + 0.5
    end = at[-1] + 0.5
    hinges = np.arange(1.0, end - RISING + HINGES / 2, HINGES)
    ramps = np.maximum(at - hinges[:, None], 0.0)
    left, slopes, bases = _fit(ramps, days.mean)
    best = int(left.argmin())
    amount = float(slopes[best] * (end - hinges[best]))
    before = at < hinges[best] + 0.5
    spread = float(np.mean(days.within[before]))
    error = _error(at, hinges[best], days)
    straight = float(_fit(at[None, :], days.mean)[0][0])
    step = float(_fit((at >= at[1:, None]).astype(np.float64), days.mean)[0].min())
    chance = float(np.std(np.diff(days.mean), ddof=1)) * np.sqrt(end - hinges[best])
    score = abs(amount) / max(setting.drift_spread * spread, STEPS * float(chance), 1e-300)
    if score < 1 or straight - left[best] < LINE * error or 2 * left[best] > step:
        return None
    return Ramp(float(hinges[best] + days.number[0]), float(bases[best]), amount, spread, score)


def _fit(shapes: Floats, means: Floats) -> tuple[Floats, Floats, Floats]:
    """Squares left, slope and base of `base + slope * shape`, for each shape."""
    centred, off = shapes - shapes.mean(axis=1, keepdims=True), means - means.mean()
    own = np.maximum(np.sum(centred**2, axis=1), 1e-300)
    slopes = centred @ off / own
    return np.sum(off**2) - slopes**2 * own, slopes, means.mean() - slopes * shapes.mean(axis=1)


def _error(at: Floats, hinge: float, days: Days) -> float:
    """Variance of a day's mean about a line with one bend, not below what its readings' own noise makes of it."""
    design = np.column_stack((np.ones(len(at)), at, np.maximum(at - hinge, 0.0)))
    solved = np.linalg.lstsq(design, days.mean, rcond=None)[0]
    left = float(np.sum((days.mean - design @ solved) ** 2))
    return max(left / max(len(at) - 4, 1), float(np.mean(days.noise)))


def _finding(metric: str, readings: Series, days: Days, ramp: Ramp, known: int) -> tuple[Finding, int]:
    """It lasts until the mean of a day is back half-way, or to the last reading."""
    seconds, day = readings.seconds, readings_a_day(readings.seconds)
    level = trailing_mean(readings.values, day)
    back = np.flatnonzero(np.abs(level[known:] - ramp.base) < abs(ramp.amount) / 2)
    last = known + int(back[0]) if len(back) else len(readings) - 1
    start = int(np.searchsorted(seconds, seconds[0] + ramp.hinge * DAY))
    reach = 1.25 * ramp.spread * 1.5
    opening = int(np.searchsorted(seconds, seconds[0] + days.number[0] * DAY))
    finding = Finding(
        metric=metric,
        kind="drift",
        start=float(seconds[start]),
        end=float(seconds[last]),
        known=float(seconds[known]),
        method="ramp in the means of days",
        measure="mean of a day",
        expected=(ramp.base - reach, ramp.base + reach),
        seen=ramp.base + ramp.amount,
        score=ramp.score,
        window=(float(seconds[opening]), float(seconds[known]), known - opening + 1),
    )
    return finding, last + 1
