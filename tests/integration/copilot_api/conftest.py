"""One installation, ingested and built once for this folder, and the API over its real copilot."""

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from starlette.testclient import TestClient

from copilot_api.app import create_app
from iotops.bootstrap import App
from iotops.settings import read_settings
from lakehouse import database, tenants
from lakehouse.bronze import Bronze
from lakehouse.ingest import ingest_documents, ingest_telemetry
from lakehouse.intake import Intake
from lakehouse.warehouse import build_warehouse
from rag.copilot import Copilot
from rag.indexing import build_index, promote

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)

MANUAL = """---
title: P-200 manual
product: P-200
version: "2.1"
---
# P-200 manual

## Filter

The filter is rinsed with clean water at 5 °C every 500 hours. Solvents damage its mesh.

## Pressure

The relief valve opens at 8 bar.
"""


@pytest.fixture(scope="session")
def installation(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Tenants `default`, with a manual and a day of readings, and `acme`, with nothing."""
    name = f"api_{uuid.uuid4().hex[:12]}"
    with database.connect(server, autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("create database {} template template_iotops").format(psycopg.sql.Identifier(name))
        )
    folder = tmp_path_factory.mktemp("api")
    url = server.replace("/postgres?", f"/{name}?")
    app = App(read_settings({**os.environ, "IOTOPS_HOME": str(folder / "home"), "IOTOPS_DATABASE_URL": url}))
    with database.transaction(app.database_url) as connection:
        tenants.create_tenant(connection, "acme")
    ingest_documents(app.bronze, "default", write_manual(folder), now=NOW)
    ingest_telemetry(app.bronze, "default", write_readings(folder), now=NOW)
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=folder / "dbt")
    built = build_index(app.database_url, app.embedder, app.settings.home / "indexes", now=NOW)
    promote(app.database_url, built.version.index_version, now=NOW)
    yield app
    with database.connect(server, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("drop database {} with (force)").format(psycopg.sql.Identifier(name)))


def write_manual(folder: Path) -> Path:
    path = folder / "manuals" / "p-200.md"
    path.parent.mkdir()
    path.write_text(MANUAL, encoding="utf-8")
    return path.parent


def write_readings(folder: Path) -> Path:
    start = datetime(2026, 10, 20, tzinfo=UTC)
    lines = ["device_id,metric,ts,value,unit,site,model,firmware"]
    for number in range(96):
        ts = (start + timedelta(minutes=15 * number)).isoformat()
        lines.append(f"pump-07,pressure_bar,{ts},{5 + number % 4},bar,north,P-200,2.1")
    path = folder / "readings.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def client(installation: App) -> TestClient:
    return serve(installation, installation.bronze, installation.database_url, installation.settings.home)


@pytest.fixture
def unbuilt(installation: App, app: App) -> TestClient:
    """An installation with tenants and nothing else."""
    return serve(installation, app.bronze, app.database_url, app.settings.home)


@pytest.fixture
def without_database(installation: App, app: App, tmp_path: Path) -> TestClient:
    return serve(installation, app.bronze, "postgresql://user:secret@127.0.0.1:9/none", tmp_path)


def serve(installation: App, bronze: Bronze, url: str, home: Path) -> TestClient:
    copilot = Copilot(url, installation.objects, installation.embedder, home / "indexes")
    api = create_app(copilot, clock=lambda: NOW, intake=Intake(bronze, url))
    return TestClient(api, raise_server_exceptions=False)
