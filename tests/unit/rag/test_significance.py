import pytest

from rag.significance import interval, permutation_test, sign_test


def test_five_lost_and_none_won_is_no_chance_and_four_may_be() -> None:
    assert sign_test(5, 0) == pytest.approx(1 / 32)
    assert sign_test(4, 0) == pytest.approx(1 / 16)
    assert sign_test(3, 3) > 0.5
    assert sign_test(0, 5) == 1.0


def test_losses_that_are_matched_by_wins_are_noise() -> None:
    assert permutation_test([-0.2, 0.2, -0.1, 0.1]) > 0.4
    assert permutation_test([0.0, 0.0]) == 1.0


def test_a_small_loss_on_every_question_is_significant_by_either_way_of_counting() -> None:
    assert permutation_test([-0.01] * 6) == pytest.approx(1 / 64)
    assert permutation_test([-0.01] * 40) < 0.001
    assert permutation_test([0.01] * 40) == 1.0


def test_the_interval_of_a_share_holds_it_and_narrows_with_the_count() -> None:
    low, high = interval(6, 6)
    assert (round(low, 2), high) == (0.61, 1.0)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(60, 100)[0] > interval(6, 10)[0]
