"""Bronze to landing, silver and gold, whenever documents, chats or telemetry came in.

dbt runs once for all models and their tests. Where nothing is new since the last build it is not started, and gold
stays as it is. Great Expectations then checks gold as a whole; only gold that passes both is announced to the index.
"""

from typing import Any

from airflow.sdk import dag, task

from dags.chain import BRONZE_CHATS, BRONZE_DOCUMENTS, BRONZE_TELEMETRY, GOLD, SHARED
from dags.gold import BuildGold


@dag(schedule=BRONZE_DOCUMENTS | BRONZE_CHATS | BRONZE_TELEMETRY, doc_md=__doc__, **SHARED)
def transform_warehouse() -> None:
    @task
    def land() -> dict[str, Any]:
        from iotops.bootstrap import bootstrap
        from lakehouse import landing

        app = bootstrap()
        return landing.land(app.database_url, app.bronze).to_json()

    @task(outlets=[GOLD])
    def check_gold() -> None:
        from iotops.bootstrap import bootstrap
        from lakehouse import quality

        quality.check_gold(bootstrap().database_url)

    land() >> BuildGold(task_id="build_gold") >> check_gold()


transform_warehouse()
