import numpy as np
import pytest

from lakehouse.anomalies.drift import find_drifts
from lakehouse.anomalies.series import series
from tests.anomaly_series import COUNT, DAY, NORMAL, SECONDS, battery, seasonal


def ramp(first: int, last: int, amount: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    out = np.zeros(COUNT)
    out[first:last] = np.linspace(0, amount, last - first)
    return out


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_level_that_creeps_away_is_found_on_the_way(seed: int, sign: int) -> None:
    values = seasonal(np.random.default_rng(seed)) + ramp(6 * DAY, 20 * DAY, sign * 20.0)
    found = find_drifts("m", series(SECONDS, values))
    assert SECONDS[6 * DAY] < found[0].known < SECONDS[17 * DAY]
    assert abs(found[0].start - SECONDS[6 * DAY]) < 3 * 86_400
    assert abs(found[0].end - SECONDS[20 * DAY]) <= 86_400, "the level is back"
    assert np.sign(found[0].seen - np.mean(found[0].expected)) == sign


@pytest.mark.parametrize("name", sorted(NORMAL))
def test_what_goes_on_as_ever_does_not_drift(name: str) -> None:
    found = [find_drifts("m", series(SECONDS, NORMAL[name](np.random.default_rng(seed)))) for seed in range(5)]
    assert sum(map(len, found)) <= 1


def test_a_battery_that_runs_down_from_the_first_day_does_not_drift_and_one_that_starts_to_does() -> None:
    rng = np.random.default_rng(7)
    assert find_drifts("m", series(SECONDS, battery(rng))) == []
    assert find_drifts("m", series(SECONDS, battery(rng) + ramp(10 * DAY, COUNT, -0.3)))


def test_a_step_is_no_drift() -> None:
    values = seasonal(np.random.default_rng(8))
    values[12 * DAY :] += 20
    assert find_drifts("m", series(SECONDS, values)) == []


def test_chance_steps_rarely_add_up_to_a_drift() -> None:
    walks = (np.cumsum(np.random.default_rng(seed).normal(0, 1, COUNT)) for seed in range(30))
    assert sum(bool(find_drifts("m", series(SECONDS, walk))) for walk in walks) <= 3


def test_what_was_known_does_not_hang_on_what_came_later() -> None:
    values = seasonal(np.random.default_rng(9)) + ramp(6 * DAY, 20 * DAY, 20.0)
    known = find_drifts("m", series(SECONDS, values))[0].known
    count = int(np.searchsorted(SECONDS, known)) + 1
    assert find_drifts("m", series(SECONDS[:count], values[:count]))[0].known == known
    assert find_drifts("m", series(SECONDS[: count - 1], values[: count - 1])) == []
