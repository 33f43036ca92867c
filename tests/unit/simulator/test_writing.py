import numpy as np
import pytest

from simulator.writing import compose, include, mark, unwrap


def write(template: str, release: int = 0, **slots: str) -> str:
    return compose(template, rng=np.random.default_rng(1), slots=slots, release=release).text


def test_a_mark_is_recorded_with_the_bytes_it_ends_up_at() -> None:
    written = mark("Größe: [[size: 5 °C]] und [[next: mehr]].")
    assert written.text == "Größe: 5 °C und mehr."
    for span in written.spans.values():
        assert written.text.encode()[span.start : span.end].decode() == span.quote
    assert list(written.spans) == ["size", "next"]


def test_a_key_that_is_marked_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'size' is marked twice"):
        mark("[[size: a]] [[size: b]]")


def test_an_unknown_slot_is_an_error() -> None:
    with pytest.raises(KeyError, match="colour"):
        write("The {colour} light")


def test_lines_of_other_releases_are_left_out() -> None:
    template = "a\n@if 0 2\nb\n@end\n@if 1\nc\n@end\nd"
    assert [write(template, release) for release in range(3)] == ["a\nb\nd", "a\nc\nd", "a\nb\nd"]


def test_the_wording_is_the_same_in_every_release() -> None:
    template = "@if 0\n((x || y))\n@end\n((one || two || three || four)) ((five || six || seven))"
    texts = {write(template, release).split("\n")[-1] for release in (0, 1)}
    assert len(texts) == 1


def test_all_alternatives_are_drawn_sooner_or_later() -> None:
    rng = np.random.default_rng(1)
    drawn = {compose("((one || two || three))", rng=rng, slots={}).text for _ in range(50)}
    assert drawn == {"one", "two", "three"}


def test_paragraphs_become_one_line_and_lists_tables_headings_and_front_matter_stay() -> None:
    text = "---\ntitle: x\nkind: y\n---\n# Head\none\ntwo\n\n1. first\n   more\n2. second\n\n| a |\n| b |\n"
    assert unwrap(text) == "---\ntitle: x\nkind: y\n---\n# Head\none two\n\n1. first more\n2. second\n\n| a |\n| b |\n"


def test_a_shared_section_is_put_in() -> None:
    assert include("a\n@include storage\nb").startswith("a\n## Storage and disposal\n")
