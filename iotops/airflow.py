"""Airflow as this project runs it: its environment, its metadata database and its secrets, all under the home."""

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from iotops.settings import REPOSITORY, Settings, child_environment
from lakehouse import database

METADATA_DATABASE = "airflow"
USER = "admin"

# Usage statistics of everything that a task may import or start.
NOTHING_LEAVES = {
    "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "False",
    "SCARF_NO_ANALYTICS": "true",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
}


def airflow_environment(settings: Settings, database_url: str) -> dict[str, str]:
    """For every process of Airflow and every task. Makes the metadata database and the secrets where there are none."""
    _create_database(database_url)
    home = settings.home / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    keys = json.loads(_kept(home / "secrets.json", _new_keys))
    _kept(_password_file(settings), lambda: json.dumps({USER: secrets.token_urlsafe(12)}))
    configuration = _configuration(settings, home, metadata_url(database_url), keys)
    connected = replace(settings, database_url=database_url)
    return child_environment(connected, adding={**configuration, **NOTHING_LEAVES, "PYTHONPATH": str(REPOSITORY)})


def airflow_password(settings: Settings) -> str:
    return str(json.loads(_password_file(settings).read_text())[USER])


def metadata_url(database_url: str) -> str:
    """The same server and credentials, Airflow's own database. psycopg 3 serves its blocking and its async engine."""
    return urlunsplit(urlsplit(database_url)._replace(scheme="postgresql+psycopg", path=f"/{METADATA_DATABASE}"))


def _configuration(settings: Settings, home: Path, metadata: str, keys: Mapping[str, str]) -> dict[str, str]:
    address = f"http://127.0.0.1:{settings.airflow_port}"
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__SECRET_KEY": keys["session"],
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt"],
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.dags_folder),
        # Tasks talk to the API server: without its real port each of them fails with connection refused.
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_password_file(settings)),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__COSMOS__CACHE_DIR": str(home / "cosmos"),
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": metadata,
        # Its default of 5 s is too short for two busy cores: the task would fail before it began.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }


def _create_database(database_url: str) -> None:
    with database.connect(database_url, autocommit=True) as connection:
        known = connection.execute("select 1 from pg_database where datname = %s", (METADATA_DATABASE,)).fetchone()
        if known is None:
            connection.execute(f"create database {METADATA_DATABASE}")


def _password_file(settings: Settings) -> Path:
    return settings.home / "airflow" / "passwords.json"


def _new_keys() -> str:
    fernet = base64.urlsafe_b64encode(os.urandom(32)).decode()
    return json.dumps({"fernet": fernet, "jwt": secrets.token_hex(32), "session": secrets.token_hex(32)})


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that only its owner can read, made on first use."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
    return path.read_text()
