import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.blocks import front_matter_end
from rag.splitter import LIMIT, TARGET, Chunk, embedding_text, estimate, split

MANUAL = """---
title: P-200
---
# P-200 manual

An introduction of one line.

## Filter

The filter is rinsed every 500 hours.

### Solvents

Solvents damage its mesh.

## Pressure

The relief valve opens at 8 bar.
"""


def chunks(text: str, kind: str = "manual") -> list[Chunk]:
    return split(text, title="A title", kind=kind)


def paragraph(words: int, word: str = "pumps") -> str:
    return " ".join([word] * (words - 1) + ["end."])


def assert_exact(text: str, found: list[Chunk]) -> None:
    """Every chunk is its bytes, in order, without overlap, and what lies between is not text."""
    data = text.encode()
    seen = len(text[: front_matter_end(text)].encode())
    for ordinal, chunk in enumerate(found):
        assert chunk.ordinal == ordinal
        assert data[chunk.byte_start : chunk.byte_end] == chunk.text.encode()
        assert chunk.text.strip() == chunk.text != ""
        assert not between(data[seen : chunk.byte_start])
        seen = chunk.byte_end
    assert not between(data[seen:])


def between(data: bytes) -> str:
    return re.sub(r"[A-Za-z0-9+/]{400,}={0,2}", "", data.decode()).strip()


fragments = st.sampled_from(
    [
        "# Title", "## Änderung 🔧", "###", "Setext\n===", "plain words. More of them: ", "- item", "1. first", "```",
        "  - nested\n    more", "| a | b |\n|---|---|\n| 1 | ü |", "```yaml\nkey: värde\n```", "> quote", "---", "\t",
        '!!! note "Read"\n    inner', "??? tip\n\n    text\n\n    | x | y |\n    |---|---|\n    | 1 | 2 |", "   ",
        "\r", "~~~", "<b>x</b>", "x" * 300, "漢字" * 200, "word " * 300,
        "| long | row |\n|--|--|\n" + "| cell | value |\n" * 120,
        "A" * 900, "[2026-10-03 14:05] ann: it leaks", "---\ntitle: x\n---", "\u00a0", "\u2028",
    ]
)  # fmt: skip
documents = st.builds(
    lambda parts, end: end.join(parts),
    st.lists(fragments | st.text(max_size=40), max_size=12),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)


@settings(max_examples=150, deadline=None)
@given(documents, st.sampled_from(["manual", "chat_thread"]), st.integers(0, 10_000))
@example("", "manual", 0)
@example("---\nnever closed", "manual", 3)
@example("```\nnever closed\n# Heading", "manual", 0)
def test_every_chunk_is_an_exact_slice_and_together_they_are_the_document(text: str, kind: str, start: int) -> None:
    found = split(text, title="A title", kind=kind, byte_start=start)
    moved = [Chunk(c.ordinal, c.heading_path, c.text, c.byte_start - start, c.byte_end - start, c.lead) for c in found]
    if kind == "manual":
        assert_exact(text, moved)
    else:
        assert_exact(f"\n{text}", [Chunk(c.ordinal, (), c.text, c.byte_start + 1, c.byte_end + 1) for c in moved])


@settings(max_examples=100, deadline=None)
@given(documents)
@example(text="漢字" * 400 + "\n---\n")
def test_no_chunk_outgrows_the_embedder(text: str) -> None:
    for chunk in chunks(text):
        assert estimate(chunk.text) <= LIMIT


def test_sections_are_chunks_and_carry_their_path() -> None:
    assert [(c.heading_path, c.text.splitlines()[0]) for c in chunks(MANUAL)] == [
        (("P-200 manual",), "# P-200 manual"),
        (("P-200 manual", "Filter"), "## Filter"),
        (("P-200 manual", "Pressure"), "## Pressure"),
    ]


def test_small_subsections_stay_with_their_section() -> None:
    (filter_,) = [c for c in chunks(MANUAL) if c.heading_path[-1] == "Filter"]
    assert "Solvents damage its mesh." in filter_.text


def test_releases_of_a_changelog_never_share_a_chunk() -> None:
    found = chunks("# Changelog\n\n## 3.1\n\n- Colder.\n\n## 3.0\n\n- Warmer.\n")
    assert [c.heading_path[-1] for c in found] == ["3.1", "3.0"]
    assert "Warmer" not in found[0].text


def test_a_title_without_text_goes_with_the_section_below_it() -> None:
    found = chunks("# Title\n\n## First\n\nText.\n\n## Second\n\nText.\n")
    assert [(c.heading_path, c.text[:7]) for c in found] == [
        (("Title", "First"), "# Title"),
        (("Title", "Second"), "## Seco"),
    ]


def test_front_matter_is_no_text() -> None:
    assert chunks("---\ntitle: Secret\n---\nText.\n")[0].text == "Text."


