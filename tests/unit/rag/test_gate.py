import pytest

from rag.gate import Kept, judge


def kept(right: int, of: int, *, stale: int = 0, first: int = 0, scores: dict[str, float] | None = None) -> Kept:
    """The first questions are right, from number `first` on."""
    outcomes = {str(number): first <= number < first + right for number in range(of)}
    return Kept(of, right, stale, outcomes, scores or {})


@pytest.mark.parametrize(
    ("before", "after", "refused", "says"),
    [
        (kept(20, 20), kept(15, 20), True, "5 questions lost and 0 won of 20"),
        (kept(20, 20), kept(16, 20), False, "too few differ"),
        (kept(6, 6), kept(3, 6), True, "more than 20% lost is refused"),
        (kept(10, 20), kept(12, 20), False, "no worse"),
        (kept(10, 20), kept(10, 20), False, "0 questions lost and 0 won"),
        (kept(10, 30), kept(9, 30, first=8), False, "within noise"),
        (kept(60, 79), kept(45, 79), True, "worse, at alpha 0.05"),
    ],
)
def test_a_candidate_is_refused_where_it_lost_more_than_chance_takes(
    before: Kept, after: Kept, refused: bool, says: str
) -> None:
    verdict = judge("simulator", before, after)
    assert verdict.refused is refused
    assert says in verdict.reason


def test_a_stale_citation_is_refused_whatever_else_was_won() -> None:
    verdict = judge("simulator", kept(1, 20), kept(20, 20, stale=1))
    assert verdict.refused
    assert "1 citations of another release" in verdict.reason


def test_without_an_evaluation_of_the_active_version_there_is_nothing_to_compare() -> None:
    assert not judge("simulator", None, kept(1, 20)).refused


def test_graded_suites_are_compared_question_by_question() -> None:
    before = kept(0, 0, scores={str(n): 0.7 for n in range(30)})
    worse = kept(0, 0, scores={str(n): 0.69 for n in range(30)})
    noise = kept(0, 0, scores={str(n): 0.7 + (0.1 if n % 2 else -0.11) for n in range(30)})
    assert judge("scifact", before, worse).refused
    verdict = judge("scifact", before, noise)
    assert not verdict.refused
    assert "within noise at alpha 0.05" in verdict.reason


def test_other_questions_than_before_are_compared_by_their_counts() -> None:
    before = Kept(79, 60, 0, {}, {})
    assert judge("simulator", before, kept(30, 79)).refused
    assert not judge("simulator", before, kept(56, 79)).refused
