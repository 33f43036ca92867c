"""Bronze to landing, silver and gold, whenever documents, chats or telemetry came in.

dbt runs once for all models and their tests, and builds a candidate beside the gold that is served. Where nothing is new
since the last build it is not started. Great Expectations checks the candidate as a whole; only what passes both is
promoted, and announced to the index.
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

    @task
    def check_gold(built: dict[str, Any]) -> None:
        from iotops.bootstrap import bootstrap
        from lakehouse import quality
        from lakehouse.promotion import CANDIDATE

        if not built["skipped"]:
            quality.check_gold(bootstrap().database_url, schema=CANDIDATE)

    @task(outlets=[GOLD])
    def promote_gold(built: dict[str, Any]) -> None:
        from iotops.bootstrap import bootstrap
        from lakehouse import warehouse

        if not built["skipped"]:
            warehouse.promote(bootstrap().database_url, built["build_id"])

    candidate = BuildGold(task_id="build_gold")
    land() >> candidate >> check_gold(candidate.output) >> promote_gold(candidate.output)


transform_warehouse()