def test_a_long_section_is_cut_between_its_paragraphs() -> None:
    text = "# One\n\n" + "\n\n".join(paragraph(60, word) for word in ("alpha", "bravo", "delta", "gamma", "kappa"))
    found = chunks(text)
    assert len(found) > 1
    assert all(c.text.endswith("end.") and c.heading_path == ("One",) for c in found)


def test_an_announcement_goes_with_what_it_announces() -> None:
    text = f"{paragraph(TARGET - 20)}\n\nDo it in this order:\n\n{paragraph(60)}"
    assert chunks(text)[1].text.startswith("Do it in this order:")


def test_the_rows_of_a_long_table_carry_its_header() -> None:
    table = "| Code | Meaning |\n| --- | --- |\n" + "".join(f"| E{n} | the pump reports {n} |\n" for n in range(100))
    first, *rest = chunks(f"# Codes\n\n{table}")
    assert first.text.startswith("# Codes\n\n| Code | Meaning |")
    assert first.lead == ""
    assert rest
    assert {c.lead for c in rest} == {"| Code | Meaning |"}
    assert all(c.text.startswith("| E") for c in rest)


def test_a_long_admonition_carries_its_title() -> None:
    inner = "\n\n".join(f"    {paragraph(60)}" for _ in range(5))
    first, *rest = chunks(f'!!! warning "Hot surface"\n{inner}\n\nAfter it.')
    assert first.text.startswith("!!! warning")
    assert rest
    assert {c.lead for c in rest} == {'!!! warning "Hot surface"'}


def test_a_heading_in_code_is_no_heading() -> None:
    (chunk,) = chunks("# Real\n\n```sh\n# a comment\nmake\n```\n")
    assert chunk.heading_path == ("Real",)
    assert "# a comment" in chunk.text


def test_headings_after_a_fence_that_nobody_closed_still_count() -> None:
    assert [c.heading_path for c in chunks("## A\n\n```\nx\n\n## B\n\ny\n")] == [("A",), ("B",)]


@pytest.mark.parametrize("text", ["# Plain", "# Plain #", "Plain\n=====", "# Plain {#anchor}"])
def test_the_forms_of_a_heading_name_the_same_section(text: str) -> None:
    assert chunks(f"{text}\n\nText.")[0].heading_path == ("Plain",)


def test_messages_are_not_cut_and_a_conversation_is_packed() -> None:
    lines = [f"[2026-10-03 14:{minute:02}] ann: {paragraph(30)}" for minute in range(20)]
    found = chunks("\n".join(lines), "chat_thread")
    assert 1 < len(found) < 20
    assert all(c.text.startswith("[2026-10-03 14:") and c.text.endswith("end.") for c in found)


def test_each_part_of_a_long_message_says_who_wrote_it() -> None:
    first, *rest = chunks(f"[2026-10-03 14:05] ann: {' '.join(paragraph(40) for _ in range(10))}", "chat_thread")
    assert first.lead == ""
    assert rest
    assert {c.lead for c in rest} == {"[2026-10-03 14:05] ann:"}


def test_embedded_images_are_left_out_and_the_text_around_them_stays() -> None:
    text = f"Before.\n\n![](data:image/png;base64,{'iVBORw0KGgo' * 300}==) and after.\n"
    found = chunks(text)
    assert_exact(text, found)
    assert "iVBORw0KGgo" not in "".join(c.text for c in found)
    assert found[0].text.startswith("Before.")
    assert found[-1].text.endswith("and after.")


def test_what_is_embedded_says_where_it_stands_and_has_no_markup() -> None:
    text = embedding_text(
        "P-200 manual",
        ("P-200 manual", "Error `codes`"),
        "| **E1** | see [the guide](https://example.org/long/url) |\n|---|---|\n<br/>| ![icon](a.png) | `x_y_z` |",
        "| Code | Meaning |",
    )
    assert text == "P-200 manual › Error codes\nCode | Meaning\nE1 | see the guide | icon | x_y_z"


def test_a_long_title_leaves_room_for_the_text() -> None:
    heading = "A heading that goes on and on " * 20
    found = split(f"## {heading}\n\n{paragraph(500)}", title=heading, kind="manual")
    assert all(estimate(embedding_text(heading, c.heading_path, c.text, c.lead)) <= LIMIT + 10 for c in found)


@pytest.mark.parametrize(
    "line", ["```x\n", "~~~~ a\n", "- a\n", "# \n", "!!! note x\n", "| a\n", "a|b\n---\n", "\n- a\n\n", "x" * 50]
)
def test_time_grows_with_the_length_of_the_document_only(line: str) -> None:
    def once(text: str) -> float:
        started = time.process_time()
        split(text, title="", kind="manual")
        return time.process_time() - started

    def seconds(size: int) -> float:
        return min(once(line * (size // len(line))) for _ in range(3))

    seconds(10_000)
    assert seconds(160_000) < 40 * max(seconds(20_000), 0.01)
