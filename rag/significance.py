"""Whether a difference between two runs over the same questions is more than chance.

Right or wrong: McNemar's exact test, which is the sign test over the questions that only one of the two answered.
Graded scores: a permutation test over the signs of the differences, exact up to 14 of them that are not 0.
"""

from collections.abc import Sequence
from itertools import product
from math import comb, sqrt
from typing import Final

import numpy as np

ALPHA: Final = 0.05
EXACT_UP_TO: Final = 14  # 2 ** 14 assignments of signs
PERMUTATIONS: Final = 10_000
Z95: Final = 1.959964


def sign_test(lost: int, won: int) -> float:
    """The probability of as many losses or more among lost + won, if either were as likely (one-sided)."""
    count = lost + won
    return float(sum(comb(count, k) for k in range(lost, count + 1)) / 2**count)


def permutation_test(differences: Sequence[float], *, seed: int = 0) -> float:
    """The probability of a mean as low or lower if each difference could as well have the other sign (one-sided)."""
    values = np.array([value for value in differences if value != 0.0])
    if not len(values):
        return 1.0
    observed = values.sum() + 1e-12
    if len(values) <= EXACT_UP_TO:
        signs = np.array(list(product((-1.0, 1.0), repeat=len(values))))
        return float((signs @ np.abs(values) <= observed).mean())
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(PERMUTATIONS, len(values)))
    return float((1 + (signs @ np.abs(values) <= observed).sum()) / (1 + PERMUTATIONS))


def interval(right: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not count:
        return 0.0, 1.0
    share, square = right / count, Z95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = Z95 * sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return max(0.0, centre - half), min(1.0, centre + half)
