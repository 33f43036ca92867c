"""The same value for longer than this series' own past makes believable.

A run of equal values alarms once chance would bring it less than `stuck_per_day` times a day, were each reading to
repeat the one before as often as so far, and it is more than three times as long as any run before. A series that is
flat or coarse by nature has long runs in its past and repeats itself often, so it does not alarm.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from lakehouse.anomalies.findings import Finding
from lakehouse.anomalies.series import FIRST, Series, readings_a_day
from lakehouse.anomalies.setting import SETTING, Setting

FEWEST: Final = 6  # equal readings in a row
TIMES: Final = 3


def find_stuck(metric: str, readings: Series, setting: Setting = SETTING) -> list[Finding]:
    return [_finding(metric, readings, *run) for run in _runs(readings, setting)]


def _runs(readings: Series, setting: Setting) -> Iterator[tuple[int, int, int]]:
    """First reading, the one that gave it away, and last, of each run that alarms.

    What alarmed counts as a past run of the length that was needed, so that a series which became flat for good alarms
    a few times, each needing three times as long, and then no more.
    """
    values = readings.values
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1]))) if len(values) else np.empty(0, int)
    lengths = np.diff(np.append(starts, len(values)))
    day, longest = readings_a_day(readings.seconds), 1
    before = np.concatenate(([1], np.maximum.accumulate(lengths)[:-1])) if len(lengths) else lengths
    for number in np.flatnonzero(lengths >= FEWEST).tolist():
        start, length = int(starts[number]), int(lengths[number])
        longest = max(longest, int(before[number]) if before[number] < FEWEST else longest)
        needed = _needed(start, start - number, longest, day, setting)
        if start >= max(FIRST, day) and length >= needed:
            yield start, start + needed - 1, start + length - 1
        longest = max(longest, min(length, needed))


def _needed(seen: int, repeats: int, longest: int, day: int, setting: Setting) -> int:
    """How many equal readings, after `seen` of which `repeats` were like the one before."""
    share = (repeats + 1) / (seen + 2)
    by_chance = math.log(setting.stuck_per_day / day) / math.log(share) + 1 if share < 1 else math.inf
    return max(FEWEST, TIMES * longest + 1, math.ceil(min(by_chance, 1e9)))


def _finding(metric: str, readings: Series, start: int, known: int, last: int) -> Finding:
    """What a varying signal would have done instead: the middle four fifths of the day before."""
    before = readings.values[max(0, start - readings_a_day(readings.seconds)) : start]
    low, high = (float(bound) for bound in np.quantile(before, (0.1, 0.9)))
    seconds = readings.seconds
    return Finding(
        metric=metric,
        kind="stuck",
        start=float(seconds[start]),
        end=float(seconds[last]),
        known=float(seconds[known]),
        method="run of equal values against own repetition",
        measure=f"{known - start + 1} equal readings",
        expected=(low, high),
        seen=float(readings.values[start]),
        score=float(last - start + 1) / (known - start + 1),
        window=(float(seconds[start]), float(seconds[known]), known - start + 1),
    )
