"""Hot to warm: what leaves Postgres, what must not change by it, and that bronze gives the same again."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from iotops.bootstrap import App
from iotops.replay import Replayed, rebuild
from lakehouse import archive, database
from lakehouse.archive import midnight
from lakehouse.bronze import Bronze
from lakehouse.cold import restore
from lakehouse.content import content_hashes
from lakehouse.errors import ObjectStoreUnavailable, StepFailed
from lakehouse.ingest import ingest_documents, ingest_telemetry
from lakehouse.landing import Landed, land
from lakehouse.lineage import gold_rows
from lakehouse.objects import FolderStore
from lakehouse.retention import TIMES, Policy, Retained, apply_retention
from lakehouse.warehouse import build_warehouse
from rag.answer import Answer, Question
from rag.indexing import build_index, promote

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
AVERAGE = "What was the average flow of pump-0"
TENANTS = ("default", "other")
DEVICES = ("dim_device_firmware", "dim_devices")
Rows = dict[str, list[tuple[Any, ...]]]


def at(day: float) -> str:
    """That many days after the first of October."""
    return (datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days=day)).isoformat()


def firmware(device: int, day: float) -> str:
    """Device 0 never changes; 1 changes on day 3 at 15:00 and goes back at 18:00; 2 changes every other day."""
    return {0: "1.0", 1: "2.0" if 3.625 <= day < 3.75 else "1.0", 2: f"1.{int(day) // 2}"}[device]


def readings(first: float, last: float) -> list[str]:
    """Two metrics of three devices every hour; the place of device 2 changes on day 2."""
    return [
        f"pump-{device},{metric},{at(hour / 24)},{hour * 7 % 100 / 10},{firmware(device, hour / 24)},"
        f"{'south' if device == 2 and hour >= 48 else 'north'},P-{device}"
        for hour in range(int(first * 24), int(last * 24))
        for device in range(3)
        for metric in ("flow", "pressure")
    ]


# One device is renamed on day 2, before it is retired, and once more on day 4, when half of it was. Another is never
# heard of under its later name; that is told again two days after it.
RENAMED = {
    "readings": [
        *(f"old-0,flow,{at(days)},1,3.0,north,R" for days in (0, 1.5, 2)),
        *(f"new-0,flow,{at(days)},1,3.1,north,R" for days in (2.75, 3.5, 4.25)),
        f"gone-0,flow,{at(0)},1,3.0,north,R",
    ],
    "renamings": [
        f"r1,device_renamed,{at(2.5)},new-0,old-0,new-0",
        f"r2,device_renamed,{at(1)},gone-0,gone-0,gone-1",
        f"r3,device_renamed,{at(3)},gone-0,gone-0,gone-1",
    ],
}
LATE_READINGS = [f"newest-0,flow,{at(days)},1,3.1,west,R" for days in (4.75, 5.5)]
LATE_RENAMING = [f"r4,device_renamed,{at(4.5)},newest-0,new-0,newest-0"]
LATE_EVENTS = [
    f"late-alarm,alarm,{at(4.4)},pump-0,,",
    f"late-clearing,alarm_cleared,{at(5.2)},pump-0,,",
    f"late-incident,incident_opened,{at(4.4)},pump-1,,",
    f"late-work,maintenance_performed,{at(4.4)},pump-2,,",
]
RETIRED_EVENTS = ("late-alarm", "late-incident", "late-work")


def ingest(app: App, folder: Path, name: str, rows: list[str], kind: str = "readings", now: datetime = NOW) -> None:
    head = {
        "readings": "device_id,metric,ts,value,firmware,site,model",
        "events": "event_id,event_type,ts,device_id,firmware,site",
        "renamings": "event_id,event_type,ts,device_id,from,to",
    }
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.csv"
    file.write_text("\n".join([head[kind], *rows]) + "\n")
    for tenant_id in TENANTS:
        assert ingest_telemetry(app.bronze, tenant_id, file, now=now).quarantined == 0


def build(app: App) -> None:
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=app.settings.home / "dbt")


def apply(app: App, horizon: int, archived: int | None = None, bronze: Bronze | None = None) -> Retained:
    """Postgres keeps day `horizon` and later, Delta those from `archived` on."""
    days = [None if one is None else (NOW.date() - day(one)).days for one in (horizon, archived)]
    home = app.settings.home
    return apply_retention(
        app.database_url,
        bronze or app.bronze,
        Policy(*days),
        now=NOW,
        dbt_project=app.settings.dbt_project,
        work=home / "dbt",
    )


def day(number: int) -> date:
    return date(2026, 10, 1) + timedelta(days=number)


def tables(app: App, *names: str) -> Rows:
    with database.connect(app.database_url) as connection:
        return {
            name: sorted(connection.execute(psycopg.sql.SQL("select * from {}").format(identifier(name))), key=repr)
            for name in names
        }


def holders(app: App, needles: Iterable[str]) -> dict[str, set[str]]:
    """Of each text the tables of gold that have it in a row."""
    with database.connect(app.database_url) as connection:
        names = [f"gold.{name}" for (name,) in connection.execute(gold_rows.TABLES)]
    told = {name: repr(rows) for name, rows in tables(app, *names).items()}
    return {needle: {name for name, rows in told.items() if needle in rows} for needle in needles}


def identifier(name: str) -> psycopg.sql.Identifier:
    return psycopg.sql.Identifier(*name.split("."))


def hashes(app: App) -> dict[str, str]:
    with database.transaction(app.database_url) as connection:
        return content_hashes(connection)


def older(app: App, horizon: int) -> dict[str, int]:
    """Rows before that day, of every table that has such."""
    with database.connect(app.database_url) as connection:
        return {
            table: connection.execute(
                f"select count(*) from {table} where {before.replace('$1', '%s')}", (midnight(day(horizon)),)
            ).fetchone()[0]  # type: ignore[index]
            for table, before in TIMES.items()
        }


@dataclass
class Life:
    """An installation that grew, retired, took in late data, retired further and was rebuilt; and what was seen."""

    app: App
    gold: list[Rows] = field(default_factory=list)
    older: list[dict[str, int]] = field(default_factory=list)
    runs: list[Retained] = field(default_factory=list)
    late: Landed | None = None
    interrupted: list[dict[str, str]] = field(default_factory=list)
    rebuilt: Replayed | None = None
    answer_ids: list[str] = field(default_factory=list)
    holders: list[dict[str, set[str]]] = field(default_factory=list)
    renamed: Answer | None = None


GOLD = ("gold.fct_readings", "gold.fct_readings_hourly", "gold.fct_events", *(f"gold.{name}" for name in DEVICES))


@pytest.fixture(scope="module")
def life(new_app: Callable[[Path], App], tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder = tmp_path_factory.mktemp("retention")
    life = Life(new_app(folder / "home"))
    app = life.app
    grow(app, folder / "files")
    life.renamed = app.copilot.ask(Question("How many flow readings did old-0 have?", "default", NOW))
    life.answer_ids += [ask(app, text, NOW - DAY) for text in (AVERAGE, f"{AVERAGE} on 2026-10-06")]
    life.gold.append(tables(app, *GOLD))
    life.older.append(older(app, 4))
    life.interrupted += [hashes(app), *cut_off(app)]
    life.runs += [apply(app, 4), apply(app, 4), apply(app, 2)]
    life.gold.append(tables(app, *GOLD))
    life.older.append(older(app, 4))
    ingest(app, folder / "files", "late", ["pump-0,flow," + at(1.5) + ",5,0.9,west,P-0", *readings(6, 7)])
    ingest(app, folder / "files", "late_readings", LATE_READINGS)
    ingest(app, folder / "files", "late_renaming", LATE_RENAMING, "renamings")
    ingest(app, folder / "files", "late_events", LATE_EVENTS, "events")
    life.late = land(app.database_url, app.bronze)
    build(app)
    life.holders.append(holders(app, RETIRED_EVENTS))
    life.gold.append(tables(app, *GOLD))
    with ThreadPoolExecutor(2) as pool:
        life.runs += sorted(pool.map(lambda _: apply(app, 5, 3), range(2)), key=lambda run: -len(run.retired))
    life.gold.append(tables(app, *GOLD))
    life.older.append(older(app, 5))
    life.holders.append(holders(app, RETIRED_EVENTS))
    index(app)  # gold writes texts of what it counts, and those changed
    life.rebuilt = rebuild(app, now=NOW, say=lambda _: None)
    return life


class FullStore(FolderStore):
    """Takes so many files of tables and archives, and no more."""

    def __init__(self, root: Path, room: int) -> None:
        super().__init__(root)
        self.room = room

    def put_part(self, path: str, data: bytes | memoryview) -> None:
        if not self.room:
            raise ObjectStoreUnavailable(str(self.root), "no space left")
        self.room -= 1
        super().put_part(path, data)


def cut_off(app: App) -> Iterator[dict[str, str]]:
    """What Postgres holds after a run that cannot write all that it has to keep, and after one that cannot commit."""
    full = Bronze(app.bronze.url, FullStore(app.settings.home / "bronze", room=3))
    with pytest.raises(ObjectStoreUnavailable, match="no space left"):
        apply(app, 4, bronze=full)
    yield hashes(app)
    with database.transaction(app.database_url) as connection:
        connection.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'the disk is full'; end $$"
        )
        connection.execute("create trigger refuse before insert on registry.retention execute function refuse()")
    with pytest.raises(StepFailed, match=r"retention failed, and Postgres is as it was: .*the disk is full"):
        apply(app, 4)
    with database.transaction(app.database_url) as connection:
        connection.execute("drop trigger refuse on registry.retention")
    yield hashes(app)


def ask(app: App, text: str, now: datetime) -> str:
    return app.copilot.ask(Question(text, "default", now)).answer_id


def grow(app: App, files: Path) -> None:
    """Two deliveries, each built by itself; the second corrects and repeats what the first said."""
    ingest(app, files, "first", readings(0, 3))
    ingest(app, files, "events", [f"e1,firmware_upgraded,{at(3.6)},pump-1,2.0,north"], "events")
    for kind, rows in RENAMED.items():
        ingest(app, files, f"renamed_{kind}", rows, kind)
    (files / "pump.md").write_text("# Pump\n\nIt holds 5 bar.\n")
    ingest_documents(app.bronze, "default", files / "pump.md", now=NOW)
    build(app)
    later = NOW + timedelta(hours=1)
    corrected = [f"pump-0,flow,{at(1)},77,1.0,north,P-0"]
    ingest(app, files, "second", [*readings(2, 6), *corrected], now=later)
    # What happened on day 5 turns out to have happened on day 1, and the other way round.
    ingest(app, files, "moved", [f"e2,alarm,{at(5)},pump-0,,", f"e3,alarm,{at(1)},pump-0,,"], "events")
    ingest(app, files, "corrected", [f"e2,alarm,{at(1)},pump-0,,", f"e3,alarm,{at(5)},pump-0,,"], "events", now=later)
    build(app)
    index(app)


def index(app: App) -> None:
    version = build_index(app.database_url, app.embedder, app.settings.home / "indexes", now=NOW).version
    promote(app.database_url, version.index_version, now=NOW)


def test_older_rows_leave_postgres_and_the_others_stay_as_they_were(life: Life) -> None:
    assert life.runs[0].horizon == day(4)
    assert life.runs[0].retired == life.older[0]
    assert {table for table, rows in life.older[0].items() if not rows} == {"gold.fct_readings_set_aside"}
    assert set(life.older[1].values()) == set(life.older[2].values()) == {0}
    for table, column in (("gold.fct_readings", 3), ("gold.fct_readings_hourly", 3)):
        kept = [row for row in life.gold[0][table] if row[column] >= midnight(day(4))]
        assert life.gold[1][table] == kept != []


def test_what_is_known_of_devices_does_not_change_when_their_readings_go(life: Life) -> None:
    for name in DEVICES:
        assert life.gold[0][f"gold.{name}"] == life.gold[1][f"gold.{name}"] != []
    stretches = [row[2:5] for row in life.gold[3]["gold.dim_device_firmware"] if row[:2] == ("default", "pump-1")]
    assert [(name, start.isoformat()) for name, start, _ in sorted(stretches, key=lambda row: row[1])] == [
        ("1.0", at(0)),
        ("2.0", at(3.6)),
        ("1.0", at(3.75)),
    ]


def test_a_renamed_device_stays_one_when_the_renaming_is_retired(life: Life) -> None:
    of_devices = [gold["gold.dim_devices"] for gold in life.gold]
    names = [{row[1] for row in rows} for rows in of_devices]
    assert names[0] == names[1] == {"pump-0", "pump-1", "pump-2", "new-0", "gone-1"}
    assert names[2] == names[3] == names[0] - {"new-0"} | {"newest-0"}
    assert of_devices[2] == of_devices[3]
    assert life.gold[2]["gold.dim_device_firmware"] == life.gold[3]["gold.dim_device_firmware"]
    (first_seen,) = {row[5] for row in of_devices[3] if row[1] == "newest-0"}
    assert first_seen.isoformat() == at(0)


def test_a_device_is_asked_for_by_its_former_name(life: Life) -> None:
    assert life.renamed is not None
    assert life.renamed.context.device_id == "new-0"
    assert life.renamed.text.splitlines() == [
        "6 flow readings were recorded for new-0. [1]",
        "old-0 was renamed and is called new-0 now.",
    ]


def test_what_gold_makes_of_events_goes_with_them(life: Life) -> None:
    before, after = life.holders
    assert "gold.fct_alerts" in before["late-alarm"]
    assert "gold.fct_incidents" in before["late-incident"]
    assert "gold.fct_maintenance" in before["late-work"]
    assert after == {needle: set() for needle in RETIRED_EVENTS}


def test_the_horizon_moves_once_and_never_back(life: Life) -> None:
    assert [(run.horizon, sum(run.retired.values()) > 0) for run in life.runs] == [
        (day(4), True),
        (day(4), False),
        (day(4), False),
        (day(5), True),
        (day(5), False),
    ]
    assert tables(life.app, "registry.retention")["registry.retention"] == [(day(4), NOW), (day(5), NOW)]


def test_an_event_that_crossed_the_horizon_is_what_the_rows_that_stayed_say(life: Life) -> None:
    alarms = [(*row[:2], row[4]) for row in life.gold[1]["gold.fct_events"] if row[3] == "alarm"]
    moment = datetime.fromisoformat(at(5))
    assert alarms == [(tenant, name, moment) for tenant in TENANTS for name in ("e2", "e3")]


def test_late_rows_stay_in_bronze_and_are_counted(life: Life) -> None:
    assert life.late is not None
    assert life.late.older == {"telemetry": len(TENANTS)}
    assert "2 rows are older than Postgres keeps and stay in bronze" in life.late.describe()
    for name in DEVICES:
        said = {repr(row) for row in life.gold[2][f"gold.{name}"] if row[1] == "pump-0"}
        assert said
        assert not any("0.9" in row or "west" in row for row in said)


def test_what_is_in_delta_and_in_the_archive_is_all_that_was_ingested(life: Life) -> None:
    bronze = life.app.bronze
    warm = [row for table in archive.ROWS for row in bronze.changes(table)[0].to_pylist()]
    cold = [
        row
        for tenant_id in TENANTS
        for table in archive.ROWS
        for part in archive.parts(bronze, tenant_id, table)
        for row in archive.read(bronze, part).to_pylist()
    ]
    assert sum(one.rows for run in life.runs for one in run.archived) == len(cold)
    assert max(row["ts"] for row in cold) < midnight(day(3)) <= min(row["ts"] for row in warm)
    files = [readings(0, 3), readings(2, 6), readings(6, 7), *RENAMED.values()]
    files += [LATE_READINGS, LATE_RENAMING, LATE_EVENTS]
    assert len(warm) + len(cold) == len(TENANTS) * (sum(map(len, files)) + 2 + 1 + 4)


def test_a_rebuild_from_bronze_without_its_archived_days_gives_the_same_content(life: Life) -> None:
    assert life.rebuilt is not None
    assert life.rebuilt.before is not None
    assert life.rebuilt.after.tables == life.rebuilt.before.tables
    assert life.rebuilt.to_json()["same"] is True


def test_a_new_database_takes_the_horizon_from_bronze_and_lands_the_same(
    life: Life, new_database: Callable[[], str]
) -> None:
    url = new_database()
    land(url, life.app.bronze)
    land(life.app.database_url, life.app.bronze)
    with database.transaction(url) as new, database.transaction(life.app.database_url) as known:
        assert new.execute("select max(horizon) from registry.retention").fetchone() == (day(5),)
        assert content_hashes(new, "landing") == content_hashes(known, "landing")


def test_a_run_that_fails_leaves_postgres_as_it_was(life: Life) -> None:
    assert len(life.interrupted) == 3
    assert life.interrupted[0] == life.interrupted[1] == life.interrupted[2]


def test_a_day_that_is_restored_is_in_delta_and_not_in_postgres(life: Life) -> None:
    before = hashes(life.app)
    assert restore(life.app.bronze, "default", day(0), day(0)).rows["telemetry"] > 0
    assert land(life.app.database_url, life.app.bronze).total == 0
    assert hashes(life.app) == before


def test_a_receipt_of_retired_rows_says_so_and_one_of_rows_that_stayed_holds(life: Life) -> None:
    old, new = (life.app.copilot.verify(answer_id, tenant_id="default").checks for answer_id in life.answer_ids)
    assert [(check.ok, check.retired) for check in (*old, *new)] == [(False, True), (True, False)]
    assert "rows from before 2026-10-06 have left Postgres since" in old[0].detail
    assert "does not make the answer false" in old[0].detail


def test_a_number_of_rows_that_are_only_partly_here_is_not_given_for_all(life: Life) -> None:
    whole = life.app.copilot.ask(Question(AVERAGE, "default", NOW))
    part = life.app.copilot.ask(Question(f"{AVERAGE} since 2026-10-03", "default", NOW))
    assert "since 2026-10-06" in whole.text
    assert (part.status, part.claims) == ("abstained", ())
    assert "from before 2026-10-06 are kept in bronze only" in part.text


def test_by_default_nothing_is_limited_and_nothing_is_done(app: App) -> None:
    done = apply_retention(
        app.database_url, app.bronze, Policy(None, None), now=NOW, dbt_project=Path("none"), work=Path("none")
    )
    assert "nothing is limited" in done.describe()
    assert not app.settings.home.joinpath("bronze").exists()
