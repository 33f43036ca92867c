import numpy as np
import pytest

from lakehouse.anomalies.series import series
from lakehouse.anomalies.stuck import find_stuck
from tests.anomaly_series import COUNT, DAY, NORMAL, SECONDS, coarse, seasonal


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_value_that_stops_changing_is_found_within_a_few_readings(seed: int) -> None:
    values = np.round(seasonal(np.random.default_rng(seed)), 2)
    values[2000:2100] = values[2000]
    (found,) = find_stuck("m", series(SECONDS, values))
    assert (found.start, found.end) == (SECONDS[2000], SECONDS[2099])
    assert SECONDS[2005] <= found.known <= SECONDS[2015]
    assert found.seen == values[2000]


@pytest.mark.parametrize("name", sorted(NORMAL))
def test_what_is_flat_or_coarse_by_nature_is_not_stuck(name: str) -> None:
    values = np.round(NORMAL[name](np.random.default_rng(4)), 3)
    assert find_stuck("m", series(SECONDS, values)) == []


def test_a_coarse_signal_that_stops_is_stuck_once_no_run_of_its_past_explains_it() -> None:
    values = coarse(np.random.default_rng(0))
    longest = max(len(run) for run in np.split(values, np.flatnonzero(np.diff(values)) + 1))
    values[2000 : 2000 + 12 * longest] = values[2000]
    (found,) = find_stuck("m", series(SECONDS, values))
    assert found.known - found.start >= 3 * longest * 600


def test_a_series_that_becomes_flat_for_good_alarms_once() -> None:
    values = np.random.default_rng(5).normal(0, 1, COUNT)
    values[10 * DAY :] = 1.0
    assert len(find_stuck("m", series(SECONDS, values))) == 1


def test_what_was_known_does_not_hang_on_what_came_later() -> None:
    values = np.round(seasonal(np.random.default_rng(6)), 2)
    values[2000:2100] = values[2000]
    whole = [one.known for one in find_stuck("m", series(SECONDS, values))]
    assert [one.known for one in find_stuck("m", series(SECONDS[:2050], values[:2050]))] == whole
    assert find_stuck("m", series(SECONDS[:2004], values[:2004])) == []
