"""Every random choice of the simulation, drawn from a stream that is named after what it decides.

A stream depends on the seed and its name only, so that a device added or a sentence rewritten leaves all other draws as
they were.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def stream(seed: int, *names: str) -> np.random.Generator:
    digest = sha256("\x1f".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def sample(rng: np.random.Generator, options: Sequence[T], count: int) -> list[T]:
    """`count` different options in drawn order."""
    if count > len(options):
        raise ValueError(f"{count} different draws were asked of {len(options)} options")
    return [options[int(index)] for index in rng.permutation(len(options))[:count]]
