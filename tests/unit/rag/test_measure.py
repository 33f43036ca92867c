from datetime import UTC, datetime

import pytest

from rag.measure import Measure, NotMeasured, Vocabulary, read_measure

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
FLEET = Vocabulary(
    metrics=("temperature", "cpu_temperature", "humidity", "battery_voltage", "vibration_rms"),
    sites=("harbour", "north plant"),
    models=("CT-200", "PM-7"),
    event_types=("connection_lost", "firmware_upgraded"),
)


def read(text: str, *devices: str) -> Measure | NotMeasured | None:
    return read_measure(text, FLEET, NOW, devices=devices)


def asked(text: str, *devices: str) -> Measure:
    measure = read(text, *devices)
    assert isinstance(measure, Measure)
    return measure


@pytest.mark.parametrize(
    ("text", "function", "metric"),
    [
        ("What was the average temperature of d-1 on 2026-10-20?", "average", "temperature"),
        ("What is the mean vibration of d-1 over the last 24 hours?", "average", "vibration_rms"),
        ("minimum CPU temperature of d-1 yesterday", "minimum", "cpu_temperature"),
        ("How low did the battery of d-1 drop in October?", "minimum", "battery_voltage"),
        ("how hot did d-1 get", "maximum", "temperature"),
        ("What is the latest battery voltage of d-1?", "latest", "battery_voltage"),
        ("What is the humidity of d-1?", "latest", "humidity"),
        ("What was the humidity of d-1 on 2026-10-20?", "average", "humidity"),
        ("How many readings of humidity came from d-1 on 2026-10-20?", "count", "humidity"),
        ("Can you tell me the latest humidity of d-1?", "latest", "humidity"),
        ("How many readings of humidity could d-1 send on 2026-10-20?", "count", "humidity"),
    ],
)
def test_the_function_and_the_metric_are_read_from_their_words(text: str, function: str, metric: str) -> None:
    measure = asked(text, "d-1")
    assert (measure.function, measure.metric, measure.devices) == (function, metric, ("d-1",))


def test_a_device_named_like_a_temperature_does_not_ask_for_the_lowest() -> None:
    assert asked("What was the temperature of cold-003 on 2026-10-20?", "cold-003").function == "average"


def test_the_superlative_decides_which_device_is_meant() -> None:
    hottest = asked("Which device at site harbour was hottest on 2026-10-20?")
    assert (hottest.by_device, hottest.least, hottest.site, hottest.metric) == (True, False, "harbour", "temperature")
    lowest = asked("Which pump has the lowest battery right now?")
    assert (lowest.by_device, lowest.least, lowest.metric) == (True, True, "battery_voltage")


def test_events_are_counted_by_their_type() -> None:
    counted = asked("How many connection lost events did d-1 have between 2026-10-20 and 2026-10-22?", "d-1")
    assert (counted.subject, counted.function, counted.event_type) == ("events", "count", "connection_lost")


def test_devices_are_asked_for_their_firmware_and_counted() -> None:
    assert asked("What firmware is d-1 running?", "d-1").function == "firmware"
    assert asked("How many devices are at site harbour?").subject == "devices"


def test_a_clause_inherits_the_window_of_its_question() -> None:
    question = (
        "Why did d-1 overheat on 2026-10-20, how hot did it get, and what was its maximum between 01:00 and 09:00?"
    )
    whole = asked("How hot did d-1 get on 2026-10-20?", "d-1").window
    measure = read_measure("how hot did it get", FLEET, NOW, devices=("d-1",), whole=question)
    assert isinstance(measure, Measure)
    assert measure.window == whole


def test_a_clause_inherits_day_and_metric_of_its_question() -> None:
    question = (
        "Why was the temperature of d-1 flat on 2026-10-20, and what was its maximum between 01:00 and 09:00 that day?"
    )
    measure = read_measure(
        "what was its maximum between 01:00 and 09:00 that day", FLEET, NOW, devices=("d-1",), whole=question
    )
    assert isinstance(measure, Measure)
    assert measure.metric == "temperature"
    assert measure.window is not None
    assert measure.window.describe() == "between 2026-10-20 01:00 and 2026-10-20 09:00"


@pytest.mark.parametrize(
    "text",
    [
        "What does E42 mean?",
        "What is the maximum operating temperature of the CT-200?",
        "At which temperature threshold should the CT-200 raise an alarm?",
        "Which command-line option sets the configuration directory?",
        "Why did the pump overheat?",
        "After the update d-1 got hot. What was the cause?",
        "How many readings can d-1 keep while it has no connection?",
        "How hot could d-1 get before it switches off?",
    ],
)
def test_questions_about_documents_are_left_to_the_documents(text: str) -> None:
    assert read(text, *(["d-1"] if "d-1" in text else [])) is None


def test_a_metric_that_nobody_reports_is_said_so() -> None:
    assert isinstance(read("What was the highest pH of d-1 on 2026-10-20?", "d-1"), NotMeasured)
