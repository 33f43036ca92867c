import pytest

from rag.features import asks_for_event, expected, expected_literal, proper_names, specific_names


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("Which command-line option sets the folder?", "`-cd/--configDir`", "The folder is set by hand."),
        ("Which environment variable overrides it?", "Set EDGEX_CONFIG_DIR.", "Set the folder."),
        ("How long may the cable be?", "At most 30 m.", "Not too long."),
        ("How long must it be exceeded?", "It is raised after 12 minutes.", "The threshold stands at 7.4 °C."),
        ("From which bearing temperature on does it raise an alarm?", "Above 79 °C.", "P is the temperature alarm."),
        ("What do I type to begin?", "It begins with `cal start`.", "It begins at once."),
        ("In which firmware is it fixed?", "3.0.2 is out and has the repair.", "It is fixed by now."),
        ("On which day is the battery round?", "On the first Monday of the month.", "[2026-10-25 00:03] It is weak."),
        ("When does the round take place?", "Every Tuesday.", "[2026-10-25 00:03] It is weak."),
        ("When is the filter rinsed?", "Every 500 hours.", "[2026-10-25 00:03] It is rinsed."),
        ("When did it stop?", "[2026-10-25 00:03] It stopped.", "It stopped."),
        ("Who repaired it?", "Ruth did.", "nobody did."),
    ],
)
def test_the_words_of_a_question_tell_what_its_answer_looks_like(question: str, answer: str, other: str) -> None:
    pattern = expected(question)
    assert pattern is not None
    assert pattern.search(answer)
    assert not pattern.search(other)


@pytest.mark.parametrize("question", ["What drained pump-7?", "What repaired it?", "What caused it?", "Who was there?"])
def test_what_was_done_and_who_did_it_happened(question: str) -> None:
    assert asks_for_event(question)


@pytest.mark.parametrize("question", ["What speed is pump-7 preset to?", "What feed does it need?", "How is it reset?"])
def test_a_property_or_an_instruction_did_not_happen(question: str) -> None:
    assert not asks_for_event(question)


def test_only_options_and_variables_must_be_named_in_the_answer() -> None:
    assert expected_literal("Which command-line option sets the folder?") is not None
    assert expected_literal("How long may the cable be?") is None


def test_codes_and_identifiers_are_told_from_words() -> None:
    question = "Why does pump-7 report P-204 and E_OVERHEAT when --dry-run is set in NodeDiskFull or BACnet?"
    assert specific_names(question) == ["pump-7", "P-204", "E_OVERHEAT", "--dry-run", "NodeDiskFull", "BACnet"]


def test_names_of_persons_and_brands_are_told_from_the_calendar() -> None:
    assert proper_names("On which number do I reach Jonas Eriksen in October?") == ["Jonas Eriksen"]
    assert proper_names("How do I connect it to a BACnet controller over SAP?") == ["SAP"]
