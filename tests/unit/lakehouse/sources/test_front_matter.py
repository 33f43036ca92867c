from datetime import UTC, datetime

import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources import front_matter
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.front_matter import LONGEST, LONGEST_BLOCK, Stated, read_date, read_keys, read_stated


def split_front_matter(text: str) -> tuple[Stated, int]:
    with Extractor() as extractor:
        return front_matter.split_front_matter(text, extractor)


def test_every_key_that_is_honoured_is_read() -> None:
    text = (
        "---\ntitle: Pump manual\nproduct: PX\nversion: 3.10\nversion_to: '4'\nkind: runbook\ndate: 2026-03-01\n"
        "classification: public\nurl: https://example.com/px\nauthor: nobody\n---\nBody\n"
    )
    stated, start = split_front_matter(text)
    assert text[start:] == "Body\n"
    assert stated == Stated(
        title="Pump manual",
        product="PX",
        version="3.10",
        version_to="4",
        kind="runbook",
        valid_from=datetime(2026, 3, 1, tzinfo=UTC),
        classification="public",
        url="https://example.com/px",
    )


def test_a_version_keeps_its_zeros() -> None:
    assert split_front_matter("---\nversion: 3.10\n---\n")[0].version == "3.10"


@pytest.mark.parametrize(
    "text", ["# Title\n", "", "--- \n", "---\n\nJust a rule above.\n", "---\ntwo words\n---\nBody\n", "---\n---\n"]
)
def test_a_rule_is_not_taken_for_front_matter(text: str) -> None:
    assert split_front_matter(text) == (Stated(), 0)


def test_windows_line_ends_make_no_difference() -> None:
    text = "---\r\nversion: 2\r\n---\r\nBody\r\n"
    stated, start = split_front_matter(text)
    assert (stated.version, text[start:]) == ("2", "Body\r\n")


def test_yaml_that_cannot_be_read_is_refused_with_its_line() -> None:
    with pytest.raises(BadRecord, match=r"not YAML \(line 3: mapping values are not allowed here\)") as refused:
        split_front_matter("---\ntitle: a\nversion: 2: 3\n---\nBody\n")
    assert refused.value.code == "bad_front_matter"


def test_yaml_that_nests_without_end_is_refused() -> None:
    with pytest.raises(BadRecord, match="not YAML"):
        split_front_matter(f"---\na: {'[' * 5000}\n---\n")


def test_a_block_too_long_to_be_front_matter_is_refused() -> None:
    with pytest.raises(BadRecord, match="longer than"):
        split_front_matter(f"---\na: {'x' * LONGEST_BLOCK}\n---\n")


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(BadRecord, match="states kind 'poem': use one of manual, runbook"):
        read_stated({"kind": "poem"})


def test_blank_values_say_nothing() -> None:
    assert read_stated({"title": "  ", "version": ""}) == Stated()


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01",
        "2026-03-01T00:00:00Z",
        "2026-03-01T01:00:00+01:00",
        "2026-03-01 01:00:00 +0100",
        "2026/03/01",
        "March 1, 2026",
        "1 Mar 2026",
        "01.03.2026",
        "Sun, 01 Mar 2026 00:00:00 GMT",
    ],
)
def test_a_date_is_read_as_people_write_it(text: str) -> None:
    assert read_date(text) == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "0001-01-01T00:00:00+23:00"])
def test_a_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadRecord, match="write it as 2026-10-31"):
        read_date(text)


@pytest.mark.parametrize(
    "block",
    [
        'title: "\\UFFFFFFFF"\n',
        f"%YAML 1.{'9' * 5000}\n",
        "a: *nothing\n",
        "? [a, b]\n: c\n",
        "a: !!python/object/apply:os.system [ls]\n b",
        "a: &a [*a, *a]\n- b\n",
    ],
)
def test_yaml_that_no_reader_expects_is_refused(block: str) -> None:
    with pytest.raises(BadRecord, match="not YAML"):
        read_keys(block)


def test_aliases_of_aliases_are_not_unfolded() -> None:
    laughs = "a0: &a0 ha\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 60))
    assert read_keys(laughs + "title: Joke\n") == {"a0": "ha", "title": "Joke"}


def test_what_neither_postgres_nor_utf_8_can_hold_is_dropped() -> None:
    assert read_stated(read_keys('title: "a\\0b\\ud800c"\n') or {}).title == "abc"


@pytest.mark.parametrize("key", [key for key in LONGEST if key not in ("kind", "date")])
def test_a_value_longer_than_an_index_takes_is_refused(key: str) -> None:
    read_stated({key: "x" * LONGEST[key]})
    with pytest.raises(BadRecord, match=f"states a {key} of") as refused:
        read_stated({key: "x" * (LONGEST[key] + 1)})
    assert refused.value.code == "bad_front_matter"
