from datetime import UTC, datetime

import pytest

from rag.replacements import find_replacements, outdating
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
        ("The `-c/--confdir` option is replaced by `-cd/--configDir` in 3.0.", "--confdir", "--configDir"),
        ("`EDGE_CONF_DIR` has been renamed to `EDGE_CONFIG_DIR`.", "EDGE_CONF_DIR", "EDGE_CONFIG_DIR"),
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


@pytest.mark.parametrize(
    ("statement", "outdated", "unrelated"),
    [
        (
            "- The request timeout changed from 30 seconds to 45 seconds.",
            "By default, the request timeout is 30 seconds.",
            "The pump rests for 30 seconds.",
        ),
        ("The default port is now 5671 (was 5672).", "Port: 5672", "Part number 5672."),
        ("Default `log_level` is now `info` (previously `debug`).", "The log level is `debug`.", "Do not `debug` it."),
        ("Option --confdir was renamed to --configDir.", "Set --confdir to the folder.", "Set --confdirs."),
        ("File format has changed from TOML to YAML.", "The file format is TOML.", "TOML is a language."),
        ("- Removed the deprecated `--file` option.", "Use `--file` to name it.", "Use the file."),
    ],
)
def test_a_changed_value_outdates_sentences_about_the_same_and_no_others(
    statement: str, outdated: str, unrelated: str
) -> None:
    (replacement,) = find_replacements([hit(statement)])
    assert replacement.outdates(outdated)
    assert not replacement.outdates(unrelated)


@pytest.mark.parametrize(
    "instruction",
    [
        "Remove the `cover`.",
        "Replace `println(xml)` with `print(xml)`.",
        "Move the lever from position 1 to 2.",
        "For Edge 3.0 it is changed to YAML.",
    ],
)
def test_an_instruction_is_no_statement_of_a_change(instruction: str) -> None:
    assert find_replacements([hit(instruction)]) == []


def test_what_a_newer_release_brought_back_is_not_outdated() -> None:
    found = find_replacements(
        [hit("`fast_mode` is replaced by `slow_mode` in 2.0."), hit("`slow_mode` is replaced by `fast_mode` in 3.0.")]
    )
    assert outdating("Set `fast_mode`.", "", found) is None
    replacement = outdating("Set `slow_mode`.", "", found)
    assert replacement is not None
    assert replacement.since == "3.0"


def test_what_changes_in_a_later_release_holds_until_then() -> None:
    statement = hit("`fast_mode` is replaced by `slow_mode` in 4.0.")
    assert find_replacements([statement], version="3.1") == []
    assert len(find_replacements([statement], version="4.0")) == 1


def test_names_of_machines_are_told_apart_by_case() -> None:
    (replacement,) = find_replacements([hit("`edge_dir` was renamed to `EDGE_DIR`.")])
    assert replacement.outdates("Set edge_dir.")
    assert not replacement.outdates("Set EDGE_DIR.")
