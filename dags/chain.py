"""What the DAGs hand to each other, and what all of them share.

A DAG with a task that has one of these as outlet comes before every DAG scheduled on it. Nothing here names a DAG: the
order is what the assets say.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset

BRONZE_DOCUMENTS = Asset("bronze_documents")
BRONZE_CHATS = Asset("bronze_chats")
BRONZE_TELEMETRY = Asset("bronze_telemetry")
GOLD = Asset("gold")
SEARCH_INDEX = Asset("search_index")
ACTIVE_INDEX = Asset("active_index")

# One run at a time: two that overlap would land the same rows and race for the same watermark.
SHARED: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=5)},
}
