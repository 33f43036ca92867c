from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from rag.releases import Release, bounds, of_release, read_heading, section_release, spoken_for, stated_since
from rag.retriever import Hit

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = Hit(
    tenant_id="public", chunk_id="c", document_id="d", ordinal=0, kind="release_note", title="Changelog",
    heading_path=("Changelog", "3.1.0 - 2023-11-15", "Changed"), lead="", text="- The port is now 8443.",
    object_sha256="0" * 64, byte_start=0, byte_end=23, product="edge", version_from="4.0", version_to=None,
    version_key=(4, 0), valid_from=WHEN, valid_to=None, recorded_at=WHEN, classification="internal", url=None,
    cosine=0.0, lexical=0.0, score=0.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("heading", "release"),
    [
        ("3.1.0 - 2023-11-15", Release("3.1.0", date(2023, 11, 15))),
        ("[3.1.0] - 2023-11-15", Release("3.1.0", date(2023, 11, 15))),
        ("[3.1.0]", Release("3.1.0", None)),
        ("v3.1", Release("3.1", None)),
        ("Release 3.1 (Napa)", Release("3.1", None)),
        ("Firmware 2.4 – 3 May 2024", Release("2.4", date(2024, 5, 3))),
        ("3.1.0-rc.1 (May 3, 2024)", Release("3.1.0-rc.1", date(2024, 5, 3))),
        ("Unreleased", None),
        ("Changed", None),
    ],
)
def test_a_heading_of_a_changelog_names_its_release_and_its_day(heading: str, release: Release | None) -> None:
    assert read_heading(heading, is_changelog=True) == release


@pytest.mark.parametrize("heading", ["3.1 Installing the pump", "2.4 Wiring", "1.2.3", "API version 2"])
def test_a_numbered_chapter_of_a_manual_is_no_release(heading: str) -> None:
    assert read_heading(heading, is_changelog=False) is None


def test_a_section_of_a_changelog_speaks_for_its_own_release_not_for_its_pages() -> None:
    assert section_release(PAGE) == Release("3.1.0", date(2023, 11, 15))
    spoken = spoken_for(PAGE)
    assert (spoken.version, spoken.valid_from) == ("3.1.0", datetime(2023, 11, 15, tzinfo=UTC))
    manual = replace(PAGE, kind="manual", title="Manual", heading_path=("3.1 Installing",))
    assert spoken_for(manual).version == "4.0"


def test_sections_of_later_releases_say_nothing_about_an_old_one() -> None:
    hits = [spoken_for(PAGE)]
    assert of_release(hits, "3.0") == []
    assert of_release(hits, "3.1") == of_release(hits, "4.0") == of_release(hits, None) == hits


@pytest.mark.parametrize(
    ("text", "holds", "fails"),
    [
        ("Since 3.0, the default is 5.", ["3.0", "3.1"], ["2.9"]),
        ("Before version 3.0 the default was 7.", ["2.3"], ["3.0", "3.1"]),
        ("As of v2.1 it is on.", ["2.1"], ["2.0"]),
        ("The wizard (removed in 4.0) helps.", ["3.9"], ["4.0"]),
        ("Support for URIs is new in EdgeX 3.1.", ["3.1"], ["3.0"]),
        ("The pump runs from 2.5 bar.", ["1.0", "9.0"], []),
    ],
)
def test_what_a_sentence_says_of_its_releases_bounds_it(text: str, holds: list[str], fails: list[str]) -> None:
    said = bounds(text)
    assert [said.hold(version) for version in (*holds, *fails)] == [True] * len(holds) + [False] * len(fails)


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("`-a` is replaced by `-b` in EdgeX 3.0.", "3.0"),
        ("It was renamed in v2.1.", "2.1"),
        ("With firmware 2.4 the limit was raised.", "2.4"),
        ("It stops in 3.0 seconds.", None),
    ],
)
def test_a_statement_names_the_release_of_its_change(text: str, since: str | None) -> None:
    assert stated_since(text) == since
