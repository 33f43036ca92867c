import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lakehouse.bronze import Bronze
from lakehouse.errors import MissingPath
from lakehouse.ingest import IngestSummary, ingest_telemetry
from lakehouse.objects import open_objects
from lakehouse.quarantine import list_refused

HEADER = "timestamp,device_id,metric,value,unit"
GOOD = "2026-10-31T12:00:00Z,d1,temp,20.5,C"


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def readings(bronze: Bronze) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bronze.changes("telemetry")[0].to_pylist()
    return sorted(found, key=lambda row: (row["bronze_version"], row["row_number"]))


def versions(bronze: Bronze) -> list[int | None]:
    return [bronze.version(table) for table in ("telemetry", "events", "quarantine")]


def test_a_file_of_each_type_lands_over_any_storage(anywhere: Bronze, tmp_path: Path, now: datetime) -> None:
    folder = tmp_path / "telemetry"
    write(folder / "a.csv", HEADER, GOOD)
    row = {"ts": "2026-10-31T12:00:00Z", "device": "d2", "metric": "temp", "value": 20.5}
    event = {"ts": "2026-10-31T12:00:00Z", "device": "d2", "event_type": "restart", "code": 7}
    write(folder / "b.jsonl", json.dumps(row), json.dumps(event))
    ts = pa.array([datetime(2026, 10, 31, 12, tzinfo=UTC)], pa.timestamp("ns", "UTC"))
    parquet.write_table(
        pa.table({"ts": ts, "sensor_id": ["d3"], "metric": ["temp"], "value": [20.5]}), folder / "c.parquet"
    )
    summary = ingest_telemetry(anywhere, "acme", folder, now=now)
    assert summary == IngestSummary("telemetry", read=3, landed=3, rows=4)
    rows = readings(anywhere)
    assert sorted(row["device_id"] for row in rows) == ["d1", "d2", "d3"]
    assert {(row["ts"], row["value"]) for row in rows} == {(datetime(2026, 10, 31, 12, tzinfo=UTC), 20.5)}
    (landed,) = anywhere.changes("events")[0].to_pylist()
    assert (landed["event_type"], landed["device_id"], landed["attributes"]) == ("restart", "d2", '{"code": 7}')
    before = versions(anywhere)
    assert ingest_telemetry(anywhere, "acme", folder, now=now) == IngestSummary("telemetry", read=3, unchanged=3)
    assert versions(anywhere) == before


