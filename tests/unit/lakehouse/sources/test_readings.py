import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.bronze import TABLES
from lakehouse.errors import BadRecord
from lakehouse.sources.batch import BadRow, Batch
from lakehouse.sources.events import EVENTS
from lakehouse.sources.field_names import find_columns, require_columns
from lakehouse.sources.json_lines import as_text
from lakehouse.sources.readings import Origin, Sorted, sort_rows
from lakehouse.sources.rows import READINGS

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ORIGIN = Origin("acme", "test", "0" * 64, NOW)


def sort(rows: Sequence[dict[str, Any]], *, objects: bool = False, bad: tuple[BadRow, ...] = ()) -> Sorted:
    names = dict.fromkeys(name for row in rows for name in row)
    table = pa.table({name: [as_text(row.get(name)) for row in rows] for name in names})
    batch = Batch(table, pa.array(range(1, len(rows) + 1)), bad, tuple(rows) if objects else None)
    return sort_rows(batch, find_columns(table.column_names), ORIGIN)


def reading(**values: Any) -> dict[str, Any]:
    return {"ts": "2026-10-31T12:00:00Z", "device_id": "d1", "metric": "temp", "value": "20.5"} | values


def test_a_reading_has_every_column_of_the_table() -> None:
    sorted_ = sort([reading(unit="C", site="Ulm", model="PX", firmware="1.2")])
    assert sorted_.readings.schema.equals(TABLES["telemetry"])
    assert sorted_.readings.to_pylist() == [
        {
            "tenant_id": "acme",
            "dt": date(2026, 10, 31),
            "device_id": "d1",
            "metric": "temp",
            "ts": datetime(2026, 10, 31, 12, tzinfo=UTC),
            "value": 20.5,
            "unit": "C",
            "site": "Ulm",
            "model": "PX",
            "firmware": "1.2",
            "source": "test",
            "object_sha256": "0" * 64,
            "row_number": 1,
            "recorded_at": NOW,
        }
    ]


def test_columns_are_found_by_their_usual_names() -> None:
    names = [
        "Timestamp",
        "Device ID",
        "measurement",
        "READING",
        "Units",
        "location",
        "device-model",
        "firmware_version",
    ]
    assert find_columns(names) == dict(
        zip(["ts", "device_id", "metric", "value", "unit", "site", "model", "firmware"], names, strict=True)
    )


def test_the_first_usual_name_wins() -> None:
    assert find_columns(["name", "metric", "time", "ts"])["metric"] == "metric"
    assert find_columns(["name", "metric", "time", "ts"])["ts"] == "ts"


def test_a_missing_column_is_named_with_what_is_there_and_what_helps() -> None:
    names = ["timestamp", "value"]
    with pytest.raises(BadRecord) as refused:
        require_columns(names, find_columns(names), None, None)
    assert refused.value.code == "missing_column"
    for part in ("device_id", "metric", "only timestamp, value", "--device ID and --metric NAME"):
        assert part in refused.value.reason


def test_no_flag_is_offered_for_what_no_flag_can_say() -> None:
    with pytest.raises(BadRecord) as refused:
        require_columns(["device", "metric", "ts"], find_columns(["device", "metric", "ts"]), None, None)
    assert "value" in refused.value.reason
    assert "--" not in refused.value.reason


def test_flags_supply_what_a_file_does_not_say() -> None:
    origin = Origin("acme", "test", "0" * 64, NOW, device="d9", metric="flow")
    names = ["ts", "value"]
    require_columns(names, find_columns(names), origin.device, origin.metric)
    batch = Batch(pa.table({"ts": ["2026-10-31"], "value": ["1"]}), pa.array([1]))
    (row,) = sort_rows(batch, find_columns(names), origin).readings.to_pylist()
    assert (row["device_id"], row["metric"]) == ("d9", "flow")


@pytest.mark.parametrize(
    ("values", "code", "reason"),
    [
        ({"ts": "soon"}, "bad_timestamp", "ts 'soon' is no time: write it as 2026-10-31T12:00:00Z"),
        ({"ts": ""}, "bad_timestamp", "ts '' is no time"),
        ({"ts": None}, "bad_timestamp", "ts '' is no time"),
        ({"value": "high"}, "bad_value", "value 'high' is no finite number"),
        ({"value": "nan"}, "bad_value", "value 'nan' is no finite number"),
        ({"value": "-inf"}, "bad_value", "value '-inf' is no finite number"),
        ({"value": None}, "bad_value", "value '' is no finite number"),
        ({"device_id": "  "}, "missing_device", "it names no device"),
        ({"metric": ""}, "missing_metric", "it names no metric"),
        ({"device_id": "", "value": "x"}, "missing_device", "it names no device"),
    ],
)
def test_a_row_that_means_nothing_is_refused_and_its_neighbours_are_not(
    values: dict[str, Any], code: str, reason: str
) -> None:
    sorted_ = sort([reading(), reading(**values), reading()])
    assert sorted_.readings["row_number"].to_pylist() == [1, 3]
    (refused,) = sorted_.refused.to_pylist()
    assert (refused["record"], refused["code"]) == (2, code)
    assert refused["reason"].startswith(reason)


