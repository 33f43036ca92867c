"""Lineage over a warehouse that files, a stream, requests, documents and chats came into."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iotops.bootstrap import App
from lakehouse import database
from lakehouse.bronze import equals
from lakehouse.errors import CorruptObject, Misused, NotFound, Refused
from lakehouse.ingest import ingest_chats, ingest_documents, ingest_telemetry
from lakehouse.intake import Intake
from lakehouse.lineage.traces import Statement, Trace
from lakehouse.lineage.tracing import trace
from lakehouse.maintenance import maintain
from lakehouse.stream.batch import MessageBatch, Stream
from lakehouse.stream.landing import land_batch
from lakehouse.warehouse import build_warehouse

NOW = datetime(2026, 10, 5, tzinfo=UTC)
START = datetime(2026, 10, 3, 14, tzinfo=UTC)
TOPIC = Stream("acme", "kafka:telemetry", "telemetry")
Look = Callable[..., Trace]


def at(minute: int) -> str:
    return (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def reading(device: str, minute: int, value: float, **more: Any) -> bytes:
    return json.dumps({"device_id": device, "metric": "flow", "ts": at(minute), "value": value, **more}).encode()


def alarm(name: str, minute: int) -> bytes:
    return json.dumps({"device_id": "pump-2", "event_type": "alarm", "event_id": name, "ts": at(minute)}).encode()


def ingest_files(app: App, folder: Path) -> None:
    """A CSV in °C, a ragged row in it; then JSON lines which say the first three minutes anew, in Fahrenheit."""
    rows = "".join(f'pump-1;temperature;{at(minute)};{20 + minute};°C;"1.0"\r\n' for minute in range(90))
    (folder / "a.csv").write_text(
        f"device_id;metric;ts;value;unit;firmware\n\n{rows}ragged;row\n", encoding="utf-8-sig"
    )
    lines = [
        {"device_id": "pump-1", "metric": "temperature", "ts": at(m), "value": 68 + m, "unit": "F"} for m in range(3)
    ]
    (folder / "b.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    twice = "".join(f"pump-1,temperature,{at(40)},{value},°C\n" for value in (60, 61, 61))
    (folder / "late.csv").write_text(f"device_id,metric,ts,value,unit\n{twice}")
    for name, hours in (("a.csv", 0), ("b.jsonl", 1), ("late.csv", 2)):
        ingest_telemetry(app.bronze, "acme", folder / name, now=NOW + timedelta(hours=hours), source="plant")


def consume(app: App) -> None:
    """Two batches of two partitions; of the second only one partition has new messages. One event in each."""
    for first, partitions in ((100, [0, 1, 0, 1, 0, 1]), (103, [0, 0, 0, 0])):
        payloads = [reading("pump-2", number, first + number) for number in range(len(partitions))]
        payloads[1] = alarm(f"e{first}", 1)
        offsets = {0: first, 1: 200}
        taken = []
        for number in partitions:
            taken.append(offsets[number])
            offsets[number] += 1
        batch = MessageBatch(payloads, np.array(partitions), np.array(taken), {0: first if first > 100 else 0, 1: 0})
        land_batch(app.bronze, TOPIC, batch, 7, NOW + timedelta(seconds=first))


def send(app: App) -> None:
    intake = Intake(app.bronze, app.database_url)
    body = b" ,\n ".join([reading("pump-3", 0, 1.0), b'{"bad": 1}', reading("pump-3", 1, 2.0), alarm("e9", 9)])
    intake.telemetry("acme", b"[ " + body + b" ]", now=NOW)
    intake.close()


def rename(app: App, folder: Path) -> None:
    """old-1 becomes new-1 after an hour; from the next day on the name is that of another device."""
    rows = [f"old-1,flow,{at(minute)},1,1.0" for minute in (0, 30)]
    rows += [f"new-1,flow,{at(minute)},1,{firmware}" for minute, firmware in ((90, "1.0"), (120, "2.0"))]
    rows.append(f"old-1,flow,{at(1600)},1,3.0")
    (folder / "renamed.csv").write_text("\n".join(["device_id,metric,ts,value,firmware", *rows]))
    told = {"event_id": "r1", "event_type": "device_renamed", "device_id": "new-1", "ts": at(60)}
    (folder / "renaming.jsonl").write_text(json.dumps({**told, "from": "old-1", "to": "new-1"}))
    for name in ("renamed.csv", "renaming.jsonl"):
        ingest_telemetry(app.bronze, "acme", folder / name, now=NOW, source="plant")


def write_documents(app: App, folder: Path) -> None:
    docs = folder / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text("---\ntitle: Pump\nproduct: pump\nversion: 1.0\n---\n# Pump\nOil it.\n")
    (docs / "copy.md").write_text((docs / "pump.md").read_text())
    (docs / "valve.html").write_text(
        "<html><head><title>Valve</title></head><body><p>Turn it gently.</p></body></html>"
    )
    for tenant in ("acme", "default"):
        ingest_documents(app.bronze, tenant, docs, now=NOW, source="manuals")
    said = [
        {
            "channel": "ops/night",
            "message_id": f"m{n}",
            "thread_id": "t1",
            "author": "ann",
            "ts": at(n),
            "text": f"hi {n}",
        }
        for n in range(3)
    ]
    (folder / "chat.jsonl").write_text("\n".join(map(json.dumps, said)))
    ingest_chats(app.bronze, "acme", folder / "chat.jsonl", now=NOW, source="chat")


@pytest.fixture(scope="module")
def app(new_app: Callable[[Path], App], tmp_path_factory: pytest.TempPathFactory) -> App:
    folder = tmp_path_factory.mktemp("lineage")
    app = new_app(folder / "home")
    with database.transaction(app.database_url) as connection:
        connection.execute("insert into registry.tenants (tenant_id) values ('acme')")
    ingest_files(app, folder)
    consume(app)
    send(app)
    write_documents(app, folder)
    rename(app, folder)
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=folder / "dbt")
    return app


@pytest.fixture
def look(app: App) -> Look:
    return lambda table, key, tenant="acme": trace(app.database_url, app.bronze, table, tenant, key)


@pytest.fixture
def tampered(app: App) -> Iterator[Callable[[str], None]]:
    """Statements on gold, taken back at the end by the rows that were there."""
    with database.connect(app.database_url, autocommit=True) as connection:
        connection.execute("create table public.kept as select * from gold.fct_readings")
        yield lambda statement: connection.execute(statement) and None  # type: ignore[call-overload]
        connection.execute("delete from gold.fct_readings")
        connection.execute("insert into gold.fct_readings select * from public.kept")
        connection.execute("drop table public.kept")


def receipt(found: Trace) -> Statement:
    (one,) = [statement for statement in found.statements if statement.is_receipt]
    return one


def bytes_of(app: App, one: Statement) -> bytes:
    assert one.raw is not None
    stored = app.objects.get("acme", one.object_sha256)
    return stored[one.raw.byte_start : one.raw.byte_end]


def test_a_reading_of_a_csv_leads_to_its_bytes_in_the_file(app: App, look: Look) -> None:
    found = look("fct_readings", f"pump-1/temperature/{at(30)}")
    assert (found.found, found.all_faults) == ({"statements": 1}, ())
    one = receipt(found)
    assert (one.row_number, one.source, one.path, one.arrival.way) == (31, "plant", "a.csv", "file")
    assert bytes_of(app, one).decode() == f'pump-1;temperature;{at(30)};50;°C;"1.0"'
    assert one.raw is not None
    assert one.raw.says_so
    assert Path(app.bronze.url.removeprefix("file://"), one.file).is_file()


def test_where_a_later_file_says_another_value_both_are_named_and_the_later_is_the_receipt(look: Look) -> None:
    found = look("fct_readings", json.dumps({"device_id": "pump-1", "metric": "temperature", "ts": at(2)}))
    assert [one.row_number for one in found.statements] == [3, 5]
    assert receipt(found) is found.statements[1]
    assert (found.gold.row["value"], found.gold.row["unit"]) == (pytest.approx(190 / 9), "°C")
    assert receipt(found).said["value"] == 70.0
    assert found.all_faults == ()


def test_of_a_file_that_says_two_things_of_a_moment_the_receipt_is_where_it_first_says_the_last(look: Look) -> None:
    found = look("fct_readings", f"pump-1/temperature/{at(40)}")
    assert [(one.row_number, one.said["value"]) for one in found.statements] == [(41, 60), (1, 60), (2, 61), (3, 61)]
    assert (receipt(found).row_number, found.all_faults) == (2, ())


def test_a_message_leads_to_the_offsets_that_its_commit_held(app: App, look: Look) -> None:
    first = receipt(look("fct_readings", f"pump-2/flow/{at(4)}"))
    assert first.arrival.way == "stream"
    assert [(one.partition, one.first, one.end) for one in first.arrival.offsets] == [(0, None, 103), (1, None, 203)]
    assert bytes_of(app, first) == reading("pump-2", 4, 104.0).replace(b"104.0", b"104")
    second = receipt(look("fct_readings", f"pump-2/flow/{at(3)}"))
    assert [(one.topic, one.partition, one.first, one.end) for one in second.arrival.offsets] == [
        ("telemetry", 0, 103, 107)
    ]
    assert (second.row_number, second.said["value"]) == (4, 106.0)


def test_an_event_of_a_message_leads_to_the_offsets_of_its_batch_alone(look: Look) -> None:
    one = receipt(look("fct_events", "e103"))
    assert [(offsets.first, offsets.end) for offsets in one.arrival.offsets] == [(103, 107)]
    assert one.raw is not None
    assert one.raw.says_so


def test_a_record_of_a_request_leads_to_its_bytes_in_the_body(app: App, look: Look) -> None:
    for table, key, number, data in (
        ("fct_readings", f"pump-3/flow/{at(1)}", 3, reading("pump-3", 1, 2.0)),
        ("fct_events", "e9", 4, alarm("e9", 9)),
    ):
        one = receipt(look(table, key))
        assert (one.row_number, one.arrival.way, bytes_of(app, one)) == (number, "request", data)


def test_an_hour_leads_to_the_records_of_each_object_and_counts_those_that_stand(look: Look) -> None:
    found = look("gold.fct_readings_hourly", f"pump-1/temperature/{at(0)}")
    ranges = {(one.range.first_row, one.range.last_row): one.range for one in found.parts}
    assert found.all_faults == ()
    assert sum(one.standing or 0 for one in ranges.values()) == found.gold.row["reading_count"] == 60
    assert (ranges[1, 60].rows, ranges[1, 5].rows, ranges[1, 5].standing) == (60, 3, 3)
    day = look("fct_readings_daily", "pump-1/temperature/2026-10-03")
    assert sum(one.range.standing or 0 for one in day.parts) == day.gold.row["reading_count"] == 90


def test_a_device_leads_to_the_objects_of_its_readings_and_events(look: Look) -> None:
    found = look("dim_devices", "pump-2")
    assert [(one.range.table, one.range.rows) for one in found.parts] == [
        ("telemetry", 5),
        ("telemetry", 3),
        ("events", 1),
        ("events", 1),
        ("events", 1),
    ]
    began = look("dim_device_firmware", f"pump-1/{at(3)}")
    assert [(part.range.first_row, part.range.rows) for part in began.parts] == [(4, 1)]


def test_a_renamed_device_leads_to_what_was_reported_under_all_its_names(look: Look) -> None:
    def parts(*asked: str) -> list[tuple[str, int, int | None, int | None]]:
        ranges = [part.range for part in look(*asked).parts]
        return sorted((one.table, one.rows, one.first_row, one.last_row) for one in ranges)

    assert parts("dim_devices", "new-1") == [("events", 1, 1, 1), ("telemetry", 4, 1, 4)]
    assert parts("dim_devices", "old-1") == [("telemetry", 1, 5, 5)]
    assert parts("dim_device_firmware", f"new-1/{at(0)}") == [("telemetry", 1, 1, 1)]
    assert parts("dim_device_history", f"new-1/{at(0)}") == [("telemetry", 1, 1, 1)]
    assert parts("dim_device_history", f"new-1/{at(120)}") == [("telemetry", 1, 4, 4)]
    (device,) = look("mart_device_health", "new-1").through
    assert sum(part.range.rows for part in device.parts) == 5
    name = look("dim_device_names", f"old-1/{at(0)}")
    assert [(part.range.first_row, part.range.last_row) for part in name.parts] == [(1, 2)]
    assert [receipt(one).said["event_type"] for one in name.through] == ["device_renamed"]
    assert name.all_faults == ()


def test_a_document_leads_to_its_own_path_where_two_hold_the_same_bytes(app: App, look: Look) -> None:
    with database.connect(app.database_url) as connection:
        rows = connection.execute(
            "select document_id, title, kind from gold.documents "
            "where tenant_id = 'acme' and kind <> 'insight' order by title"
        ).fetchall()
    found = {(str(title), look("documents", str(key)).statements[0].path) for key, title, kind in rows}
    assert {path for title, path in found if title == "Pump"} == {"copy.md", "pump.md"}
    (html,) = [receipt(look("documents", str(key))) for key, title, _ in rows if title == "Valve"]
    assert html.path == "valve.html"
    assert html.raw_sha256 not in (None, html.object_sha256)
    assert bytes_of(app, html).decode().strip().endswith("Turn it gently.")
    (thread,) = [look("documents", str(key)) for key, _, kind in rows if kind == "chat_thread"]
    assert [(part.range.table, part.range.rows) for part in thread.parts] == [("messages", 3)]
    release = look("releases", "pump/manual/1.0")
    assert {(one.gold.table, one.gold.tenant_id) for one in release.through} == {("documents", "acme")}
    assert sorted(str(receipt(one).path) for one in release.through) == ["copy.md", "pump.md"]


def test_a_text_that_gold_wrote_leads_to_the_rows_that_its_facts_are_of(app: App, look: Look) -> None:
    with database.connect(app.database_url) as connection:
        rows = connection.execute(
            "select document_id, title from gold.documents where tenant_id = 'acme' and kind = 'insight'"
        ).fetchall()
        facts = dict(
            connection.execute("select document_id, count(*) from gold.fct_insight_facts group by 1").fetchall()
        )
    titles = {str(title): (look("documents", str(key)), facts[key]) for key, title in rows}
    assert all(len(one.through) == count and one.all_faults == () for one, count in titles.values())
    health, _ = titles["Health of pump-2"]
    (fact,) = [fact for fact in health.through if fact.gold.row["table_name"] == "fct_alerts"]
    assert {part.range.table for row in fact.through for part in row.parts} == {"telemetry", "events"}
    (fleet,) = look("mart_fleet_by_firmware", "unknown/2.0").through
    assert [(part.range.first_row, part.range.rows) for part in fleet.parts] == [(4, 1)]


def test_a_value_with_a_slash_is_given_as_json(look: Look) -> None:
    assert [one.range.rows for one in look("fct_message_threads", '["chat", "ops/night", "t1"]').parts] == [3]
    with pytest.raises(Misused, match=r"source/channel/thread_id .* give 3 values, as JSON"):
        look("fct_message_threads", "chat/ops/night/t1")


@pytest.mark.parametrize(
    ("error", "table", "key", "told"),
    [
        (NotFound, "nope", "x", "use one of .*fct_readings"),
        (NotFound, "fct_readings", f"pump-9/flow/{at(0)}", "copy the key from a query"),
        (Misused, "fct_readings", "pump-1/flow/yesterday noon", "does not fit gold.fct_readings"),
        (Misused, "fct_readings", '{"device_id": "pump-1"}', "give each of them, once"),
        (Misused, "fct_readings", "{", "no JSON"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_words(
    look: Look, error: type[Exception], table: str, key: str, told: str
) -> None:
    with pytest.raises(error, match=told):
        look(table, key)


def test_another_tenant_finds_nothing(look: Look) -> None:
    with pytest.raises(NotFound):
        look("fct_readings", f"pump-1/temperature/{at(40)}", tenant="default")


def test_a_table_without_a_declaration_is_followed_by_what_its_columns_name(app: App, look: Look) -> None:
    sha256 = receipt(look("fct_events", "e9")).object_sha256
    made = """
        create table gold.x_bare (tenant_id text, name text, unique (tenant_id, name));
        create table gold.x_object (tenant_id text, object_sha256 text, unique (tenant_id, object_sha256));
        create table gold.x_incident (tenant_id text, x text, opened_event_id text, closed_event_id text,
            other_event_ids text[], unique (tenant_id, x));
        create table gold.x_mart (tenant_id text, device_id text, unique (tenant_id, device_id));
        insert into gold.x_incident values ('acme', 'i', 'e9', null, '{e100,e103}');
        insert into gold.x_mart values ('acme', 'pump-2');
    """
    with database.connect(app.database_url, autocommit=True) as connection:
        connection.execute(made)
        connection.execute("insert into gold.x_object values ('acme', %s)", (sha256,))
        try:
            with pytest.raises(Refused, match=r"there is lineage of .*fct_readings.*x_mart"):
                look("x_bare", "a")
            held, incident, mart = look("x_object", sha256), look("x_incident", "i"), look("x_mart", "pump-2")
        finally:
            connection.execute("drop table gold.x_bare, gold.x_object, gold.x_incident, gold.x_mart")
    assert [(one.range.table, one.range.rows) for one in held.parts] == [("telemetry", 2), ("events", 1)]
    assert [one.gold.key["event_id"] for one in incident.through] == ["e9", "e100", "e103"]
    assert incident.found == {"rows of fct_events": 3}
    assert {one.arrival.way for event in incident.through for one in event.statements} == {"request", "stream"}
    assert sum(part.range.rows for device in mart.through for part in device.parts) == 11


def test_gold_that_was_changed_by_hand_is_found_out(look: Look, tampered: Callable[[str], None]) -> None:
    tampered(f"update gold.fct_readings set value = 1 where device_id = 'pump-1' and ts in ('{at(1)}', '{at(50)}')")
    tampered(f"update gold.fct_readings set object_sha256 = repeat('0', 64) where ts = '{at(60)}'")
    tampered(f"delete from gold.fct_readings where ts = '{at(61)}'")
    assert look("fct_readings", f"pump-1/temperature/{at(1)}").faults == (
        "gold says value 1.0, and bronze 20.555555556",
    )
    assert look("fct_readings", f"pump-1/temperature/{at(50)}").faults == ("gold says value 1.0, and bronze 70.0",)
    assert "bronze has no such row of this key" in look("fct_readings", f"pump-1/temperature/{at(60)}").faults[0]
    assert look("fct_readings_hourly", f"pump-1/temperature/{at(60)}").faults == (
        f"bronze has no row of object {'0' * 64}, which 1 of its readings name",
        "its reading_count is 30, and gold.fct_readings has 29 such readings",
    )


def test_an_object_that_was_changed_on_disk_is_found_out(app: App, look: Look) -> None:
    one = receipt(look("fct_readings", f"pump-3/flow/{at(1)}"))
    path = Path(app.bronze.url.removeprefix("file://"), "acme", "objects", one.object_sha256[:2], one.object_sha256)
    kept = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(kept.replace(b"2.0", b"3.0"))
    try:
        with pytest.raises(CorruptObject):
            look("fct_readings", f"pump-3/flow/{at(1)}")
        path.unlink()
        assert receipt(look("fct_readings", f"pump-3/flow/{at(1)}")).raw is None
    finally:
        path.write_bytes(kept)


def test_the_command_prints_both_ways_and_fails_where_gold_and_bronze_differ(
    app: App, tampered: Callable[[str], None]
) -> None:
    environment = {
        **os.environ,
        "IOTOPS_HOME": str(app.settings.home),
        "IOTOPS_DATABASE_URL": app.database_url,
    }

    def iotops(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "iotops.cli.main", "warehouse", "lineage", *arguments, "--tenant", "acme"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    key = f"pump-1/temperature/{at(2)}"
    shown, asked = iotops("fct_readings", key), iotops("fct_readings", key, "--json")
    tampered("update gold.fct_readings set value = 1")
    refused = iotops("fct_readings", key)

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("receipt: acme/objects/") == 1
    assert "record 5" in shown.stdout
    assert "(read again: the same)" in shown.stdout
    said = json.loads(asked.stdout)
    assert (said["faults"], [one["is_receipt"] for one in said["statements"]]) == ([], [False, True])
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("iotops: gold and bronze differ in this row: gold says value 1.0")
    assert iotops("fct_readings", "a").returncode == 2


def test_after_the_files_are_made_few_and_the_log_is_short_the_rows_are_still_found(app: App, look: Look) -> None:
    """Last, as it changes bronze for all."""
    before = receipt(look("fct_readings", f"pump-2/flow/{at(3)}"))
    ingest_telemetry(app.bronze, "acme", _late(app), now=NOW + timedelta(hours=9), source="plant")
    maintain(app.bronze)
    found = look("fct_readings", f"pump-2/flow/{at(3)}")
    assert [(one.is_receipt, one.in_gold) for one in found.statements] == [
        (False, True),
        (True, True),
        (False, False),
    ]
    assert receipt(found).file != before.file
    assert receipt(found).arrival == before.arrival
    assert found.all_faults == ()
    log = Path(app.bronze.url.removeprefix("file://"), "telemetry", "_delta_log")
    for entry in log.glob("*.json"):
        if int(entry.stem) <= before.arrival.bronze_version:
            entry.unlink()
    alone = receipt(look("fct_readings", f"pump-2/flow/{at(3)}")).arrival
    assert (alone.way, alone.offsets, alone.entry) == ("unknown", (), None)
    app.bronze.remove("telemetry", equals("device_id", "pump-2"))
    gone = look("fct_readings", f"pump-2/flow/{at(3)}")
    assert gone.all_faults == ("no row of bronze tells of it: it was archived, erased, or never there",)


def _late(app: App) -> Path:
    path = app.settings.home / "later.csv"
    path.write_text(f"device_id,metric,ts,value\npump-2,flow,{at(3)},9\n")
    return path
