"""Series of many characters, drawn by seed, for tests of detection. Ten minutes apart, 28 days."""

from collections.abc import Callable
from typing import Final

import numpy as np

from lakehouse.anomalies.series import Floats

DAY: Final = 144
COUNT: Final = 28 * DAY
SECONDS: Final = 1_700_000_000.0 + 600.0 * np.arange(COUNT)
HOURS: Final = 2 * np.pi * np.arange(COUNT) / DAY


def noise(rng: np.random.Generator) -> Floats:
    return rng.normal(0, 1, COUNT)


def seasonal(rng: np.random.Generator) -> Floats:
    return 20 + 5 * np.sin(HOURS) + rng.normal(0, 0.5, COUNT)


def weekly(rng: np.random.Generator) -> Floats:
    weekend = (np.arange(COUNT) // DAY) % 7 >= 5
    return np.where(weekend, 0.5, 1.0) * (100 + 40 * np.sin(HOURS)) + rng.normal(0, 3, COUNT)


def bursty(rng: np.random.Generator) -> Floats:
    """Counts with heavy tails."""
    return np.asarray(rng.negative_binomial(2, 0.1, COUNT) + (rng.random(COUNT) < 0.02) * rng.gamma(2, 60, COUNT))


def on_and_off(rng: np.random.Generator) -> Floats:
    return np.where(np.sin(np.cumsum(rng.uniform(0.02, 0.08, COUNT))) > 0.3, 50.0, 5.0) + rng.normal(0, 1, COUNT)


def flat(rng: np.random.Generator) -> Floats:
    return np.full(COUNT, 45.0)


def coarse(rng: np.random.Generator) -> Floats:
    """A slow swing through a few steps: long runs of equal values."""
    return np.round(20 + 1.4 * np.sin(HOURS))


def counter(rng: np.random.Generator) -> Floats:
    return np.cumsum(rng.poisson(5, COUNT)).astype(np.float64)


def battery(rng: np.random.Generator) -> Floats:
    return 3.6 - 0.0025 * np.arange(COUNT) / DAY + 0.004 * np.sin(HOURS) + rng.normal(0, 0.003, COUNT)


NORMAL: Final[dict[str, Callable[[np.random.Generator], Floats]]] = {
    one.__name__: one for one in (noise, seasonal, weekly, bursty, on_and_off, flat, coarse, counter, battery)
}
