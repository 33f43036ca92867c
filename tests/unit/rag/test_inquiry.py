import pytest

from rag.inquiry import without_release


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("On firmware 4.1: how many readings can it keep?", "how many readings can it keep?"),
        ("In firmware 4.1, what CPU limit is preset?", "what CPU limit is preset?"),
        ("What CPU limit is preset in version 4.1?", "What CPU limit is preset?"),
        ("What CPU limit is preset in firmware 4.1.2?", "What CPU limit is preset in firmware 4.1.2?"),
        ("Which limit in release v4.1 is preset?", "Which limit is preset?"),
        ("Does 4.1 keep its readings?", "Does 4.1 keep its readings?"),
        ("Anything in firmware 4.1?", "Anything in firmware 4.1?"),
    ],
)
def test_what_chose_the_release_is_not_looked_for_in_its_pages(text: str, left: str) -> None:
    assert without_release(text, "4.1") == left
    assert without_release(text, None) == text
