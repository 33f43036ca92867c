import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.tokens import STOP_WORDS, analyse


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("P0301", {"0301"}),
        ("--config-dir", {"config-dir", "config", "dir"}),
        ("E_OVERHEAT", {"overheat"}),
        ("10.2.3", {"10.2"}),
        ("v10.2.3-rc1", {"10.2.3", "10.2"}),
        ("P0301/P0302", {"p0301", "p0302"}),
        ("10.0.0.7:8080", {"10.0.0.7", "8080"}),
        ("/var/lock/x.lock", {"x.lock", "lock"}),
        ("v3.1.0", {"3.1.0", "3.1"}),
        ("/tmp/x.lock", {"tmp/x.lock", "tmp", "lock"}),
        ("NodeFilesystemFilesFillingUp", {"node", "filesystem", "file", "fill", "up"}),
        ("HTTPServer", {"http", "server"}),
        ("core-common-config-bootstrapper", {"core", "common", "config"}),
        ("EDGEX_CONFIG_DIR", {"edgex", "config", "dir"}),
        ("node:alert::sum", {"node", "alert", "sum"}),
    ],
)
def test_a_name_is_found_as_written_and_by_its_parts(written: str, parts: set[str]) -> None:
    terms = analyse(f"Set `{written}`, then restart.")
    assert written.lower() in terms
    assert parts <= set(terms)


@pytest.mark.parametrize("around", ["({})", '"{}"', "{}.", "{},", "{}:", "[{}]", "*{}*", "`{}`!"])
def test_punctuation_around_a_name_is_not_part_of_it(around: str) -> None:
    assert "e_overheat" in analyse(around.format("E_OVERHEAT"))
    assert "--config-dir" in analyse(around.format("--config-dir"))


def test_two_options_joined_by_a_slash_are_two_names() -> None:
    terms = analyse("`-c/--confdir` is replaced by `-cd/--configDir`")
    assert {"-c", "--confdir", "-cd", "--configdir", "replac"} <= set(terms)


def test_a_value_given_to_an_option_is_a_name_of_its_own() -> None:
    assert {"--log-level", "debug"} <= set(analyse("--log-level=DEBUG"))


def test_inflections_of_a_word_are_one_term() -> None:
    assert analyse("alerts alerting alerted") == ["alert"] * 3


def test_a_possessive_is_its_noun() -> None:
    assert analyse("the device's heater") == analyse("device heaters") == ["devic", "heater"]
    assert analyse("don’t") == ["don"]


def test_words_that_make_a_question_carry_no_term() -> None:
    assert analyse("What is it, and how do I find which of these was there?") == ["find"]
    assert "not" not in STOP_WORDS


def test_ligatures_of_a_pdf_are_letters() -> None:
    assert analyse("ﬁlter pressure") == analyse("filter pressure")


def test_what_nobody_types_is_no_term() -> None:
    assert analyse("a" * 5000) == []
    assert max(map(len, analyse("path/" * 5000))) <= 100


@given(st.text())
def test_terms_never_hold_white_space_so_that_they_can_be_joined_by_it(text: str) -> None:
    assert all(len(term.split()) == 1 for term in analyse(text))


@given(st.text(), st.text())
def test_a_text_has_the_terms_of_its_paragraphs(first: str, second: str) -> None:
    assert analyse(f"{first}\n\n{second}") == analyse(first) + analyse(second)
