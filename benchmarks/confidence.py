"""Two arms over the same questions: means, their ratio, and 95 % intervals by the bootstrap over questions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DRAWS, SEED = 10_000, 20


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean(values: Sequence[float] | Array) -> Interval:
    drawn = _draws(np.asarray(values))
    return Interval(float(np.mean(values)), *_bounds(drawn))


def ratio(ours: Sequence[float], peer: Sequence[float]) -> Interval:
    """Of the means; paired, so that a hard question is hard for both."""
    if len(ours) != len(peer):
        raise ValueError(f"{len(ours)} and {len(peer)} answers cannot be paired")
    drawn = _draws(np.asarray(ours)) / _draws(np.asarray(peer))
    return Interval(float(np.mean(ours) / np.mean(peer)), *_bounds(drawn))


def _draws(values: Array) -> Array:
    """Means of as many questions, drawn with replacement; the same questions for the same number of them."""
    chosen = np.random.default_rng(SEED).integers(0, len(values), size=(DRAWS, len(values)))
    return np.asarray(values[chosen].mean(axis=1))


def _bounds(drawn: Array) -> tuple[float, float]:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
