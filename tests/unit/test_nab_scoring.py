"""NAB's scoring against cases worked by hand; sigmoid(x) = 2 / (1 + e^(5x)) - 1."""

import math

import pytest

from tests.nab_scoring import PROFILES, Labelled, normalised, probation, raw_score, scaled_sigmoid

STANDARD = PROFILES["standard"]
FIRST = 2 / (1 + math.exp(-5)) - 1  # at the left edge of a window
MIDDLE = 2 / (1 + math.exp(-2.5)) - 1


def of(*detections: int, windows: tuple[tuple[int, int], ...] = ((400, 499),), points: int = 1000) -> Labelled:
    return Labelled(points, windows, detections)


def test_the_sigmoid_is_near_one_at_the_left_edge_zero_at_the_end_and_minus_one_far_behind() -> None:
    assert scaled_sigmoid(-1) == pytest.approx(0.98661, abs=1e-5)
    assert scaled_sigmoid(0) == 0
    assert scaled_sigmoid(3) == pytest.approx(-1, abs=1e-5)
    assert scaled_sigmoid(3.01) == -1


def test_the_first_point_of_a_window_is_worth_all_and_the_last_almost_nothing() -> None:
    assert raw_score(of(400), STANDARD) == pytest.approx(1.0)
    assert raw_score(of(450), STANDARD) == pytest.approx(MIDDLE / FIRST)
    assert raw_score(of(499), STANDARD) == pytest.approx((2 / (1 + math.exp(-0.05)) - 1) / FIRST)


def test_only_the_earliest_point_of_a_window_counts() -> None:
    assert raw_score(of(450, 460, 499), STANDARD) == raw_score(of(450), STANDARD)


def test_a_false_alarm_costs_all_before_the_first_window_and_far_behind_one_and_little_just_behind() -> None:
    assert raw_score(of(400, 300), STANDARD) == pytest.approx(1 - 0.11)
    assert raw_score(of(400, 900), STANDARD) == pytest.approx(1 - 0.11)
    just_behind = 2 / (1 + math.exp(5 * 10 / 99)) - 1
    assert raw_score(of(400, 509), STANDARD) == pytest.approx(1 + 0.11 * just_behind)


def test_a_missed_window_costs_its_weight() -> None:
    assert raw_score(of(), STANDARD) == -1
    assert raw_score(of(), PROFILES["reward_low_FN"]) == -2
    assert raw_score(of(400, 300), PROFILES["reward_low_FP"]) == pytest.approx(1 - 0.22)


def test_the_first_share_of_a_series_is_not_counted() -> None:
    assert (probation(1000), probation(4032), probation(22_000)) == (150, 604, 750)
    assert raw_score(of(400, 0, 149), STANDARD) == raw_score(of(400), STANDARD)
    assert raw_score(of(400, 150), STANDARD) < raw_score(of(400), STANDARD)


def test_silence_scores_nothing_and_perfection_a_hundred() -> None:
    corpus = [of(), of(windows=()), of(windows=((200, 219), (700, 719)))]
    perfect = [of(400), of(windows=()), of(200, 700, windows=((200, 219), (700, 719)))]
    for profile in PROFILES.values():
        assert normalised(corpus, profile) == 0
        assert normalised(perfect, profile) == pytest.approx(100)


def test_a_corpus_is_scored_as_a_whole() -> None:
    half = [of(400), of()]
    assert normalised(half, STANDARD) == pytest.approx(50)
    assert normalised([*half, of(500, windows=())], STANDARD) == pytest.approx(100 * (2 - 0.11) / 4)
