from typing import Any, cast

import pytest

from ui.chart import draw
from ui.wire import RowsCitation, Series

START, END = "2026-10-20T00:00:00+00:00", "2026-10-21T02:00:00+02:00"


def series(**other: Any) -> Series:
    points = [{"device_id": "pump-07", "ts": f"2026-10-20T0{hour}:00:00Z", "value": 20.0 + hour} for hour in range(5)]
    return cast(Series, {"metric": "pressure_bar", "unit": "bar", "hourly": False, "points": points, **other})


def rows(value: object, sql: str = "select avg(value) as value", **params: str) -> RowsCitation:
    return cast(RowsCitation, {"sql": sql, "params": params, "value": value})


def encoding(chart: Any) -> Any:
    return chart.to_dict()["layer"][0]["encoding"]


def test_every_reading_is_drawn() -> None:
    made = draw(series(), rows(22.0)).to_dict()

    readings = made["datasets"][made["layer"][0]["data"]["name"]]
    assert [reading["value"] for reading in readings] == [20, 21, 22, 23, 24]
    assert readings[0]["ts"].startswith("2026-10-20T00:00:00")


def test_the_axis_spans_the_window_asked_for_in_utc() -> None:
    scale = encoding(draw(series(), rows(22.0, start=START, end=END)))["x"]["scale"]

    assert scale["type"] == "utc"
    assert [(edge["month"], edge["date"], edge["hours"], edge["utc"]) for edge in scale["domain"]] == [
        (10, 20, 0, True),
        (10, 21, 0, True),
    ]


def test_without_a_window_the_axis_spans_the_readings() -> None:
    domain = encoding(draw(series(), rows(22.0)))["x"]["scale"]["domain"]

    assert [edge["hours"] for edge in domain] == [0, 4]


def test_a_single_reading_stands_in_the_middle_of_an_hour() -> None:
    one = [{"device_id": "pump-07", "ts": "2026-10-20T10:30:00Z", "value": 1.0}]
    domain = encoding(draw(series(points=one), rows(1.0)))["x"]["scale"]["domain"]

    assert [(edge["hours"], edge.get("minutes", 0)) for edge in domain] == [(10, 0), (11, 0)]


@pytest.mark.parametrize("value", [20.0, 22, 24.0])
def test_a_value_among_the_readings_is_a_line_across(value: float) -> None:
    made = draw(series(), rows(value)).to_dict()

    assert [layer["mark"]["type"] for layer in made["layer"]] == ["line", "rule"]
    assert made["datasets"][made["layer"][1]["data"]["name"]] == [{"value": value}]


@pytest.mark.parametrize(
    ("value", "sql"),
    [("pump-07", "select device_id as value"), (None, "select"), (22, "select count(*) as value"), (99.0, "select")],
)
def test_a_value_that_is_no_reading_is_not_drawn(value: object, sql: str) -> None:
    assert len(draw(series(), rows(value, sql)).to_dict()["layer"]) == 1


def test_devices_are_told_apart_only_where_there_are_several() -> None:
    both = [{"device_id": name, "ts": "2026-10-20T00:00:00Z", "value": 1.0} for name in ("pump-07", "pump-08")]

    assert "color" not in encoding(draw(series(), rows(22.0)))
    assert encoding(draw(series(points=both), rows(1.0)))["color"]["field"] == "device_id"


def test_the_axis_says_that_the_points_are_averages_by_hour() -> None:
    assert encoding(draw(series(hourly=True), rows(22.0)))["y"]["title"] == "pressure_bar (bar), average by hour"
