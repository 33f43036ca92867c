"""All that is found on one device."""

from collections.abc import Mapping

from lakehouse.anomalies.drift import find_drifts
from lakehouse.anomalies.findings import Finding
from lakehouse.anomalies.gaps import find_gaps
from lakehouse.anomalies.merging import Fault, merge
from lakehouse.anomalies.points import find_points
from lakehouse.anomalies.series import Series
from lakehouse.anomalies.setting import SETTING, Setting
from lakehouse.anomalies.stuck import find_stuck


def find(metrics: Mapping[str, Series], as_of: float, setting: Setting = SETTING) -> list[Fault]:
    """metrics: the readings of the device by metric; those after `as_of` (seconds since 1970) are not looked at."""
    known = {name: readings.until(as_of) for name, readings in sorted(metrics.items())}
    found: list[Finding] = find_gaps(list(known.values()), as_of, setting)
    for name, readings in known.items():
        found += find_points(name, readings, setting)
        found += find_stuck(name, readings, setting)
        found += find_drifts(name, readings, setting)
    return merge(found, setting)