def test_rows_that_could_not_be_cut_are_refused_too() -> None:
    sorted_ = sort([reading()], bad=(BadRow(7, "it has 3 columns"),))
    assert sorted_.refused.to_pylist() == [{"record": 7, "code": "bad_row", "reason": "it has 3 columns"}]
    assert sorted_.rows == 2


def test_a_row_with_an_event_type_is_an_event() -> None:
    sorted_ = sort(
        [
            reading(event_type=None),
            {
                "ts": "2026-10-31T12:00:00Z",
                "device_id": "d1",
                "event_type": "restart",
                "severity": "info",
                "message": "up",
            },
        ]
    )
    assert sorted_.readings.num_rows == 1
    assert sorted_.events.schema.equals(TABLES["events"])
    (event,) = sorted_.events.to_pylist()
    assert (event["event_type"], event["severity"], event["message"], event["row_number"]) == (
        "restart",
        "info",
        "up",
        2,
    )


def test_an_event_needs_a_time_but_no_device() -> None:
    sorted_ = sort([{"ts": "2026-10-31", "event_type": "outage"}, {"ts": "?", "event_type": "outage"}])
    assert [event["device_id"] for event in sorted_.events.to_pylist()] == [None]
    assert sorted_.refused["code"].to_pylist() == ["bad_timestamp"]


def test_what_an_event_says_beyond_the_columns_becomes_attributes() -> None:
    event = {"ts": "2026-10-31", "event_type": "x", "attributes": {"a": [1]}, "limit": 81.5, "empty": None}
    (row,) = sort([event], objects=True).events.to_pylist()
    assert json.loads(row["attributes"]) == {"a": [1], "limit": 81.5}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        (None, {}),
        ("free text", {"attributes": "free text"}),
        ("[1]", {"attributes": [1]}),
    ],
)
def test_attributes_are_always_an_object(given: str | None, expected: dict[str, Any]) -> None:
    (row,) = sort([{"ts": "2026-10-31", "event_type": "x", "attributes": given}]).events.to_pylist()
    assert json.loads(row["attributes"]) == expected


def test_attributes_hold_nothing_that_postgres_refuses() -> None:
    hostile = {"a\x00": "b\x00", "c": "\ud800", "d": float("nan"), "e": [float("inf")]}
    (row,) = sort([{"ts": "2026-10-31", "event_type": "x", "attributes": hostile}], objects=True).events.to_pylist()
    assert json.loads(row["attributes"]) == {"a": "b", "c": "?", "d": "nan", "e": ["inf"]}


def test_an_event_without_id_gets_the_same_one_each_time() -> None:
    event = {"ts": "2026-10-31", "device_id": "d1", "event_type": "x", "message": "m"}
    ids = [row["event_id"] for row in sort([event, event, event | {"message": "n"}]).events.to_pylist()]
    assert ids[0] == ids[1] != ids[2]
    (named,) = sort([event | {"event_id": "e-7"}]).events.to_pylist()
    assert named["event_id"] == "e-7"


@pytest.mark.parametrize("field", ["device_id", "metric", "unit", "site", "model", "firmware"])
def test_a_name_longer_than_an_index_of_postgres_takes_is_refused(field: str) -> None:
    rows = sort([reading(**{field: "ö" * 400}), reading(**{field: "ö" * 401})])
    assert (rows.readings.num_rows, rows.refused["code"].to_pylist()) == (1, ["too_long"])


def test_a_value_whose_sum_would_overflow_is_refused() -> None:
    rows = sort([reading(value="1e300"), reading(value="-1.1e300")])
    assert (rows.readings.num_rows, rows.refused["code"].to_pylist()) == (1, ["bad_value"])


def test_a_long_id_of_an_event_is_replaced_by_its_hash() -> None:
    event = {"ts": "2026-10-31T12:00:00Z", "event_type": "x", "event_id": "i" * 801}
    ids = sort([event, event, event | {"event_id": "i" * 800}], objects=True).events["event_id"].to_pylist()
    assert (len(ids[0]), ids[1], ids[2]) == (64, ids[0], "i" * 800)


def test_attributes_that_nest_without_end_stay_text() -> None:
    event = {"ts": "2026-10-31T12:00:00Z", "event_type": "x", "attributes": "[" * 900 + "]" * 900}
    (row,) = sort([event], objects=True).events.to_pylist()
    assert json.loads(row["attributes"])["attributes"] == event["attributes"]


def test_the_worker_and_bronze_mean_the_same_types() -> None:
    for schema, table in ((READINGS, "telemetry"), (EVENTS, "events")):
        known = {field.name: field.type for field in TABLES[table]}
        assert {field.name: field.type for field in schema}.items() <= known.items()
