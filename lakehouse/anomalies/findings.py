"""What a method says of one metric."""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["gap", "stuck", "drift", "level", "spike", "shape"]
# The kind that names a cause goes before one that names a symptom of it.
KINDS: Final[tuple[Kind, ...]] = ("gap", "stuck", "drift", "level", "spike", "shape")


@dataclass(frozen=True)
class Finding:
    """start, end, known, window: seconds since 1970. known: the earliest moment at which readings up to it gave this
    away.

    expected: the range in which `seen` would have been taken for normal; measure: what both are.  score: of spike,
    level and shape -log10 of the alarms a day that so rare a thing would raise, of the others how many times what was
    needed. window: what was looked at, with the number of its readings.
    """

    metric: str | None
    kind: Kind
    start: float
    end: float
    known: float
    method: str
    measure: str
    expected: tuple[float, float]
    seen: float
    score: float
    window: tuple[float, float, int]
