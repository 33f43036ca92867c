"""The environment that Airflow's processes get, and what it is made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from iotops.airflow import airflow_environment, airflow_password, metadata_url
from iotops.bootstrap import App
from iotops.settings import read_settings
from lakehouse import database
from lakehouse.errors import DatabaseUnavailable


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://postgres:@/postgres?host=/a/b", "postgresql+psycopg://postgres:@/airflow?host=/a/b"),
        (
            "postgres://u:p%40w@db.example:6432/iot?sslmode=require",
            "postgresql+psycopg://u:p%40w@db.example:6432/airflow?sslmode=require",
        ),
    ],
)
def test_the_metadata_database_is_beside_the_data_on_the_same_server(url: str, expected: str) -> None:
    assert metadata_url(url) == expected


def test_the_metadata_database_is_made_on_first_use(app: App) -> None:
    environment = airflow_environment(app.settings, app.database_url)
    url = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg", "postgresql")
    with database.connect(url) as connection:
        assert connection.execute("select current_database()").fetchone() == ("airflow",)


def test_a_task_reads_the_settings_of_the_process_that_started_airflow(app: App) -> None:
    environment = airflow_environment(app.settings, app.database_url)
    assert read_settings(environment) == replace(app.settings, database_url=app.database_url)


def test_the_keys_stay_those_of_the_home_and_nobody_else_can_read_them(app: App) -> None:
    first = airflow_environment(app.settings, app.database_url)
    assert airflow_environment(app.settings, app.database_url) == first
    folder = app.settings.home / "airflow"
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {
        "secrets.json": "0o600",
        "passwords.json": "0o600",
    }
    assert len(airflow_password(app.settings)) >= 12
    assert len(first["AIRFLOW__API_AUTH__JWT_SECRET"]) == 64


def test_two_homes_have_different_keys(app: App, tmp_path: Path) -> None:
    other = replace(app.settings, home=tmp_path / "other")
    names = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY")
    ours, theirs = (airflow_environment(settings, app.database_url) for settings in (app.settings, other))
    assert [name for name in names if ours[name] == theirs[name]] == []


def test_tasks_find_the_api_server_on_its_port(app: App) -> None:
    environment = airflow_environment(replace(app.settings, airflow_port=18080), app.database_url)
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18080/execution/"
    assert environment["AIRFLOW__API__PORT"] == "18080"


def test_a_database_that_is_down_is_one_clear_error(app: App) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/none does not answer"):
        airflow_environment(app.settings, "postgresql://nobody@127.0.0.1:1/none")
