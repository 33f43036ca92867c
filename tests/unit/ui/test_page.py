"""The page in Streamlit's own harness, against an API that speaks the true wire format."""

import html
import re
from datetime import datetime

import pytest
from fastapi import Request
from streamlit.testing.v1 import AppTest

from iotops.settings import REPOSITORY

QUOTE = "Rinse the filter with clean water at 5 °C every 500 hours.\r\nDo not use solvents & acids."
BOTH = "How is the filter cleaned, and what was the pressure?"


def ask(page: AppTest, question: str) -> AppTest:
    page.text_input(key="question").set_value(question)
    button = next(b for b in page.button if b.label == "Ask")
    button.click()
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def markup(page: AppTest) -> str:
    return "\n".join(element.value for element in page.get("html"))


def shown(page: AppTest) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", markup(page)))


def test_the_empty_page_says_what_can_be_asked(page: AppTest) -> None:
    assert not page.exception
    assert "Ask about a reading" in shown(page)
    assert [b.label for b in page.button] == ["Ask"]


def test_an_answer_shows_its_status_claims_and_citations(page: AppTest) -> None:
    ask(page, BOTH)

    text = shown(page)
    assert "Answered" in text
    assert QUOTE in text
    assert "The average pressure_bar of pump-07 on 2026-10-20 was 5.25 bar." in text
    assert "[1]" not in text
    assert "device pump-07" in text
    assert "version 2.1" in text
    assert "14 ms (retrieve 9, answer 4)" in text
    assert [b.label for b in page.button] == ["Ask", "Verify", "Open source", "Open readings"]


def test_what_earlier_releases_said_stands_below_the_claims_with_its_receipts(page: AppTest) -> None:
    text = shown(ask(page, "How is the filter cleaned?"))

    assert "Changed since 2.1 (2026-05-01)" in text
    assert "Rinse the filter every 300 hours." in text
    assert [backs for backs in ("current", "previous") if backs in text] == ["current", "previous"]
    assert "Changed since" not in shown(ask(page, BOTH))


def test_opening_a_source_marks_exactly_the_quote(page: AppTest) -> None:
    press(ask(page, "How is the filter cleaned?"), "open-0-0")

    marked = re.findall(r"<mark>(.*?)</mark>", markup(page))
    assert [html.unescape(text) for text in marked] == [QUOTE]
    assert "<script>alert(1)</script> and ![logo](http://example.invalid/logo.png)" in shown(page)
    assert "<script" not in markup(page)
    assert "bytes below" in shown(page)
    assert page.button(key="open-0-0").label == "Close source"


def test_closing_a_source_puts_it_away_again(page: AppTest) -> None:
    press(press(ask(page, "How is the filter cleaned?"), "open-0-0"), "open-0-0")

    assert "<mark>" not in markup(page)


def test_a_source_that_does_not_hold_the_quote_is_not_shown_as_one(page: AppTest) -> None:
    press(ask(page, "What was moved?"), "open-0-0")

    assert "<mark>" not in markup(page)
    assert "the stored bytes at the cited place differ from the quote" in shown(page)


def test_opening_readings_draws_them_beside_query_and_parameters(page: AppTest) -> None:
    press(ask(page, BOTH), "open-1-0")

    assert len(page.get("vega_lite_chart")) == 1
    assert page.code[0].value.startswith("select round(avg(value::numeric), 6) as value")
    assert "2026-10-20T00:00:00+00:00" in shown(page)
    assert "telemetry@3,documents@1" in shown(page)


def test_an_abstention_is_shown_as_one_and_offers_nothing_to_open(page: AppTest) -> None:
    ask(page, "Who won the cup?")

    assert "No answer" in shown(page)
    assert "Not answered: no document or message carries an answer" in shown(page)
    assert [b.label for b in page.button] == ["Ask"]


def test_a_degraded_answer_says_so(page: AppTest) -> None:
    assert "Partly answered" in shown(ask(page, "What was the pressure?"))


def test_verifying_marks_each_citation(page: AppTest) -> None:
    press(ask(page, BOTH), "verify")

    assert "1 of 2 citations no longer hold" in shown(page)
    assert "✓ verified" in shown(page)
    assert "✗ the rows are no longer the same" in shown(page)


def test_a_new_question_forgets_what_was_opened_and_verified(page: AppTest) -> None:
    press(press(ask(page, BOTH), "open-0-0"), "verify")
    ask(page, "How is the filter cleaned?")

    assert "<mark>" not in markup(page)
    assert "verified" not in shown(page)


def test_a_problem_is_one_line_in_the_place_of_an_answer(page: AppTest) -> None:
    ask(page, "How is the filter cleaned?")
    page.text_input(key="tenant_id").set_value("acme")
    ask(page, "How is the filter cleaned?")

    assert "Not Found: tenant 'acme' does not exist: use one of default, public" in shown(page)
    assert QUOTE not in shown(page)


def test_what_the_sidebar_says_goes_with_the_question(page: AppTest, fake_api: tuple[str, list[Request]]) -> None:
    page.text_input(key="device_id").set_value("pump-07")
    page.text_input(key="version").set_value("2.1")
    page.datetime_input(key="as_of").set_value(datetime(2026, 10, 1, 8))
    ask(page, "How is the filter cleaned?")

    body = fake_api[1][-1].state.body
    assert (body.tenant_id, body.device_id, body.product, body.version) == ("default", "pump-07", None, "2.1")
    assert body.as_of.isoformat() == "2026-10-01T08:00:00+00:00"


def test_an_api_that_is_down_is_one_line_and_the_page_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["page.py", "--api", "http://127.0.0.1:9"])
    page = AppTest.from_file(str(REPOSITORY / "ui" / "page.py"), default_timeout=20).run()

    assert "the API at http://127.0.0.1:9 does not answer" in shown(ask(page, "How is the filter cleaned?"))


@pytest.mark.parametrize("question", ["", "   "])
def test_an_empty_question_is_not_asked(page: AppTest, fake_api: tuple[str, list[Request]], question: str) -> None:
    before = len(fake_api[1])
    ask(page, question)

    assert len(fake_api[1]) == before
