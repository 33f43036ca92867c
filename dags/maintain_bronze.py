"""Every night, bronze's small files become few, and files that no version of the last week names are removed.

Rows keep the version that brought them, so nothing after bronze notices.
"""

from typing import Any

from airflow.sdk import dag, task

from dags.chain import SHARED


@dag(schedule="@daily", doc_md=__doc__, **SHARED)
def maintain_bronze() -> None:
    @task
    def maintain() -> list[dict[str, Any]]:
        from iotops.bootstrap import bootstrap
        from lakehouse import maintenance

        return [done.to_json() for done in maintenance.maintain(bootstrap().bronze)]

    maintain()


maintain_bronze()
