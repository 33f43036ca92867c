from typing import Any

import pytest

from ui.passage import Misplaced, locate
from ui.wire import DocumentSource, SpanCitation

LINES = "".join(f"line {number} costs 5 €\n" for number in range(100))
OFFSET = 17  # of the document in its object


def source(text: str = LINES, **other: Any) -> DocumentSource:
    return DocumentSource(
        **{
            "document_id": "d",
            "title": "Prices",
            "kind": "manual",
            "url": None,
            "product": None,
            "version": None,
            "object_sha256": "a" * 64,
            "byte_start": OFFSET,
            "byte_end": OFFSET + len(text.encode()),
            "text": text,
            **other,
        }
    )


def cite(quote: str, start: int) -> SpanCitation:
    return SpanCitation(
        kind="span",
        document_id="d",
        title="Prices",
        url=None,
        version=None,
        object_sha256="a" * 64,
        byte_start=start,
        byte_end=start + len(quote.encode()),
        quote=quote,
    )


def place(quote: str, text: str = LINES) -> int:
    return OFFSET + text.encode().index(quote.encode())


@pytest.mark.parametrize("number", [0, 1, 50, 98, 99])
def test_the_window_is_a_contiguous_part_of_the_document(number: int) -> None:
    quote = f"line {number} costs 5 €\n"
    found = locate(source(), cite(quote, place(quote)), before=60, after=60)

    window = (found.before + found.quote + found.after).encode()
    data = LINES.encode()
    assert found.quote == quote
    assert data[found.bytes_above : len(data) - found.bytes_below] == window


def test_the_window_begins_and_ends_at_line_ends() -> None:
    found = locate(source(), cite("line 50", place("line 50")), before=60, after=60)

    assert found.before == "line 47 costs 5 €\nline 48 costs 5 €\nline 49 costs 5 €\n"
    assert found.after == " costs 5 €\nline 51 costs 5 €\nline 52 costs 5 €"


def test_one_long_line_is_cut_where_the_window_ends() -> None:
    text = "ab" * 500 + "QUOTE" + "yz" * 500
    found = locate(source(text), cite("QUOTE", place("QUOTE", text)), before=10, after=10)

    assert (found.before, found.after) == ("ab" * 5, "yz" * 5)


def test_a_short_document_is_shown_whole() -> None:
    found = locate(source("only this"), cite("only", place("only", "only this")))

    assert (found.before, found.quote, found.after) == ("", "only", " this")
    assert (found.bytes_above, found.bytes_below) == (0, 0)


@pytest.mark.parametrize("shift", [-1, 1, -OFFSET - 1, 10_000])
def test_a_quote_that_is_not_at_its_place_is_never_shown_as_if_it_were(shift: int) -> None:
    with pytest.raises(Misplaced, match="differ from the quote"):
        locate(source(), cite("line 0", place("line 0") + shift))


def test_offsets_before_the_document_do_not_count_from_its_end() -> None:
    quote = LINES[-8:-1]

    with pytest.raises(Misplaced):
        locate(source(), cite(quote, OFFSET - len(LINES[-8:].encode())))


def test_a_document_of_another_object_is_not_the_source() -> None:
    with pytest.raises(Misplaced, match="another object"):
        locate(source(object_sha256="b" * 64), cite("line 0", place("line 0")))
