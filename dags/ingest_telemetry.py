"""Readings and events from the inbox into bronze, once an hour.

The devices of a fleet report through files (CSV, JSONL, Parquet) here; the stream from Kafka has its own command and
writes the same tables. A record that cannot be used goes to quarantine with its reason, and the rest goes on.
"""

from airflow.sdk import dag

from dags.chain import BRONZE_TELEMETRY, SHARED
from dags.inbox import ingest, tenants_with


@dag(schedule="@hourly", doc_md=__doc__, **SHARED)
def ingest_telemetry() -> None:
    ingest("telemetry", outlet=BRONZE_TELEMETRY).expand(tenant_id=tenants_with("telemetry"))


ingest_telemetry()
