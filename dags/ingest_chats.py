"""Chat exports from the inbox into bronze, once an hour.

The messages land first; from them each touched conversation is written again as one document, so that a thread is
found and cited like a manual. An export that only grew lands only what is new in it.
"""

from airflow.sdk import dag

from dags.chain import BRONZE_CHATS, SHARED
from dags.inbox import ingest, tenants_with


@dag(schedule="@hourly", doc_md=__doc__, **SHARED)
def ingest_chats() -> None:
    ingest("chats", outlet=BRONZE_CHATS).expand(tenant_id=tenants_with("chats"))


ingest_chats()
