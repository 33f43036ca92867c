import json

import pyarrow.parquet as pq
import pytest


def test_each_tenant_has_each_format_and_one_file_a_site_and_day(simulated) -> None:
    for tenant in ("acme", "globex"):
        files = list((simulated.out / tenant / "telemetry" / "readings").glob("*/*"))
        assert {path.suffix for path in files} == {".csv", ".jsonl", ".parquet"}
        assert len({(path.parent.name, path.stem) for path in files}) == len(files) == 3 * 14


def test_all_formats_carry_the_same_fields(simulated) -> None:
    readings = simulated.out / "acme" / "telemetry" / "readings"
    csv_fields = next(readings.glob("*/*.csv")).read_text("utf-8").split("\n", 1)[0].split(",")
    jsonl_fields = list(json.loads(next(readings.glob("*/*.jsonl")).read_text("utf-8").split("\n", 1)[0]))
    parquet_fields = pq.read_schema(next(readings.glob("*/*.parquet"))).names
    assert csv_fields == jsonl_fields == parquet_fields
    assert csv_fields == ["timestamp", "device_id", "metric", "value", "unit", "site", "model", "firmware"]


def test_a_file_holds_the_day_and_site_that_it_is_named_after(simulated) -> None:
    seen = {(r.tenant_id, r.site, f"{r.ts:%Y-%m-%d}") for r in simulated.readings}
    files = simulated.out.glob("*/telemetry/readings/*/*")
    assert seen == {(path.relative_to(simulated.out).parts[0], path.parent.name, path.stem) for path in files}


def test_no_reading_is_written_twice(simulated) -> None:
    keys = {(r.tenant_id, r.device_id, r.metric, r.ts) for r in simulated.readings}
    assert len(keys) == len(simulated.readings)


@pytest.mark.parametrize(("metric", "peak_between"), [("temperature", (12, 17)), ("cpu_temperature", (12, 17))])
def test_readings_swing_with_the_hour_of_the_day(simulated, metric: str, peak_between: tuple[int, int]) -> None:
    by_hour: dict[int, list[float]] = {}
    for reading in simulated.readings:
        if reading.metric == metric and reading.tenant_id == "acme":
            by_hour.setdefault(reading.ts.hour, []).append(reading.value)
    means = {hour: sum(values) / len(values) for hour, values in by_hour.items()}
    day = sum(means[hour] for hour in range(*peak_between)) / 5
    night = sum(means[hour] for hour in range(5)) / 5
    assert day > night + 0.3
