"""How rare a distance is, by the distances before it: peaks over a threshold, whose excesses follow a Pareto law."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from lakehouse.anomalies.series import Floats, blocks
from lakehouse.anomalies.setting import Setting

FEWEST: Final = 10  # distances that make a tail
NARROWEST: Final = 0.05  # of the series' mean deviation: the scale of a tail that is all ties
FORGET: Final = 4.0  # a distance enters the past as at most what is met once in 10^FORGET


@dataclass(frozen=True)
class Rarity:
    """exponent: -log10 of the probability of so large a distance.  bound: the distance at which an alarm would
    begin."""

    exponent: Floats
    bound: Floats


def rarity(distances: Floats, scale: Floats, least: int, alarm: float, setting: Setting) -> Rarity:
    """distances: not a number before there is a past.  scale: the mean deviation of the series, as known at each
    reading.

    A wild distance is remembered as a moderate one, or the next fault of the kind would hide behind it; but as more
    each time, so that what keeps coming ends as known.
    """
    exponent, bound = np.zeros(len(distances)), np.full(len(distances), np.inf)
    past = distances.copy()
    first = int(np.argmax(~np.isnan(distances))) if len(distances) else 0
    for start, end in blocks(len(distances)):
        known = past[first:start]
        if len(known) < max(least, FEWEST + 1) or np.isnan(known[0]):
            continue
        many = max(FEWEST, int(setting.tail * len(known)))
        ordered = np.partition(known, len(known) - many - 1)[len(known) - many - 1 :]
        threshold, excesses = float(ordered[0]), ordered[1:] - ordered[0]
        shape, width = _pareto(excesses, setting)
        width = max(width, NARROWEST * float(scale[start]), 1e-300)
        body = math.log10(len(known) / many)
        beyond = np.maximum(distances[start:end] - threshold, 0.0)
        exponent[start:end] = np.where(beyond > 0, body + np.log10(1 + shape * beyond / width) / shape, 0.0)
        bound[start:end] = threshold + _quantile(alarm - body, shape, width)
        largest = float(ordered.max())
        if largest > 0:
            most = max(threshold + _quantile(FORGET - body, shape, width), 2 * largest)
            past[start:end] = np.minimum(distances[start:end], most)
    return Rarity(exponent, bound)


def _quantile(exponent: float, shape: float, width: float) -> float:
    return width / shape * math.expm1(math.log(10.0) * max(exponent, 0.0) * shape)


def _pareto(excesses: Floats, setting: Setting) -> tuple[float, float]:
    """Shape and width by probability-weighted moments (Hosking and Wallis 1987); the shape, which few distances tell
    badly, is drawn towards that of the setting."""
    many = len(excesses)
    ordered = np.sort(excesses)
    mean = float(ordered.mean())
    weighted = float(np.mean((1 - (np.arange(1, many + 1) - 0.35) / many) * ordered))
    told = 2 - mean / (mean - 2 * weighted) if mean > 2 * weighted else setting.tail_shape
    shape = (many * told + setting.tail_weight * setting.tail_shape) / (many + setting.tail_weight)
    shape = min(max(shape, 0.01), 0.9)
    return shape, mean * (1 - shape)
