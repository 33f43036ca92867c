"""The only reader of the environment. `.env.example` lists the same names; a test keeps the two equal."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.errors import Misused

MOST_DAYS = 36_500
RERANK_MODEL = "rerank-v3.5"
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Where this installation keeps its data and listens.

    database_url: None means the Postgres embedded under `home`.
    bronze_url: `file://` or `s3://`; objects and Delta tables live below it. AWS_* are read by the S3 clients.
    inbox: the folder that the ingest DAGs read, one sub-folder a tenant: `<tenant>/{documents,chats,telemetry}`.
    connectors: the YAML file that lists the origins to be read every hour.
    kafka_brokers: host:port of one or more brokers, separated by commas.
    rerank_url: a server with Cohere's /v2/rerank, or file:///folder with a cross-encoder. None: no reranking.
    hot_days, warm_days: how many days of readings and events stay in Postgres, and in Delta. None: for ever.
    """

    home: Path
    database_url: str | None
    bronze_url: str
    inbox: Path
    connectors: Path
    slack_token: str | None = field(repr=False)
    kafka_brokers: str
    slack_url: str | None
    api_port: int
    ui_port: int
    airflow_port: int
    rerank_url: str | None = None
    rerank_key: str | None = field(default=None, repr=False)
    rerank_model: str = RERANK_MODEL
    hot_days: int | None = None
    warm_days: int | None = None

    @property
    def dbt_project(self) -> Path:
        return REPOSITORY / "dbt"

    @property
    def dags_folder(self) -> Path:
        return REPOSITORY / "dags"


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Raises Misused where a value cannot be used, naming the variable."""
    home = Path(environ.get("IOTOPS_HOME") or ".iotops").expanduser().resolve()
    bronze_url = environ.get("IOTOPS_BRONZE_URL") or (home / "bronze").as_uri()
    if not bronze_url.startswith(("file://", "s3://")):
        raise Misused(f"IOTOPS_BRONZE_URL is '{bronze_url}': it must start with file:// or s3://")
    database_url = environ.get("IOTOPS_DATABASE_URL") or None
    if database_url and not database_url.startswith(("postgresql://", "postgres://")):
        raise Misused("IOTOPS_DATABASE_URL must start with postgresql://")
    rerank_url = environ.get("IOTOPS_RERANK_URL") or None
    if rerank_url and not rerank_url.startswith(("http://", "https://", "file://")):
        raise Misused(f"IOTOPS_RERANK_URL is '{rerank_url}': it must start with https://, http:// or file://")
    hot_days, warm_days = _days(environ, "IOTOPS_HOT_DAYS"), _days(environ, "IOTOPS_WARM_DAYS")
    if warm_days is not None and (hot_days is None or warm_days < hot_days):
        raise Misused(
            f"IOTOPS_WARM_DAYS is {warm_days} and IOTOPS_HOT_DAYS {hot_days or 'unset'}: what Postgres keeps has to be "
            "in Delta as well, so set IOTOPS_HOT_DAYS to as many days or fewer"
        )
    return Settings(
        home=home,
        database_url=database_url,
        bronze_url=bronze_url.rstrip("/"),
        inbox=Path(environ.get("IOTOPS_INBOX") or home / "inbox").expanduser().resolve(),
        connectors=Path(environ.get("IOTOPS_CONNECTORS") or home / "connectors.yaml").expanduser().resolve(),
        slack_token=environ.get("IOTOPS_SLACK_TOKEN") or None,
        slack_url=environ.get("IOTOPS_SLACK_URL") or None,
        kafka_brokers=environ.get("IOTOPS_KAFKA_BROKERS") or "127.0.0.1:9092",
        api_port=_port(environ, "IOTOPS_API_PORT", 8000),
        ui_port=_port(environ, "IOTOPS_UI_PORT", 8501),
        airflow_port=_port(environ, "IOTOPS_AIRFLOW_PORT", 8080),
        rerank_url=rerank_url,
        rerank_key=environ.get("IOTOPS_RERANK_KEY") or None,
        rerank_model=environ.get("IOTOPS_RERANK_MODEL") or RERANK_MODEL,
        hot_days=hot_days,
        warm_days=warm_days,
    )


def child_environment(
    settings: Settings, *, adding: Mapping[str, str] | None = None, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment for a process started here, in which `read_settings` gives these settings again."""
    spelt_out = {
        "IOTOPS_HOME": str(settings.home),
        "IOTOPS_DATABASE_URL": settings.database_url or "",
        "IOTOPS_BRONZE_URL": settings.bronze_url,
        "IOTOPS_INBOX": str(settings.inbox),
        "IOTOPS_CONNECTORS": str(settings.connectors),
        "IOTOPS_SLACK_TOKEN": settings.slack_token or "",
        "IOTOPS_SLACK_URL": settings.slack_url or "",
        "IOTOPS_KAFKA_BROKERS": settings.kafka_brokers,
        "IOTOPS_API_PORT": str(settings.api_port),
        "IOTOPS_UI_PORT": str(settings.ui_port),
        "IOTOPS_AIRFLOW_PORT": str(settings.airflow_port),
        "IOTOPS_RERANK_URL": settings.rerank_url or "",
        "IOTOPS_RERANK_KEY": settings.rerank_key or "",
        "IOTOPS_RERANK_MODEL": settings.rerank_model,
        "IOTOPS_HOT_DAYS": str(settings.hot_days or ""),
        "IOTOPS_WARM_DAYS": str(settings.warm_days or ""),
    }
    return {**environ, **spelt_out, **(adding or {})}


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Misused(f"{name} is '{text}': it must be a port between 1 and 65535")
    return int(text)


def _days(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) <= MOST_DAYS:
        raise Misused(f"{name} is '{text}': it must be a whole number of days from 1 to {MOST_DAYS}, or empty for ever")
    return int(text)
