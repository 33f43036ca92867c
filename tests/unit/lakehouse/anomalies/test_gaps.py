import numpy as np
import pytest

from lakehouse.anomalies.gaps import find_gaps, silent_from
from lakehouse.anomalies.series import Floats, series

START = 1_700_000_000.0


def heard(seconds: Floats) -> list:  # type: ignore[type-arg]
    return [series(seconds, np.zeros(len(seconds)))]


def every(minutes: float, count: int) -> Floats:
    return START + 60 * minutes * np.arange(count)


@pytest.mark.parametrize("minutes", [1, 5, 10, 30, 60, 120])
def test_a_device_that_misses_many_readings_was_silent(minutes: int) -> None:
    seconds = every(minutes, 1000)
    away = seconds[(seconds < seconds[200]) | (seconds >= seconds[200] + max(4 * 3600, 180 * minutes))]
    (found,) = find_gaps(heard(away), away[-1])
    assert (found.metric, found.start, found.end) == (None, seconds[199], away[200])
    assert found.start < found.known < found.end


def test_a_lost_reading_or_two_is_no_gap() -> None:
    seconds = np.delete(every(10, 1000), [300, 500, 501, 800])
    assert find_gaps(heard(seconds), seconds[-1]) == []


def test_what_is_silent_at_times_is_silent_only_beyond_that() -> None:
    seconds = every(10, 2000)
    nights = seconds[(np.arange(2000) % 144) < 100]
    learning = find_gaps(heard(nights), nights[-1])
    assert len(learning) <= 4, "each needs twice as long as the one before"
    assert learning[-1].known < nights[500]
    longer = nights[(nights < nights[700]) | (nights > nights[700] + 2 * 86_400)]
    assert [one.start for one in find_gaps(heard(longer), longer[-1])][len(learning) :] == [nights[699]]


def test_the_end_of_the_data_is_a_silence_only_by_the_moment_that_is_asked_for() -> None:
    seconds = every(10, 500)
    assert find_gaps(heard(seconds), seconds[-1]) == []
    assert find_gaps(heard(seconds), seconds[-1] + 1800) == []
    (found,) = find_gaps(heard(seconds), seconds[-1] + 7200)
    assert found.end == seconds[-1] + 7200
    assert found.known == silent_from(heard(seconds))


def test_readings_after_the_moment_do_not_exist() -> None:
    seconds = np.delete(every(10, 500), range(200, 300))
    (found,) = find_gaps(heard(seconds), START + 250 * 600)
    assert (found.start, found.end) == (START + 199 * 600, START + 250 * 600)


def test_a_device_is_heard_by_any_of_its_metrics() -> None:
    seconds = every(10, 500)
    one, other = np.delete(seconds, range(200, 300)), seconds[::12]
    assert find_gaps([*heard(one), *heard(seconds)], seconds[-1]) == []
    assert len(find_gaps([*heard(one), *heard(other)], seconds[-1])) == 1


def test_a_device_that_hardly_spoke_has_no_rhythm() -> None:
    assert find_gaps(heard(every(10, 15)), START + 1e7) == []
    assert silent_from(heard(every(10, 15))) is None
    assert find_gaps([], START) == []
