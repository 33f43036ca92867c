from datetime import UTC, datetime

import pytest

from rag.inquiry import happened, topic_of, without_release

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OFFLINE = (
    "Why was gw-025 offline on 2026-10-22, how many signal readings arrived that day, who went there, "
    "and how long should we wait according to the runbook?"
)
WARM = "Why did cold-006 read too warm, what was its average on 2026-10-28, and which command calibrates it?"


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


@pytest.mark.parametrize(
    ("question", "clause", "day"),
    [
        (OFFLINE, "Why was gw-025 offline on 2026-10-22", "2026-10-22"),
        (OFFLINE, "who went there", "2026-10-22"),
        (OFFLINE, "how long should we wait according to the runbook", None),
        (WARM, "Why did cold-006 read too warm", None),
        (WARM, "which command calibrates it", None),
        (WARM, "who went there in other words", None),
    ],
)
def test_a_clause_is_of_the_day_that_it_names_or_that_was_named_before_it(
    question: str, clause: str, day: str | None
) -> None:
    window = happened(question, clause, NOW)
    assert (f"{window.start:%Y-%m-%d}" if window else None) == day


@pytest.mark.parametrize(
    ("question", "clause", "topic"),
    [
        (OFFLINE, "how long should we wait according to the runbook", "Why was offline"),
        (OFFLINE, "who went there", ""),
        (OFFLINE, "Why was gw-025 offline on 2026-10-22", ""),
        ("Which port does it use, and how long does it wait?", "how long does it wait", ""),
    ],
)
def test_what_is_to_be_done_is_asked_about_what_happened(question: str, clause: str, topic: str) -> None:
    assert topic_of(question, clause, ["gw-025"], NOW) == topic
