from rag.clauses import clauses, named_kind


def test_each_part_that_begins_with_a_question_word_stands_alone() -> None:
    asked = "Why did pump-007 overheat on 2026-10-24, how hot did it get and what does the runbook say?"
    assert clauses(asked) == [
        "Why did pump-007 overheat on 2026-10-24",
        "how hot did it get",
        "what does the runbook say",
    ]


def test_what_leads_in_stays_with_the_first_part() -> None:
    assert clauses("Alert DiskFull is firing. What does it mean and how do I mitigate it?") == [
        "Alert DiskFull is firing. What does it mean",
        "how do I mitigate it",
    ]


def test_what_asks_nothing_belongs_to_what_follows() -> None:
    assert clauses("In firmware 6.4, which vibration limit is preset?") == [
        "In firmware 6.4, which vibration limit is preset"
    ]


def test_a_list_of_nouns_is_not_taken_apart() -> None:
    question = "Which sites, devices and models report temperature and humidity?"
    assert clauses(question) == [question.rstrip("?")]


def test_only_what_asks_for_facts_that_gold_counted_names_insights() -> None:
    assert named_kind("Which incidents did pump-001 have?") == "insight"
    assert named_kind("What is the health of pump-001?") == "insight"
    assert named_kind("Who has to agree before firmware is rolled back?") is None
    assert named_kind("What does the runbook say of the incident?") == "runbook"
