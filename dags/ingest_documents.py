"""Manuals, runbooks and release notes from the inbox into bronze, once an hour.

Each tenant is a task of its own, so that one unreadable folder stops nobody else. Reading a folder again lands nothing
that is there already; a file that has gone from it is recorded as deleted.
"""

from airflow.sdk import dag

from dags.chain import BRONZE_DOCUMENTS, SHARED
from dags.inbox import ingest, tenants_with


@dag(schedule="@hourly", doc_md=__doc__, **SHARED)
def ingest_documents() -> None:
    ingest("documents", outlet=BRONZE_DOCUMENTS).expand(tenant_id=tenants_with("documents"))


ingest_documents()
