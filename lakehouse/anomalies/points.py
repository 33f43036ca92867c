"""Readings that nothing known explains: spikes, levels and shapes.

A reading, and the mean of the last minutes and hours, is compared with everything that would explain it: the level of
the last day, its trend, and whatever the series has done before (its nearest neighbours among all past readings), after
season is taken off. The distance to the nearest explanation is rare or not by the distances of the past. The same is
done with the mean deviation of the last hours, which tells a signal that turned noisy or calm. Each score is made of
readings up to its own.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from lakehouse.anomalies.findings import Finding, Kind
from lakehouse.anomalies.season import seasons
from lakehouse.anomalies.series import Floats, Series, blocks, delayed, readings_a_day, trailing_mean
from lakehouse.anomalies.setting import SETTING, Setting
from lakehouse.anomalies.tail import rarity

TREND_DAYS: Final = 3
SHAPE_WINDOW: Final = 8  # an eighth of a day
KEPT_DAYS: Final = 7  # a level that was left longer ago is no longer the normal one
ROUNDING: Final = 1e-6  # of the deviations with season in: what is left of a perfect season is rounding
MOST_WARMING: Final = 400
FEWEST_READINGS: Final = 20


@dataclass(frozen=True)
class Scores:
    """Of every reading. score: -log10 of the alarms a day that so rare a thing would raise; the rest is of the
    narrowest window that alarms, else of that which scored highest: its width, its kind (0 spike, 1 level, 2 shape),
    what it had, the nearest explanation, and by how much it might have been off. level: the mean of the day before,
    without season; spread: the mean deviation."""

    score: Floats
    width: Floats
    kind: Floats
    seen: Floats
    nearest: Floats
    bound: Floats
    plain: Floats
    level: Floats
    spread: Floats


FIELDS: Final = ("score", "width", "kind", "seen", "nearest", "bound", "plain", "level", "spread")


def score(readings: Series, setting: Setting = SETTING) -> Scores:
    """Raises nothing: a series too short to have a past scores 0 throughout."""
    out = np.zeros((len(FIELDS), len(readings)))
    if len(readings) >= FEWEST_READINGS:
        day = readings_a_day(readings.seconds)
        for swing, where, begin in seasons(readings, setting):
            scored = _scored(readings.values[begin:], swing[begin:], day, setting)
            out[:, where] = scored[:, where[begin:]]
    return Scores(*out)


def _scored(values: Floats, swing: Floats, day: int, setting: Setting) -> Floats:
    """All fields, for one season."""
    plain = values - values[0] - swing
    level = trailing_mean(plain, day)
    off = np.abs(plain - delayed(level, 1))
    whole = np.abs(values - delayed(trailing_mean(values - values[0], day) + values[0], 1))
    spread = delayed(trailing_mean(np.maximum(off, ROUNDING * whole), 7 * day), 1)
    offset = swing + values[0]
    views = [_mean_view(plain, level, spread, offset, day, width, setting) for width in _widths(day, setting)]
    views.append(_shape_view(off, spread, day, setting))
    stacked = np.array(views)
    alarming = stacked[:, 0] > -math.log10(setting.alarms_per_day)
    # The narrowest window that alarms tells best when it was; where none does, the highest score.
    top = np.where(alarming.any(axis=0), alarming.argmax(axis=0), stacked[:, 0].argmax(axis=0))
    best = np.take_along_axis(stacked, top[None, None, :], axis=0)[0]
    return np.vstack((best, plain + values[0], delayed(level, 1) + values[0], spread))


def _widths(day: int, setting: Setting) -> list[int]:
    return sorted({1, *(max(2, int(day * share)) for share in setting.windows)})


def _mean_view(
    plain: Floats, level: Floats, spread: Floats, offset: Floats, day: int, width: int, setting: Setting
) -> Floats:
    means = trailing_mean(plain, width)
    before = delayed(level, width)
    slope = (before - delayed(before, TREND_DAYS * day)) / (TREND_DAYS * day)
    recent = _smaller(means - before, means - before - slope * (day + width) / 2)
    off = _explained(means, recent, width, day, setting)
    least = max(setting.smallest_shift, setting.smallest_spike / math.sqrt(width))
    return _view(means, off, spread, least, width, float(width > 1), day, setting, trailing_mean(offset, width))


def _shape_view(off: Floats, spread: Floats, day: int, setting: Setting) -> Floats:
    """Of the root, so that calm counts as much as noise."""
    width = max(6, day // SHAPE_WINDOW)
    roots = np.sqrt(np.maximum(trailing_mean(off, width), 0.0))
    unlike = _explained(roots, np.full(len(off), np.inf), width, day, setting)
    return _view(
        roots,
        unlike,
        np.sqrt(np.maximum(spread, 0.0)),
        setting.smallest_shape,
        width,
        2.0,
        day,
        setting,
        np.zeros(len(off)),
    )


def _view(
    seen: Floats,
    off: Floats,
    spread: Floats,
    least: float,
    width: int,
    kind: float,
    day: int,
    setting: Setting,
    offset: Floats,
) -> Floats:
    """A mean over many readings is rare as often as it is renewed: once a width."""
    chances = math.log10(day / width)
    alarm = chances - math.log10(setting.alarms_per_day)
    rare = rarity(np.abs(off), spread, _warming(day) // 2, alarm, setting)
    bound = np.maximum(rare.bound, least * spread)
    score = np.where(np.abs(off) > least * spread, rare.exponent - chances, 0.0)
    filled = np.ones(len(seen))
    nearest = np.where(np.isnan(off), seen, seen - off)
    return np.vstack((score, filled * width, filled * kind, seen + offset, nearest + offset, bound))


def _explained(values: Floats, recent: Floats, width: int, day: int, setting: Setting) -> Floats:
    """Signed distance to the nearer of the recent level and the past. Neighbours are at least a width older, as windows
    that overlap are alike."""
    out = np.full(len(values), np.nan)
    past, taken = np.empty(0), 0
    many = setting.neighbours * max(1, width // 2)
    for start, end in blocks(len(values)):
        until = max(0, start - (width if width > 1 else 0))
        if until > taken:
            past = np.sort(np.concatenate((past, values[taken:until])), kind="stable")
            taken = until
        if len(past) >= _warming(day) // 2:
            out[start:end] = _smaller(recent[start:end], _from_past(values[start:end], past, many))
    return out


def _from_past(values: Floats, past: Floats, many: int) -> Floats:
    """Signed distance to the nearest of every `many`-th of the sorted past: each of them stands for so many
    readings."""
    many = max(1, min(many, len(past) // 3))
    marks = past[many // 2 :: many]
    at = np.searchsorted(marks, values)
    below, above = marks[np.maximum(at - 1, 0)], marks[np.minimum(at, len(marks) - 1)]
    return _smaller(values - below, values - above)


def _smaller(one: Floats, other: Floats) -> Floats:
    return np.where(np.abs(one) <= np.abs(other), one, other)


def _warming(day: int) -> int:
    """Readings before the first score."""
    return min(max(2 * day, 32), MOST_WARMING)


def find_points(metric: str, readings: Series, setting: Setting = SETTING) -> list[Finding]:
    scores = score(readings, setting)
    return [_finding(metric, readings, scores, at, last) for at, last in _alarms(readings, scores, setting)]


def _alarms(readings: Series, scores: Scores, setting: Setting) -> Iterator[tuple[int, int]]:
    """First and last reading of each. For a day after the first, what is rare belongs to it; a way back to the level
    from before the last alarm is its end and no alarm."""
    day = readings_a_day(readings.seconds)
    opened: tuple[int, int] | None = None
    until, base, based = -1.0, math.nan, 0
    for at in np.flatnonzero(scores.score > -math.log10(setting.alarms_per_day)).tolist():
        if opened and at <= until:
            opened = opened[0], _reached(scores, opened, at)
            continue
        if _returns(scores, at, base, setting):
            opened, until, base = (
                (opened and (opened[0], _reached(scores, opened, at))),
                at + setting.quiet_days * day,
                math.nan,
            )
            continue
        if opened:
            yield opened
        opened, until = (at, at), at + setting.quiet_days * day
        if not _is_far(scores, at, base, setting) or at - based > KEPT_DAYS * day:
            base, based = float(scores.level[max(0, at - day // SHAPE_WINDOW)]), at
    if opened:
        yield opened


def _reached(scores: Scores, opened: tuple[int, int], at: int) -> int:
    """A window that is rare only because its beginning was reaches no further than that."""
    return max(opened[1], at - int(scores.width[at]) + 1)


def _returns(scores: Scores, at: int, base: float, setting: Setting) -> bool:
    near = abs(scores.plain[at] - base) < abs(scores.level[at] - base) / 2
    return bool(near) and _is_far(scores, at, base, setting)


def _is_far(scores: Scores, at: int, base: float, setting: Setting) -> bool:
    return bool(abs(scores.level[at] - base) > setting.smallest_shift * scores.spread[at])


NAMES: Final[tuple[Kind, ...]] = ("spike", "level", "shape")


def _finding(metric: str, readings: Series, scores: Scores, at: int, last: int) -> Finding:
    width, kind = int(scores.width[at]), NAMES[int(scores.kind[at])]
    first = max(0, at - width + 1)
    nearest, bound, seen = (float(field[at]) for field in (scores.nearest, scores.bound, scores.seen))
    usual = float(scores.level[at] + readings.values[at] - scores.plain[at])
    away = (min(nearest, usual), nearest) if seen > nearest else (nearest, max(nearest, usual))
    low, high = away[0] - bound, away[1] + bound
    if kind == "shape":
        low, high = nearest - bound, nearest + bound
        low, high, seen = max(low, 0.0) ** 2, high**2, seen**2
    return Finding(
        metric=metric,
        kind=kind,
        start=float(readings.seconds[first]),
        end=float(readings.seconds[last]),
        known=float(readings.seconds[at]),
        method="nearest explanation, tail of past distances",
        measure={"spike": "reading", "level": f"mean of {width} readings"}.get(
            kind, f"mean deviation over {width} readings"
        ),
        expected=(low, high),
        seen=seen,
        score=float(scores.score[at]),
        window=(float(readings.seconds[first]), float(readings.seconds[at]), at - first + 1),
    )
