import html
import re
from typing import Any, cast

import pytest

from ui import markup
from ui.passage import Passage
from ui.wire import Answer, DocumentSource, RowsCitation, SpanCitation

NASTY = "<img src=x onerror=\"alert(1)\"> & 'quote'\r\n\n   \n\ttab"


def plain(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def span(**other: Any) -> SpanCitation:
    body = {"title": NASTY, "version": NASTY, "byte_start": 5, "byte_end": 9, "quote": NASTY, "object_sha256": "a" * 64}
    return cast(SpanCitation, {**body, **other})


def source(**other: Any) -> DocumentSource:
    body = {"title": NASTY, "kind": "release_note", "url": None, "product": NASTY, "version": NASTY}
    return cast(DocumentSource, {**body, **other})


def rows(**other: Any) -> RowsCitation:
    body = {"sql": "select", "params": {}, "value": 7, "rows_sha256": "b" * 64, "snapshot": "telemetry@1", "bronze": []}
    return cast(RowsCitation, {**body, **other})


@pytest.mark.parametrize(
    "made",
    [
        markup.prose(NASTY),
        markup.claim(1, NASTY),
        markup.problem(NASTY),
        markup.note(NASTY),
        markup.span_line(span(), {"claim": 0, "citation": 0, "kind": "span", "ok": False, "detail": NASTY}),
        markup.rows_line(rows(value=NASTY), None),
        markup.parameters({NASTY: [NASTY]}),
        markup.passage(source(), span(), Passage(NASTY, NASTY, NASTY, 0, 0)),
    ],
)
def test_no_text_from_outside_becomes_markup(made: str) -> None:
    assert "<img" not in made
    assert NASTY in plain(made)


def test_line_ends_and_blank_lines_survive_as_references() -> None:
    assert "\n" not in markup.escape(NASTY)
    assert html.unescape(markup.escape(NASTY)) == NASTY


def test_a_quote_is_marked_and_what_is_left_out_is_counted() -> None:
    made = markup.passage(source(), span(), Passage("before ", "exact words", " after", 1200, 0))

    assert "before <mark>exact words</mark> after" in made
    assert "… 1,200 bytes above" in made
    assert "below" not in made


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "", None])
def test_only_web_addresses_become_links(url: str | None) -> None:
    assert "<a " not in markup.passage(source(url=url), span(), Passage("", "q", "", 0, 0))


def test_a_web_address_is_a_link_that_tells_the_other_side_nothing() -> None:
    made = markup.passage(source(url='https://example.com/?a="b"'), span(), Passage("", "q", "", 0, 0))

    assert '<a href="https://example.com/?a=&quot;b&quot;" target="_blank" rel="noopener noreferrer">' in made


def test_many_bronze_objects_are_named_in_part() -> None:
    made = plain(markup.rows_facts(rows(bronze=[f"{n:064d}" for n in range(5)])))

    assert made.endswith("and 2 more")


def test_times_index_and_answer_are_at_the_foot() -> None:
    body = {
        "timings_ms": {"retrieve": 9.2, "answer": 4.4, "total": 14.1},
        "index_version": "f" * 64,
        "answer_id": "e" * 32,
    }

    assert (
        plain(markup.answer_foot(cast(Answer, body)))
        == f"14 ms (retrieve 9, answer 4)index {'f' * 12}answer {'e' * 12}"
    )
