import json
from pathlib import Path

import pytest

from lakehouse.errors import MissingPath, Misused
from rag.answer import Answer, Claim, Context, SpanCitation
from rag.freshness_cases import WAYS, FreshnessCase, asked, judge_fresh, read_freshness_cases

ROW = {
    "id": "one", "product": "Edge", "question": "Which option sets the folder?", "answer_current": "-cd/--configDir",
    "answer_outdated": "-c/--confdir", "since_version": "Edge 3.0", "path_current": "3.1/a.md", "path_old": "2.3/a.md",
    "quote_current": "", "quote_old": "",
}  # fmt: skip


@pytest.fixture
def case(tmp_path: Path) -> FreshnessCase:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    return read_freshness_cases(path)[0]


def answer(*quotes: tuple[str, str], text: str = "") -> Answer:
    claims = tuple(
        Claim(quote, (SpanCitation("d", "Page", None, version, "0" * 64, 0, 1, quote),)) for version, quote in quotes
    )
    said = "\n".join([text, *(quote for _, quote in quotes)])
    return Answer("a", "t", "q", "answered" if claims else "abstained", said, claims, None, None, Context(), {})


def test_a_case_is_asked_plainly_of_the_old_release_and_for_the_change(case: FreshnessCase) -> None:
    texts = [asked(case, way)[0] for way in WAYS]
    assert texts[0] == ROW["question"]
    assert texts[1].startswith("In Edge 2.3: ")
    assert texts[2].endswith("What changed between 2.3 and 3.1, and when?")


def test_a_plain_answer_is_stale_by_its_words_or_by_its_release(case: FreshnessCase) -> None:
    assert judge_fresh(case, "plain", answer(("3.1", "Use --configDir."))).right
    for stale in (("3.1", "Use --confdir."), ("2.3", "Use --configDir.")):
        judged = judge_fresh(case, "plain", answer(stale))
        assert (judged.right, judged.stale) == (False, 1)
    statement = ("3.1", "--confdir is replaced by --configDir in 3.0")
    assert judge_fresh(case, "plain", answer(statement)).stale == 0


def test_an_answer_about_the_old_release_must_be_of_it(case: FreshnessCase) -> None:
    assert judge_fresh(case, "old", answer(("2.3", "Use --confdir."))).right
    assert judge_fresh(case, "old", answer(("3.1", "--confdir"))).stale == 1


def test_what_changed_needs_both_names_and_the_release(case: FreshnessCase) -> None:
    both = (("3.1", "Use --configDir."), ("2.3", "Use --confdir."))
    assert judge_fresh(case, "changed", answer(*both, text="Changed in 3.0.")).right
    assert not judge_fresh(case, "changed", answer(*both)).right
    assert not judge_fresh(case, "changed", answer(both[0], text="Changed in 3.0.")).right
    assert judge_fresh(case, "changed", answer()).missing


def test_a_file_that_holds_no_cases_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    with pytest.raises(MissingPath):
        read_freshness_cases(path)
    path.write_text('{"id": "one"}\n')
    with pytest.raises(Misused, match="line 1 is no case of freshness"):
        read_freshness_cases(path)
