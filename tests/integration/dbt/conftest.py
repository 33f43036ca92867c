"""Two databases over the same rows, some of them duplicates: landed all at once, and shuffled in three deliveries, with
builds between them that were cut off."""

import json
import random
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from iotops.settings import REPOSITORY
from lakehouse import database
from lakehouse.bronze import TABLES, Bronze
from lakehouse.dbt_process import DBT, dbt_environment
from lakehouse.errors import StepFailed
from lakehouse.objects import FolderStore
from lakehouse.warehouse import build_candidate, build_warehouse

PROJECT = REPOSITORY / "dbt"
START = datetime(2026, 10, 1, tzinfo=UTC)
RECORDED = datetime(2026, 10, 20, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Warehouse:
    url: str
    bronze: Bronze
    work: Path

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with database.connect(self.url) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[call-overload,no-any-return]

    def land(self, rows: Rows) -> None:
        for table, records in rows.items():
            self.bronze.append(table, pa.Table.from_pylist(records, schema=TABLES[table]), [])

    def build(self) -> None:
        build_warehouse(self.url, self.bronze, dbt_project=PROJECT, work=self.work)


def readings() -> list[dict[str, Any]]:
    """Two devices, two metrics, every 7 minutes for a day; the first device upgrades at noon and goes back at 18:00."""
    rows = []
    for device in ("pump-1", "pump-2"):
        for metric in ("pressure", "temperature"):
            for number in range(0, 24 * 60, 7):
                ts = START + timedelta(minutes=number)
                upgraded = device == "pump-1" and 12 <= ts.hour < 18
                rows.append(
                    {
                        "tenant_id": "acme",
                        "dt": ts.date(),
                        "device_id": device,
                        "metric": metric,
                        "ts": ts,
                        "value": 0.1 * number + 1e15 * (number % 2),  # a sum of these depends on its order
                        "unit": "bar",
                        "site": "north",
                        "model": "P-200",
                        "firmware": "2.1" if upgraded else "2.0",
                        "source": "s",
                        "object_sha256": f"{metric[0] * 63}{number % 2}",
                        "row_number": number,
                        "recorded_at": RECORDED,
                    }
                )
    wrong_clocks = (RECORDED + timedelta(hours=1), datetime(1970, 1, 1, tzinfo=UTC))
    return rows + [rows[0] | {"ts": ts, "dt": ts.date(), "row_number": 10_000} for ts in wrong_clocks]


def events() -> list[dict[str, Any]]:
    common = {
        "tenant_id": "acme",
        "source": "s",
        "object_sha256": "e" * 64,
        "recorded_at": RECORDED,
        "severity": "info",
    }
    upgrade = {
        "event_type": "firmware_upgraded",
        "attributes": '{"to_version": "2.1"}',
        "ts": START + timedelta(hours=11.9),
    }
    alarm = {"event_type": "alarm", "attributes": "{}", "ts": START + timedelta(hours=15)}
    return [
        common | upgrade | {"event_id": "e1", "device_id": "pump-1", "row_number": 1},
        common | alarm | {"event_id": "e2", "device_id": None, "row_number": 2},
        common | alarm | {"event_id": "e3", "device_id": "valve-9", "row_number": 3},
        *(
            common | told | {"event_id": f"o{number}", "row_number": 10 + number}
            for number, told in enumerate(operations())
        ),
    ]


def operations() -> list[dict[str, Any]]:
    """A renaming, settings, work, an incident with its alarm, and a CI run."""
    told = [
        (14, "valve-8", "alarm", {"code": "HOT", "value": 93.5}),
        (16, "valve-9", "device_renamed", {"from": "valve-8", "to": "valve-9"}),
        (17, "valve-9", "alarm_cleared", {"code": "HOT"}),
        (3, "pump-2", "configuration_changed", {"interval": 60}),
        (5, "pump-2", "configuration_changed", {"mode": "eco"}),
        (6, "pump-2", "incident_opened", {"incident_id": "INC-1"}),
        (6.1, "pump-2", "alarm", {"code": "STUCK"}),
        (8, "pump-2", "incident_resolved", {"incident_id": "INC-1", "cause": "a worn seal"}),
        (7, "pump-2", "maintenance_performed", {"component": "seal"}),
        (9, None, "ci_run", {"repository": "r", "run_id": "7", "conclusion": "success"}),
    ]
    return [
        {
            "device_id": device_id,
            "event_type": event_type,
            "attributes": json.dumps(attributes),
            "ts": START + timedelta(hours=hour),
        }
        for hour, device_id, event_type, attributes in told
    ]


def messages() -> list[dict[str, Any]]:
    common = {
        "tenant_id": "acme",
        "source": "slack",
        "channel": "ops",
        "object_sha256": "c" * 64,
        "recorded_at": RECORDED,
    }
    return [
        common
        | {
            "message_id": f"m{number}",
            "thread_id": f"t{number % 3}",
            "author": f"person-{number % 2}",
            "ts": START + timedelta(minutes=number),
            "text": f"message {number}",
            "deleted": number == 5,
        }
        for number in range(12)
    ]


def documents(bronze: Bronze) -> list[dict[str, Any]]:
    """Two pages of two releases, and what the first page of both includes."""
    rows = []
    for version in ("9.1", "10.0"):
        for page in ("start", "care"):
            include = '\n\n--8<-- ".snippets/limits.md"' if page == "start" else ""
            text = f"# {page} {version}{include}".encode()
            sha256 = bronze.objects.put("acme", text)
            rows.append(
                {
                    "tenant_id": "acme",
                    "source": "docs",
                    "path": f"{version}/{page}.md",
                    "kind": "manual",
                    "title": page,
                    "object_sha256": sha256,
                    "raw_sha256": sha256,
                    "media_type": "text/markdown",
                    "extraction": "none",
                    "byte_start": 0,
                    "byte_end": len(text),
                    "product": "P-200",
                    "version_from": version,
                    "classification": "internal",
                    "deleted": False,
                    "recorded_at": RECORDED,
                }
            )
    text = b"At most 7 bar."
    sha256 = bronze.objects.put("acme", text)
    unversioned = {"path": ".snippets/limits.md", "title": "limits", "product": None, "version_from": None}
    return [*rows, rows[0] | unversioned | {"object_sha256": sha256, "raw_sha256": sha256, "byte_end": len(text)}]


def corrections(bronze: Bronze) -> Rows:
    """What is said a day later: another value, a message and a page that are gone, a new text of a page."""
    later = {"recorded_at": RECORDED + timedelta(days=1)}
    reading = next(row for row in readings() if row["device_id"] == "pump-2")
    message = messages()[1]
    start, care, *_, limits = (page for page in documents(bronze) if page["version_from"] != "10.0")
    text, lower = b"# start 9.1, corrected", b"At most 6 bar."
    return {
        "telemetry": [reading | later | {"value": -5.0, "object_sha256": "x" * 64}],
        "messages": [message | later | {"deleted": True}],
        "documents": [
            start | later | {"object_sha256": bronze.objects.put("acme", text), "byte_end": len(text)},
            care | later | {"deleted": True},
            limits | later | {"object_sha256": bronze.objects.put("acme", lower), "byte_end": len(lower)},
        ],
    }


@pytest.fixture(scope="package")
def warehouse(warehouses: list[Warehouse]) -> Warehouse:
    """The one that grew delivery by delivery, as real ones do."""
    return warehouses[1]


@pytest.fixture(scope="package")
def grow(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int | None], Warehouse]]:
    """A warehouse in a database of its own: grown in the order of a seed, or all at once where there is none."""
    names: list[str] = []

    def build(seed: int | None) -> Warehouse:
        names.append(name := f"gold_{uuid.uuid4().hex[:12]}")
        with database.connect(server, autocommit=True) as connection:
            connection.execute(
                psycopg.sql.SQL("create database {} template template_iotops").format(psycopg.sql.Identifier(name))
            )
        return _build(server, name, tmp_path_factory.mktemp(name), seed)

    yield build
    with database.connect(server, autocommit=True) as connection:
        for name in names:
            connection.execute(psycopg.sql.SQL("drop database {} with (force)").format(psycopg.sql.Identifier(name)))


