from collections.abc import Callable

import numpy as np
import pytest

from lakehouse.anomalies.device import find
from lakehouse.anomalies.findings import Finding
from lakehouse.anomalies.points import find_points, score
from lakehouse.anomalies.series import Floats, Series, series
from tests.anomaly_series import COUNT, DAY, NORMAL, SECONDS, bursty, noise, seasonal, weekly

Make = Callable[[np.random.Generator], Floats]


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def points(values: Floats) -> list[Finding]:
    return find_points("m", series(SECONDS, values))


def within(found: list[Finding], first: int, last: int) -> list[Finding]:
    return [one for one in found if SECONDS[first] <= one.known <= SECONDS[last]]


@pytest.mark.parametrize("name", sorted(NORMAL))
def test_a_signal_that_goes_on_as_ever_raises_few_alarms(name: str) -> None:
    alarms = sum(len(find({"m": series(SECONDS, NORMAL[name](rng(seed)))}, SECONDS[-1])) for seed in (1, 2, 3))
    assert alarms <= 8, (
        "in 84 days; the setting allows 0.02 a day and window length, of which there are six and a shape"
    )


@pytest.mark.parametrize("make", [noise, seasonal, weekly])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_spike_is_known_at_its_first_reading(make: Make, seed: int) -> None:
    values, at = make(rng(seed)), 17 * DAY + 30
    values[at] += 12 * np.std(values)
    (found,) = within(points(values), at - 5, at + 5)
    assert (found.kind, found.known, found.start) == ("spike", SECONDS[at], SECONDS[at])
    assert found.expected[1] < found.seen == pytest.approx(values[at])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_burst_far_beyond_the_usual_ones_is_found_among_them(seed: int) -> None:
    values, at = bursty(rng(seed)), 20 * DAY
    values[at : at + 12] += 1500
    assert within(points(values), at, at + 12)


@pytest.mark.parametrize("make", [noise, seasonal])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_shift_that_no_single_reading_shows_is_found_within_hours(make: Make, seed: int) -> None:
    values, at = make(rng(seed)), 20 * DAY
    values[at : at + DAY] += 3 * np.std(values - 5 * (make is seasonal) * np.sin(2 * np.pi * np.arange(COUNT) / DAY))
    assert within(points(values), at, at + DAY // 4)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_day_without_its_usual_swing_is_found(seed: int) -> None:
    values, at = seasonal(rng(seed)), 20 * DAY
    values[at : at + DAY] = 20 + rng(seed).normal(0, 0.5, DAY)
    assert within(points(values), at, at + DAY)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_signal_that_turns_noisy_around_the_same_mean_is_found(seed: int) -> None:
    values, at = noise(rng(seed)), 20 * DAY
    values[at : at + DAY] *= 5
    assert within(points(values), at, at + DAY // 2)


def test_the_way_back_to_normal_is_no_anomaly_of_its_own() -> None:
    values, at = noise(rng(4)), 14 * DAY
    values[at : at + 3 * DAY] += 20
    found = points(values)
    assert within(found, at, at + 1)
    assert not within(found, at + 3 * DAY, at + 5 * DAY)


def test_what_was_there_before_is_known_and_what_keeps_coming_becomes_known() -> None:
    values = noise(rng(5))
    values[3 * DAY :: DAY // 2] += 30
    found = points(values)
    assert len(found) < 10
    assert not within(found, 20 * DAY, COUNT - 1)


@pytest.mark.parametrize("make", [seasonal, bursty, weekly])
def test_a_score_uses_no_later_reading(make: Make) -> None:
    values = make(rng(6))
    values[15 * DAY : 15 * DAY + 9] += 8 * np.std(values)
    whole = score(series(SECONDS, values)).score
    for count in (20, 57, 3 * DAY + 1, 15 * DAY + 3, 22 * DAY + 7):
        assert np.array_equal(score(series(SECONDS[:count], values[:count])).score, whole[:count])


@pytest.mark.parametrize("make", [seasonal, bursty])
def test_another_zero_and_another_unit_change_nothing(make: Make) -> None:
    values = make(rng(7))
    values[15 * DAY : 15 * DAY + 9] += 8 * np.std(values)
    known = [one.known for one in points(values)]
    assert known
    assert [one.known for one in points(values * 1.8 + 32)] == known
    assert [one.known for one in points(values / 1024 - 5)] == known


def test_order_and_repetition_of_rows_do_not_matter() -> None:
    values = seasonal(rng(8))
    mixed = rng(9).permutation(np.concatenate((np.arange(COUNT), rng(10).integers(0, COUNT, 500))))
    one, other = series(SECONDS, values), series(SECONDS[mixed], values[mixed])
    assert np.array_equal(one.seconds, other.seconds)
    assert np.array_equal(one.values, other.values)


def test_several_values_of_one_moment_are_one_and_what_is_no_number_is_none() -> None:
    read = series([3.0, 1.0, 1.0, 2.0, np.nan], [7.0, 4.0, 2.0, np.nan, 1.0])
    assert read.seconds.tolist() == [1.0, 3.0]
    assert read.values.tolist() == [3.0, 7.0]


@pytest.mark.parametrize("count", [0, 1, 2, 19, 60])
def test_a_short_series_has_nothing_to_find(count: int) -> None:
    read = series(SECONDS[:count], np.arange(count, dtype=float) ** 2)
    assert find({"m": read}, 0.0 if count == 0 else SECONDS[count - 1]) == []


@pytest.mark.parametrize("make", [*NORMAL.values()])
def test_scores_are_numbers_at_irregular_moments_too(make: Make) -> None:
    keep = np.sort(rng(11).choice(COUNT, COUNT // 2, replace=False))
    scores = score(series(SECONDS[keep] + rng(12).uniform(0, 500, len(keep)), make(rng(13))[keep]))
    assert np.isfinite(scores.score).all()


def test_detection_runs_through_ten_thousand_readings_in_well_under_a_second() -> None:
    from time import perf_counter

    seconds = 1_700_000_000.0 + 300.0 * np.arange(10_000)
    values = 5 * np.sin(2 * np.pi * np.arange(10_000) / 288) + rng(14).normal(0, 1, 10_000)
    read = Series(seconds, values)
    started = perf_counter()
    find({"m": read}, float(seconds[-1]))
    assert perf_counter() - started < 1.5, "0.2 s where nothing else runs"
