"""The one setting, for every series."""

from dataclasses import dataclass
from typing import Final

DAY: Final = 86_400.0
METHOD: Final = "1"  # of everything in this package: raised when findings over the same readings would change


@dataclass(frozen=True)
class Setting:
    """alarms_per_day: how many alarms a window length may raise a day where nothing happens.

    A window's mean must leave what is expected by smallest_shift, a single reading by smallest_spike, both in mean
    deviations of the series (a normal one has 0.8 of its standard deviation): less is rare at best, not wrong.
    neighbours: so many readings of the past make a value known.  tail: the share of past distances that tells of rarer
    ones. tail_shape, tail_weight: shape of the tail where little was seen, and the number of distances that it counts
    for. windows: shares of a day over which means are watched, beside the single reading.
    """

    alarms_per_day: float = 0.02
    smallest_shift: float = 1.5
    smallest_spike: float = 6.0
    smallest_shape: float = 0.5
    neighbours: int = 10
    tail: float = 0.02
    tail_shape: float = 0.1
    tail_weight: int = 20
    windows: tuple[float, ...] = (1 / 48, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
    season_gain: float = 0.8
    quiet_days: float = 1.0
    stuck_per_day: float = 1e-4
    drift_spread: float = 2.0
    shortest_silence: float = 1800.0
    apart: float = 6 * 3600.0


SETTING: Final = Setting()
