"""One day of gold, made anew from all that was landed of it: every night the day that ended, and any day by a backfill.

The run of a day gives what the day's own builds gave, for gold hangs on bronze alone. Rows that were changed or lost in
gold are put right.

    airflow backfill create --dag-id rebuild_day --from-date 2026-10-01 --to-date 2026-10-31 --max-active-runs 1
"""

from airflow.sdk import CronDataIntervalTimetable, dag

from dags.chain import SHARED
from dags.gold import BuildGold


@dag(schedule=CronDataIntervalTimetable("@daily", timezone="UTC"), doc_md=__doc__, **SHARED)
def rebuild_day() -> None:
    BuildGold(task_id="rebuild", days="{{ ds }}", promotes=True)


rebuild_day()
