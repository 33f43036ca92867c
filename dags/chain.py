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
ANOMALIES = Asset("anomalies")
SEARCH_INDEX = Asset("search_index")
ACTIVE_INDEX = Asset("active_index")

# One run at a time: two that overlap would land the same rows and race for the same watermark. What failed is tried
# again after 5 to 10 s, then after 30 to 60 s. A task that hangs is given up: the longest, the first index of a large
# corpus, embeds 200,000 texts an hour on two cores.
SHARED: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": 6,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=6),
    },
}
