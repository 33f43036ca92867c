from datetime import UTC, datetime

import pytest

from rag.replacements import find_replacements
from rag.retriever import Hit


def hit(text: str, version: str = "3.1") -> Hit:
    return Hit(
        tenant_id="public",
        chunk_id="c",
        document_id="d",
        ordinal=0,
        kind="manual",
        title="Options",
        heading_path=("Options",),
        lead="",
        text=text,
        object_sha256="0" * 64,
        byte_start=0,
        byte_end=len(text.encode()),
        product="edge",
        version_from=version,
        version_to=None,
        version_key=tuple(int(part) for part in version.split(".")),
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_to=None,
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        classification="internal",
        url=None,
        cosine=0.0,
        lexical=0.0,
        score=0.0,
    )


@pytest.mark.parametrize(
    ("statement", "old", "new"),
    [
        ("The `-c/--confdir` option is replaced by `-cd/--configDir` in 3.0.", "--confdir", "--configdir"),
        ("`EDGE_CONF_DIR` has been renamed to `EDGE_CONFIG_DIR`.", "edge_conf_dir", "edge_config_dir"),
        ("Use `true` or `false`, instead of `yes` or `no`", "yes", "true"),
    ],
)
def test_a_statement_names_what_was_replaced_and_by_what(statement: str, old: str, new: str) -> None:
    (replacement,) = find_replacements([hit(statement)])
    assert old in replacement.old
    assert new in replacement.new
    assert replacement.unit.text == statement


def test_a_sentence_is_outdated_where_it_has_the_old_name_without_the_new() -> None:
    (replacement,) = find_replacements([hit("`--confdir` is replaced by `--configDir`.")])
    assert replacement.outdates("Set --confdir to the folder.")
    assert not replacement.outdates("Set --configDir, formerly --confdir.")
    assert not replacement.outdates("Set --configDir to the folder.")


def test_the_statement_of_the_newest_release_comes_first() -> None:
    found = find_replacements([hit("`aaa` is replaced by `bbb`.", "2.0"), hit("`aaa` is replaced by `ccc`.", "10.0")])
    assert [sorted(replacement.new) for replacement in found] == [["ccc"], ["bbb"]]


def test_ordinary_text_replaces_nothing() -> None:
    assert find_replacements([hit("The filter is replaced by the customer. Use water instead of oil.")]) == []
