import pytest

from rag.context import Release, allowed, named_product, named_versions, only_product_with
from rag.version_order import version_key

EDGE = [Release("public", "EdgeX", "manual", version) for version in ("1.9", "2.3", "10.0")]
NOTES = [Release("public", "EdgeX", "release_note", version) for version in ("2.3", "10.0.1")]
PUMP = [Release("acme", "PM-7", "manual", version) for version in ("1.4", "2.0")]
ALL = [*EDGE, *NOTES, *PUMP]


def versions(product: str | None, *named: str) -> set[tuple[str, str, str | None]]:
    return {(r.product, r.kind, r.version) for r in allowed(ALL, product, list(named))}


def test_without_a_version_only_the_newest_release_of_each_line_may_be_cited() -> None:
    assert versions(None) == {
        ("EdgeX", "manual", "10.0"),
        ("EdgeX", "release_note", "10.0.1"),
        ("PM-7", "manual", "2.0"),
    }


def test_a_version_is_held_against_each_line_and_the_last_release_up_to_it_covers_it() -> None:
    assert versions("EdgeX", "2.5") == {("EdgeX", "manual", "2.3"), ("EdgeX", "release_note", "2.3")}
    assert versions("EdgeX", "10.0") == {("EdgeX", "manual", "10.0"), ("EdgeX", "release_note", "2.3")}


def test_before_the_first_release_nothing_may_be_cited() -> None:
    assert versions("EdgeX", "1.0") == set()


def test_a_major_version_that_has_no_document_is_not_spoken_for_by_the_newest() -> None:
    assert versions("EdgeX", "11.0") == set()
    assert versions("EdgeX", "10.4") == {("EdgeX", "manual", "10.0"), ("EdgeX", "release_note", "10.0.1")}


def test_a_question_for_a_release_may_cite_the_notes_of_all() -> None:
    notes = {r.version for r in allowed(ALL, "EdgeX", [], history=True) if r.kind == "release_note"}
    assert notes == {"2.3", "10.0.1"}


def test_a_question_about_one_product_draws_on_no_other() -> None:
    assert versions("pm 7") == {("PM-7", "manual", "2.0")}


def test_two_named_versions_open_both_releases() -> None:
    assert versions("EdgeX", "1.9", "10.0") >= {("EdgeX", "manual", "1.9"), ("EdgeX", "manual", "10.0")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Which option sets it in 2.3?", ["2.3"]),
        ("Which option sets it in EdgeX 2.3?", ["2.3"]),
        ("Which option sets it in v2.4?", ["2.4"]),
        ("On firmware 1.4, when does it trip?", ["1.4"]),
        ("What changed between version 2.0 and 10.0?", ["2.0", "10.0"]),
        ("Why does it trip at 2.3 °C?", []),
        ("Does it report every 2.3 seconds?", []),
        ("What happened on 2026-10-20?", []),
    ],
)
def test_versions_are_told_from_other_numbers(text: str, expected: list[str]) -> None:
    assert named_versions(text, ALL, None) == expected


def test_a_product_is_found_whatever_its_case_and_separators() -> None:
    assert named_product("how do I reset the pm 7?", ALL) == "PM-7"
    assert named_product("how do I reset the pm 70?", ALL) is None


def test_a_version_that_one_product_has_names_the_product() -> None:
    assert only_product_with(["1.4"], ALL) == "PM-7"
    assert only_product_with(["7.7"], ALL) is None


def test_version_order_is_by_number() -> None:
    assert version_key("10.0") > version_key("9.1.2") > version_key("9.1")
