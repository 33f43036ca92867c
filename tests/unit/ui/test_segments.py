from typing import Any, cast

from ui.segments import Segment, segments
from ui.wire import Answer


def answer(text: str, *claims: str) -> Answer:
    body: dict[str, Any] = {"text": text, "claims": [{"text": claim, "citations": []} for claim in claims]}
    return cast(Answer, body)


def test_numbered_claims_are_cut_out_of_the_text_with_their_numbers() -> None:
    cut = segments(answer("Rinse it. [1]\nIt was 5 bar. [2]\nNot found: the price.", "Rinse it.", "It was 5 bar."))

    assert cut == [Segment("Rinse it.", 0), Segment("It was 5 bar.", 1), Segment("Not found: the price.", None)]


def test_text_between_claims_stays_where_it_is() -> None:
    cut = segments(answer("First: A. Then: B.", "A.", "B."))

    assert cut == [Segment("First:", None), Segment("A.", 0), Segment("Then:", None), Segment("B.", 1)]


def test_a_claim_that_the_text_words_otherwise_follows_it() -> None:
    cut = segments(answer("In short, rinse.", "Rinse the filter with water."))

    assert cut == [Segment("In short, rinse.", None), Segment("Rinse the filter with water.", 0)]


def test_the_same_sentence_claimed_twice_is_shown_twice() -> None:
    assert segments(answer("A. [1]\nA. [2]", "A.", "A.")) == [Segment("A.", 0), Segment("A.", 1)]


def test_an_abstention_is_its_text() -> None:
    assert segments(answer("Not answered: nothing says so.")) == [Segment("Not answered: nothing says so.", None)]
