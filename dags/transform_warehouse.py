"""Bronze to landing, silver and gold, whenever documents, chats or telemetry came in.

dbt runs once for all models and their tests, and builds a candidate beside the gold that is served. Where nothing is
new since the last build it is not started. Great Expectations then judges what came in and the candidate. Only what
passes all of it is promoted, and announced to the index; else gold goes on serving what it served.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.chain import BRONZE_CHATS, BRONZE_DOCUMENTS, BRONZE_TELEMETRY, GOLD, SHARED
from dags.deadlines import done_within
from dags.gold import BuildGold


@dag(
    schedule=BRONZE_DOCUMENTS | BRONZE_CHATS | BRONZE_TELEMETRY,
    deadline=done_within(timedelta(minutes=30)),
    doc_md=__doc__,
    **SHARED,
)
def transform_warehouse() -> None:
    @task
    def land() -> dict[str, Any]:
        from iotops.bootstrap import bootstrap
        from lakehouse import landing

        app = bootstrap()
        return landing.land(app.database_url, app.bronze).to_json()

    @task(task_id="gates")
    def pass_gates(built: dict[str, Any]) -> None:
        from iotops.bootstrap import bootstrap
        from iotops.gates import gates

        if not built["skipped"]:
            app = bootstrap()
            gates(app, now=datetime.now(UTC))(app.database_url)

    @task(outlets=[GOLD])
    def promote_gold(built: dict[str, Any]) -> None:
        from iotops.bootstrap import bootstrap
        from lakehouse import warehouse

        if not built["skipped"]:
            warehouse.promote(bootstrap().database_url, built["build_id"])

    candidate = BuildGold(task_id="build_gold")
    land() >> candidate >> pass_gates(candidate.output) >> promote_gold(candidate.output)


transform_warehouse()