@pytest.fixture(scope="package")
def warehouses(grow: Callable[[int | None], Warehouse]) -> list[Warehouse]:
    return [grow(None), grow(7)]


def _build(server: str, name: str, folder: Path, seed: int | None) -> Warehouse:
    """At once; or grown part by part, where one build was never promoted and one ended amid dbt."""
    url = server.replace("/postgres?", f"/{name}?")
    bronze = Bronze((folder / "bronze").as_uri(), FolderStore(folder / "bronze"))
    warehouse = Warehouse(url, bronze, folder / "dbt")
    at_once = seed is None
    parts = in_parts(everything(bronze), seed or 0)
    if at_once:
        parts = [{table: [row for part in parts for row in part[table]][::-1] for table in parts[0]}]
    for number, part in enumerate(parts):
        warehouse.land(part)
        if not at_once and number == 0:
            build_candidate(url, bronze, dbt_project=PROJECT, work=warehouse.work)
        elif not at_once and number == 1:
            warehouse.build()
            warehouse.land({"telemetry": part["telemetry"][:1]})
            with pytest.raises(StepFailed, match="cut off"):
                build_warehouse(url, bronze, dbt_project=PROJECT, work=warehouse.work, dbt=cut_off)
    warehouse.build()
    return warehouse


def everything(bronze: Bronze) -> Rows:
    """All that is said: the corrections of a day later among it, and a third of the rows again, from other files."""
    rows = {"telemetry": readings(), "events": events(), "messages": messages(), "documents": documents(bronze)}
    again = {name: {"object_sha256": "f" * 64} for name in rows.keys() - {"documents"}}
    return {
        table: [*said, *corrections(bronze).get(table, []), *(row | again.get(table, {}) for row in said[::3])]
        for table, said in rows.items()
    }


def cut_off(url: str, project: Path, work: Path, *, full_refresh: bool = False) -> list[dict[str, Any]]:
    """dbt, ended after the readings of the candidate were made."""
    select = ["run", "--quiet", "--select", "+fct_readings", *(["--full-refresh"] if full_refresh else [])]
    subprocess.run(
        [*DBT, *select],
        env=dbt_environment(url, work) | {"DBT_PROJECT_DIR": str(project), "DBT_PROFILES_DIR": str(project)},
        cwd=work,
        check=True,
    )
    raise StepFailed("cut off")


def in_parts(rows: Rows, seed: int) -> list[Rows]:
    """Three deliveries in no order. Each after the first brings some rows of the one before it again."""
    draw = random.Random(seed)  # noqa: S311 - a shuffle that is the same every time
    parts: list[Rows] = [{}, {}, {}]
    for table, records in rows.items():
        shuffled = draw.sample(records, len(records))
        for number, part in enumerate(parts):
            part[table] = shuffled[number::3] + (shuffled[number - 1 :: 3][:9] if number else [])
    return parts