def test_a_reading_names_the_object_and_row_it_came_from(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    file = write(tmp_path / "a.csv", HEADER, GOOD, GOOD)
    ingest_telemetry(bronze, "acme", file, now=now)
    second = readings(bronze)[1]
    assert (second["row_number"], second["source"], second["recorded_at"]) == (2, f"folder:{tmp_path}", now)
    assert bronze.objects.get("acme", second["object_sha256"]) == file.read_bytes()


def test_many_files_are_one_commit(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    for number in range(30):
        write(tmp_path / "t" / f"{number}.csv", HEADER, GOOD.replace("d1", f"d{number}"), "bad,d,m,1,C")
    summary = ingest_telemetry(bronze, "acme", tmp_path / "t", now=now)
    assert (summary.landed, summary.rows, summary.quarantined) == (30, 30, 30)
    assert versions(bronze) == [1, None, 1]


def test_the_same_bytes_under_another_name_are_not_read_twice(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    write(tmp_path / "t" / "a.csv", HEADER, GOOD)
    write(tmp_path / "t" / "b.csv", HEADER, GOOD)
    assert ingest_telemetry(bronze, "acme", tmp_path / "t", now=now) == IngestSummary(
        "telemetry", read=2, landed=1, unchanged=1, rows=1
    )


def test_the_same_bytes_for_another_device_or_tenant_are_other_readings(
    bronze: Bronze, tmp_path: Path, now: datetime
) -> None:
    file = write(tmp_path / "a.csv", "ts,metric,value", "2026-10-31,temp,1")
    for device in ("d1", "d2", "d1"):
        ingest_telemetry(bronze, "acme", file, now=now, device=device)
    ingest_telemetry(bronze, "globex", file, now=now, device="d1")
    assert [(row["tenant_id"], row["device_id"]) for row in readings(bronze)] == [
        ("acme", "d1"),
        ("acme", "d2"),
        ("globex", "d1"),
    ]


def test_a_flag_may_take_the_name_of_the_file(bronze: Bronze, tmp_path: Path, now: datetime) -> None:
    for name in ("pump-1", "pump-2"):  # the same bytes, and yet two devices
        write(tmp_path / "t" / f"{name}.csv", "ts,value", "2026-10-31,1")
    ingest_telemetry(bronze, "acme", tmp_path / "t", now=now, device="plant/{stem}", metric="flow")
    devices = {(row["device_id"], row["metric"]) for row in readings(bronze)}
    assert devices == {("plant/pump-1", "flow"), ("plant/pump-2", "flow")}


class TestWhatIsRefused:
    def test_a_missing_column_refuses_the_file_and_says_what_helps(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        bad = write(tmp_path / "t" / "bad.csv", "timestamp,value", "2026-10-31,1")
        write(tmp_path / "t" / "good.csv", HEADER, GOOD)
        for _ in range(2):
            summary = ingest_telemetry(bronze, "acme", tmp_path / "t", now=now)
            assert (summary.read, summary.reasons) == (2, {"missing_column": 1})
        assert summary.unchanged == 1
        (row,) = list_refused(bronze, "acme")
        assert row["reason"] == (
            "it has no column device_id (or device, deviceid, sensor_id), metric (or measurement, sensor, name), "
            "only timestamp, value; --device ID and --metric NAME can say it for the whole file"
        )
        assert (row["path"], row["record"], row["stage"], row["raw_size"]) == (
            "bad.csv",
            None,
            "telemetry",
            bad.stat().st_size,
        )
        assert bronze.objects.get("acme", row["raw_sha256"]) == bad.read_bytes()

    def test_bad_rows_are_kept_by_number_and_the_good_ones_land(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        file = write(
            tmp_path / "a.csv", HEADER, GOOD, "soon,d1,temp,1,C", GOOD, "", "1,2", "2026-10-31,d1,temp,NaN,C", GOOD
        )
        summary = ingest_telemetry(bronze, "acme", file, now=now)
        assert (summary.landed, summary.rows, summary.quarantined) == (1, 3, 3)
        assert summary.reasons == {"bad_row": 1, "bad_timestamp": 1, "bad_value": 1}
        assert [refusal.describe().partition(":")[0] for refusal in summary.refused] == [
            "a.csv, row 2",
            "a.csv, row 5",
            "a.csv, row 4",
        ]
        assert [row["row_number"] for row in readings(bronze)] == [1, 3, 6]
        refused = sorted(list_refused(bronze, "acme"), key=lambda row: row["record"])
        assert [(row["record"], row["code"]) for row in refused] == [
            (2, "bad_timestamp"),
            (4, "bad_row"),
            (5, "bad_value"),
        ]
        assert bronze.objects.get("acme", refused[0]["raw_sha256"]) == file.read_bytes()
        before = versions(bronze)
        ingest_telemetry(bronze, "acme", file, now=now)
        assert versions(bronze) == before

    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            ("a.csv", b"", "empty"),
            ("a.csv", b"\n \n", "empty"),
            ("a.csv", f"{HEADER}\n".encode(), "empty"),
            ("a.csv", b"\x89PNG\r\n\x1a\n", "binary"),
            ("a.csv", f"{HEADER}\n{GOOD}\n".encode("utf-16"), "not_utf8"),
            ("a.csv", f"{HEADER}\n{GOOD}\xb0C\n".encode("latin-1"), "not_utf8"),
            ("a.parquet", b"PAR1 and no more", "corrupt_parquet"),
            ("a.jsonl", b'{"ts": 1}\n', "missing_column"),
        ],
    )
    def test_a_bad_file_is_refused_whole_and_the_rest_goes_on(
        self, name: str, content: bytes, code: str, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        write(tmp_path / "t" / "good.csv", HEADER, GOOD)
        (tmp_path / "t" / name).write_bytes(content)
        summary = ingest_telemetry(bronze, "acme", tmp_path / "t", now=now)
        assert (summary.read, summary.landed, summary.unchanged, summary.reasons) == (2, 1, 0, {code: 1})

    def test_lines_that_are_all_bad_are_refused_one_by_one(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        summary = ingest_telemetry(bronze, "acme", write(tmp_path / "a.jsonl", "x", "y"), now=now)
        assert summary.reasons == {"bad_row": 2}
        assert readings(bronze) == []

    def test_what_cannot_be_read_on_is_one_refusal_and_what_was_read_lands(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        table = pa.table(
            {
                "ts": ["2026-10-31"] * 600_000,
                "device": ["d"] * 600_000,
                "metric": ["m"] * 600_000,
                "value": range(600_000),
            }
        )
        parquet.write_table(
            table, tmp_path / "a.parquet", row_group_size=250_000, compression="none", use_dictionary=False
        )
        data = bytearray((tmp_path / "a.parquet").read_bytes())
        last = parquet.ParquetFile(tmp_path / "a.parquet").metadata.row_group(2).column(0).data_page_offset
        data[last : last + 40] = b"\xff" * 40
        (tmp_path / "a.parquet").write_bytes(data)
        summary = ingest_telemetry(bronze, "acme", tmp_path / "a.parquet", now=now)
        assert (summary.rows, summary.reasons) == (500_000, {"corrupt_parquet": 1})
        (row,) = list_refused(bronze, "acme")
        assert row["record"] == 500_001
        assert row["reason"].startswith("after row 500000 it cannot be read as Parquet")

    def test_a_file_that_is_still_written_to_is_refused_until_it_is_done(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        write(tmp_path / "t" / "a.csv", HEADER, GOOD)
        growing = write(tmp_path / "t" / "b.csv", HEADER, GOOD.replace("d1", "d2"))

        def append_to_the_second(done: int, total: int) -> None:
            with growing.open("a") as file:
                file.write(GOOD.replace("d1", "d3") + "\n")

        summary = ingest_telemetry(bronze, "acme", tmp_path / "t", now=now, progress=append_to_the_second)
        assert (summary.landed, summary.rows, summary.reasons) == (1, 1, {"changing": 1})
        assert ingest_telemetry(bronze, "acme", tmp_path / "t", now=now).rows == 3

    def test_a_named_file_of_another_type_is_refused(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        write(tmp_path / "t" / "windows.json", "{}")
        assert ingest_telemetry(bronze, "acme", tmp_path / "t", now=now) == IngestSummary("telemetry", ignored=1)
        named = ingest_telemetry(bronze, "acme", tmp_path / "t" / "windows.json", now=now)
        assert named.reasons == {"unsupported_type": 1}

    def test_only_the_first_refusals_are_told_but_all_are_kept(
        self, bronze: Bronze, tmp_path: Path, now: datetime
    ) -> None:
        file = write(tmp_path / "a.csv", HEADER, *["soon,d1,temp,1,C"] * 50)
        summary = ingest_telemetry(bronze, "acme", file, now=now)
        assert (summary.quarantined, len(summary.refused)) == (50, 20)
        assert len(list_refused(bronze, "acme")) == 50

    def test_a_missing_path_is_one_clear_line(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        with pytest.raises(MissingPath):
            ingest_telemetry(bronze, "acme", tmp_path / "nowhere", now=now)


def test_a_large_file_that_was_cut_off_is_taken_up_where_it_was_left(
    bronze: Bronze, tmp_path: Path, now: datetime
) -> None:
    """Parts land one after the other; the last bears the name of the file."""
    rows = 600_000
    file = tmp_path / "a.parquet"
    table = pa.table(
        {"ts": pa.array(range(rows)), "device": ["d"] * rows, "metric": ["m"] * rows, "value": range(rows)}
    )
    parquet.write_table(table.set_column(0, "ts", pa.array([1_793_448_000 + n for n in range(rows)])), file)
    ingest_telemetry(bronze, "acme", file, now=now)
    whole = bronze.changes("telemetry")[0]
    (transaction,) = [f"telemetry:acme:{whole['object_sha256'][0]}"]
    assert bronze.landed("telemetry", [transaction, f"{transaction}#1", f"{transaction}#2"]) == {
        transaction,
        f"{transaction}#1",
        f"{transaction}#2",
    }
    cut_off_url = (tmp_path / "again").as_uri()
    again = Bronze(cut_off_url, open_objects(cut_off_url))
    again.append("telemetry", whole.drop_columns(["bronze_version"]).slice(0, 100_000), [f"{transaction}#1"])
    summary = ingest_telemetry(again, "acme", file, now=now)
    assert (summary.landed, summary.rows) == (1, rows - 100_000)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["2026-10-31", "1793448000", "soon", "", "2026-13-01"]),
            st.sampled_from(["d1", " ", ""]),
            st.sampled_from(["1", "-2.5e3", "nan", "x", ""]),
            st.booleans(),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_every_row_lands_or_is_refused(
    rows: Sequence[tuple[str, str, str, bool]], tmp_path_factory: pytest.TempPathFactory, now: datetime
) -> None:
    folder = tmp_path_factory.mktemp("t")
    bronze = Bronze((folder / "bronze").as_uri(), open_objects((folder / "bronze").as_uri()))
    lines = [f"{ts},{device},m,{value}" + (",extra" if extra else "") for ts, device, value, extra in rows]
    summary = ingest_telemetry(bronze, "acme", write(folder / "a.csv", "ts,device,metric,value", *lines), now=now)
    numbers = [row["row_number"] for row in readings(bronze)] + [row["record"] for row in list_refused(bronze, "acme")]
    assert sorted(numbers) == list(range(1, len(rows) + 1))
    assert summary.rows + summary.quarantined == len(rows)


def test_real_series_land_whole_and_once(bronze: Bronze, shared_data: Path, now: datetime) -> None:
    folder = shared_data / "telemetry" / "nab"
    files = list(folder.rglob("*.csv"))
    summary = ingest_telemetry(bronze, "acme", folder, now=now, device="{stem}", metric="value")
    assert summary.rows == sum(len(file.read_text().splitlines()) - 1 for file in files)
    assert (summary.read, summary.landed, summary.quarantined) == (len(files), len(files), 0)
    again = ingest_telemetry(bronze, "acme", folder, now=now, device="{stem}", metric="value")
    assert again.unchanged == len(files)
