"""Real parts for every test: one embedded Postgres a worker, one empty database a test."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import LiteralString

import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from iotops.bootstrap import App
from iotops.settings import read_settings
from lakehouse import database
from tests.broker import Broker, running_broker

# Equal runs of the suite test equal examples; `--hypothesis-profile default` looks for others.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of an embedded server of this worker, with a database `template_iotops` that holds the schema."""
    home = Path(tempfile.mkdtemp(prefix="iotops-test-"))
    url = database.start_embedded(home)
    with database.connect(url, autocommit=True) as connection:
        # What a crash must not lose is shown on servers of their own. To drop a database that dbt built took 0.9 s.
        connection.execute("alter system set fsync = off")
        connection.execute("select pg_reload_conf()")
        connection.execute("create database template_iotops")
    with database.connect(_database(url, "template_iotops")) as connection:
        for package in ("lakehouse", "lakehouse.quality", "lakehouse.anomalies", "rag"):
            database.apply_schema(connection, files(package).joinpath("schema.sql").read_text())
    yield url
    database.stop_embedded(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def new_database(server: str) -> Iterator[Callable[..., str]]:
    """Makes databases with the schema alone, or with what another has; they are dropped when the worker ends."""
    names: list[str] = []

    def create(template: str = "template_iotops") -> str:
        names.append(f"test_{uuid.uuid4().hex[:12]}")
        _administer(server, "create database {} template {}", names[-1], template)
        return _database(server, names[-1])

    yield create
    for name in names:
        _administer(server, "drop database if exists {} with (force)", name)


@pytest.fixture
def database_url(server: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(server, "create database {} template template_iotops", name)
    yield _database(server, name)
    _administer(server, "drop database {} with (force)", name)


@pytest.fixture(scope="session")
def new_app(new_database: Callable[..., str]) -> Callable[[Path], App]:
    """Makes an installation with its home at the path, on a database of its own; for fixtures that many tests share."""
    return lambda home: App(
        read_settings({**os.environ, "IOTOPS_HOME": str(home), "IOTOPS_DATABASE_URL": new_database()})
    )


@pytest.fixture(scope="session")
def copy_app(new_database: Callable[..., str]) -> Callable[[App, Path], App]:
    """Makes an installation with all that another one has, for a test that changes what many tests start from."""

    def copy(app: App, home: Path) -> App:
        app.close()
        shutil.copytree(app.settings.home, home)
        url = new_database(str(conninfo_to_dict(app.database_url)["dbname"]))
        return App(read_settings({**os.environ, "IOTOPS_HOME": str(home), "IOTOPS_DATABASE_URL": url}))

    return copy


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def home_of_server() -> Iterator[Path]:
    """For a test with a Postgres of its own: it runs as another user, and pytest closes its folders to others."""
    home = Path(tempfile.mkdtemp(prefix="iotops-test-"))
    yield home
    database.stop_embedded(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def environment(home: Path, database_url: str) -> dict[str, str]:
    """The environment of a command line run on this test's home and database."""
    return {**os.environ, "IOTOPS_HOME": str(home), "IOTOPS_DATABASE_URL": database_url}


@pytest.fixture
def app(environment: dict[str, str]) -> App:
    return App(read_settings(environment))


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """One for all tests of a worker: each makes topics of its own."""
    with running_broker() as running:
        yield running


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("the public test data (../shared/data) is not beside this checkout")
    return SHARED_DATA


def _database(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?")


def _administer(server: str, statement: LiteralString, *names: str) -> None:
    with database.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
