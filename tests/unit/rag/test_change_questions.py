import pytest

from rag.answer import Conflict, SpanCitation
from rag.change_questions import Change, read_change, summary, told

KNOWN = ["2.3", "3.0", "3.1"]


@pytest.mark.parametrize(
    ("text", "named", "change"),
    [
        ("Which option sets it? What changed between 2.3 and 3.1, and when?", ["2.3", "3.1"],
         Change("Which option sets it", "2.3", "3.1")),
        ("What changed about the port from 2.3 to 3.1?", ["2.3", "3.1"], Change("the port", "2.3", "3.1")),
        ("What changed in 3.0?", ["3.0"], Change("", "2.3", "3.0")),
        ("How has the log level changed since 2.3?", ["2.3"], Change("the log level", "2.3", "3.1")),
        ("What is the difference between EdgeX 2.3 and 3.1?", ["2.3", "3.1"], Change("", "2.3", "3.1")),
    ],
)  # fmt: skip
def test_a_question_what_changed_is_read_with_its_subject_and_its_releases(
    text: str, named: list[str], change: Change
) -> None:
    assert read_change(text, named, KNOWN) == change


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Who changed the cells of cold-003?", []),
        ("What changed on the pump yesterday?", []),
        ("In firmware 2.3, how often is the filter changed?", ["2.3"]),
        ("Which option sets the folder in 2.3?", ["2.3"]),
    ],
)
def test_other_questions_are_left_alone(text: str, named: list[str]) -> None:
    assert read_change(text, named, KNOWN) is None


def quote(version: str, text: str) -> SpanCitation:
    return SpanCitation("d", "Manual", None, version, "0" * 64, 0, len(text), text)


def test_each_side_of_a_change_is_a_claim_of_its_own_with_its_receipt() -> None:
    now, was, note = quote("3.1", "It is 45 s."), quote("2.3", "It is 30 s."), quote("3.0", "- Now 45 s.")
    conflict = Conflict(now.quote, was.quote, "3.0", "2023-05-31", (now, was, note), ("current", "previous", "since"))
    claims = told([conflict])
    assert [claim.text for claim in claims] == [
        "3.1: It is 45 s.", "2.3: It is 30 s.", "Changed in 3.0 (2023-05-31): Now 45 s.",
    ]  # fmt: skip
    assert [claim.citations for claim in claims] == [(now,), (was,), (note,)]
    assert summary([conflict]) == "Changed in 3.0 (2023-05-31)."
    assert summary([]) is None


def test_a_question_about_the_product_as_a_whole_has_no_subject() -> None:
    assert read_change("What changed in Edge 3.0?", [], KNOWN, "Edge") == Change("", "2.3", "3.0")
    assert read_change("What changed between 2.3 and 3.1 of the Edge?", ["2.3", "3.1"], KNOWN, "Edge") == Change(
        "", "2.3", "3.1"
    )
