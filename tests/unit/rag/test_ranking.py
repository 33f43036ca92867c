import pytest

from rag.ranking import ndcg, recall, span_overlap


def test_ndcg_is_one_for_the_relevant_first_and_falls_with_their_rank() -> None:
    assert ndcg(["a", "b", "c"], {"a", "b"}, 10) == 1.0
    assert ndcg(["c", "a"], {"a"}, 10) == pytest.approx(0.6309, abs=1e-4)
    assert ndcg(["c"], {"a"}, 10) == 0.0


def test_recall_counts_what_is_found_by_the_depth() -> None:
    assert recall(["a", "b", "c"], {"a", "c"}, 2) == 0.5


def test_overlapping_quotes_are_counted_once() -> None:
    found, union = span_overlap([("d", 0, 10), ("d", 5, 15), ("e", 0, 5)], {"d": [(10, 20)]})
    assert (found, union) == (0.5, 5 / 25)
