import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from lakehouse import database
from lakehouse.anomalies.detection import Detected, anomalies, detect
from lakehouse.anomalies.evidence import Anomaly
from lakehouse.anomalies.series import Floats
from lakehouse.errors import UnknownTenant, WarehouseNotBuilt

Write = Callable[..., None]
START, STEP, COUNT = datetime(2026, 10, 1, tzinfo=UTC), timedelta(minutes=10), 2000


def signal(seed: int, faulty: bool = False) -> Floats:
    values = 20 + 3 * np.sin(2 * np.pi * np.arange(COUNT) / 144) + np.random.default_rng(seed).normal(0, 0.5, COUNT)
    values[1500:1572] += 40 * faulty
    return np.round(values, 2)


def stored(database_url: str, tenant: str = "default", **given: Any) -> list[Anomaly]:
    with database.transaction(database_url) as connection:
        return anomalies(connection, tenant, **given)


def everything(database_url: str) -> str:
    return json.dumps([one.to_json() for one in stored(database_url)])


def test_what_is_found_carries_its_evidence_and_the_sql_that_selects_its_readings(
    database_url: str, write: Write
) -> None:
    write("pump-1", "temperature", signal(1, faulty=True))
    write("pump-2", "temperature", signal(2))
    done = detect(database_url)
    assert done == Detected(devices=2, examined=2, readings=2 * COUNT, anomalies=1)
    (found,) = stored(database_url)
    assert (found.device_id, found.metric, found.kind) == ("pump-1", "temperature", "spike")
    assert found.first_detected_at == found.started_at == START + 1500 * STEP
    assert START + 1500 * STEP < found.ended_at <= START + (1571 + 144) * STEP
    assert found.expected_low < 20 < found.expected_high < 50 < found.seen < 70
    with database.transaction(database_url) as connection:
        rows = connection.execute(found.receipt_sql, found.receipt_params).fetchall()
    assert len(rows) == found.window_readings
    assert rows[-1][:2] == (found.first_detected_at, found.seen)


def test_a_silent_device_is_a_gap_by_the_moment_that_is_asked_for(database_url: str, write: Write) -> None:
    write("pump-1", "temperature", signal(1)[:1000])
    write("pump-1", "vibration", signal(3)[:1000])
    write("pump-2", "temperature", signal(2))
    assert detect(database_url, as_of=START + 999 * STEP).anomalies == 0
    assert detect(database_url, as_of=START + 1020 * STEP).anomalies == 1
    assert detect(database_url).anomalies == 1
    (found,) = stored(database_url)
    assert (found.metric, found.kind, found.ended_at) == (None, "gap", START + (COUNT - 1) * STEP)
    assert found.first_detected_at < START + 1010 * STEP
    with database.transaction(database_url) as connection:
        assert len(connection.execute(found.receipt_sql, found.receipt_params).fetchall()) == found.window_readings
    assert detect(database_url, as_of=START + 999 * STEP).anomalies == 0, "later readings do not exist"


def test_detecting_again_reads_nothing_and_changes_nothing(database_url: str, write: Write) -> None:
    write("pump-1", "temperature", signal(1, faulty=True))
    write("pump-2", "temperature", signal(2)[:1000])
    detect(database_url)
    before = everything(database_url)
    assert detect(database_url).examined == 0
    assert everything(database_url) == before
    assert len(json.loads(before)) == 2


def test_only_devices_with_new_or_corrected_readings_are_read_again(database_url: str, write: Write) -> None:
    write("pump-1", "temperature", signal(1, faulty=True))
    write("pump-2", "temperature", signal(2))
    detect(database_url)
    write("pump-1", "temperature", signal(1)[1490:1600], first=1490, day=1)
    assert detect(database_url) == Detected(devices=2, examined=1, readings=COUNT, anomalies=0)
    write("pump-2", "vibration", signal(3), day=2)
    assert detect(database_url).examined == 1


def test_what_came_in_pieces_is_found_as_if_it_had_come_at_once(database_url: str, write: Write) -> None:
    values = signal(1, faulty=True)
    for first in (1200, 0, 1600):
        write("pump-1", "temperature", values[first : first + 1200], first=first, day=first)
        detect(database_url)
    in_pieces = everything(database_url)
    with database.transaction(database_url) as connection:
        connection.execute("truncate detection.anomalies, detection.seen")
    detect(database_url)
    assert everything(database_url) == in_pieces != "[]"


def test_an_anomaly_keeps_its_id_while_it_goes_on(database_url: str, write: Write) -> None:
    write("pump-1", "temperature", signal(1, faulty=True))
    detect(database_url, as_of=START + 1510 * STEP)
    (early,) = stored(database_url)
    detect(database_url)
    (late,) = stored(database_url)
    assert (early.anomaly_id, early.first_detected_at) == (late.anomaly_id, late.first_detected_at)
    assert early.ended_at < late.ended_at


def test_tenants_are_kept_apart_and_a_device_that_gold_knows_no_more_is_forgotten(
    database_url: str, write: Write
) -> None:
    write("pump-1", "temperature", signal(1, faulty=True))
    write("pump-1", "temperature", signal(2), tenant="public")
    assert detect(database_url, tenant_id="public") == Detected(1, 1, COUNT, 0)
    assert stored(database_url) == []
    assert detect(database_url).anomalies == 1
    with database.transaction(database_url) as connection:
        connection.execute("delete from gold.fct_readings where tenant_id = 'default'")
    assert detect(database_url) == Detected(1, 0, 0, 0)


def test_the_list_is_narrowed_by_device_kind_and_time(database_url: str, write: Write) -> None:
    for number in (1, 2):
        write(f"pump-{number}", "temperature", signal(number, faulty=True))
    detect(database_url)
    assert len(stored(database_url)) == 2
    assert [one.device_id for one in stored(database_url, device="pump-2")] == ["pump-2"]
    assert stored(database_url, kind="gap") == []
    assert len(stored(database_url, since=START + 1500 * STEP)) == 2
    assert stored(database_url, since=START + 1800 * STEP) == []


def test_batches_of_few_devices_find_what_one_batch_finds(
    database_url: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write(f"pump-{number}", "temperature", signal(number, faulty=number % 2 == 0))
    detect(database_url)
    at_once = everything(database_url)
    with database.transaction(database_url) as connection:
        connection.execute("truncate detection.anomalies, detection.seen")
    monkeypatch.setattr("lakehouse.anomalies.fleet.BATCH", COUNT)
    said: list[tuple[str, int, int]] = []
    detect(database_url, progress=lambda *given: said.append(given))
    assert said == [("default", done, 4) for done in (1, 2, 3, 4)]
    assert everything(database_url) == at_once


def test_what_cannot_be_done_is_said(database_url: str) -> None:
    with pytest.raises(WarehouseNotBuilt):
        detect(database_url)
    with pytest.raises(UnknownTenant):
        detect(database_url, tenant_id="nobody")
