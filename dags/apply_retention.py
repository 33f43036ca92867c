"""Every night, old readings and events leave Postgres, and older ones the Delta tables, as the settings say.

IOTOPS_HOT_DAYS and IOTOPS_WARM_DAYS count the days that stay; unset, nothing is limited and nothing is done. No row is
lost: what leaves Postgres is in Delta, what leaves Delta is in the archive beside it.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import dag, task

from dags.chain import SHARED

log = logging.getLogger(__name__)


@dag(schedule="@daily", doc_md=__doc__, **SHARED)
def apply_retention() -> None:
    @task
    def retain() -> dict[str, Any]:
        from iotops import retaining
        from iotops.bootstrap import bootstrap

        done = retaining.retain(bootstrap(), now=datetime.now(UTC))
        log.info(done.describe())
        return done.to_json()

    retain()


apply_retention()
